"""The RAGDeployment API: pydantic models, defaults by service type, validation and CRD generation."""
