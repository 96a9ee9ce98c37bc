"""Sources of samples for scaling."""
