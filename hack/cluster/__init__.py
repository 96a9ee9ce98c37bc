"""A local Kubernetes without Docker: real components, built from source, on this one machine."""
