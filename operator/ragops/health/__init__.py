"""Health of services: from their pods, the operator's checks, their figures, and their upstreams. Pure."""
