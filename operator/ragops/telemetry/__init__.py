"""What the operator tells about itself: Prometheus metrics, Events, logs."""
