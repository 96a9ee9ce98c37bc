"""The load balancer in front of a RAGDeployment's services: HAProxy's configuration, and what the agent
beside it decides. Pure; ragops.agent does the I/O."""
