"""Weight files: their headers without tensors, and reading and writing the tensors themselves."""
