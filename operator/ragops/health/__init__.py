"""Health of services: from the readiness of their pods and from what they depend on. Pure."""
