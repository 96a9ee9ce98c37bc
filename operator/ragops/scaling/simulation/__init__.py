"""The workload model of `ragops simulate`: a cluster in numbers, policies to drive it, figures to compare."""
