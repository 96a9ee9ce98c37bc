"""ragops: one RAGDeployment becomes a whole production RAG system on Kubernetes."""
