"""What strangers call the tensors of our networks: one network a file."""
