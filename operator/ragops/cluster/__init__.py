"""Everything that talks to Kubernetes: the client, the watch cache, the leader lease."""
