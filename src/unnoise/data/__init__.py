"""Captioned pictures for training: where they lie, what they show, and in which order they come."""
