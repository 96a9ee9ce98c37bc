"""The place of the load balancer in front of a RAGDeployment's services. Nothing is implemented here yet:
`spec.gateway.enabled` and `loadBalancing` are refused (see api/validation.py)."""
