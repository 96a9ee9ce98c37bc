"""Pure builders: one module per kind of child object, each from (rag, service) to a manifest or None."""
