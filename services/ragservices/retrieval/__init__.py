"""Retrieval service: the passages nearest in meaning to a question."""
