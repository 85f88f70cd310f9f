"""What can be trained, one kind a file."""
