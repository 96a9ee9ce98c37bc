"""The commands `ragops` and `kubectl rag`."""
