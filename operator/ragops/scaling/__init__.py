"""How many replicas, and why. Pure: the operator, the tests and the simulator call the same functions."""
