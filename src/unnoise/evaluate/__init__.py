"""Measures of models and of what they make."""
