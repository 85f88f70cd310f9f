"""Layers that networks share; no models."""
