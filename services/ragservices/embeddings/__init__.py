"""Embeddings service: texts in, normalised vectors out, by ONNX Runtime."""
