"""What to do next: dependency graph, ordered start, conditions, and the plan of one pass. Pure."""
