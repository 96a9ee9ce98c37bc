"""Documents service: uploads become blocks, chunks and vectors, stored in one transaction."""
