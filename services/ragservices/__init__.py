"""The reference data plane of a RAGDeployment: one image, one program per service."""
