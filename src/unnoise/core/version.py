"""The version of this package, where its lowest layer can say it."""

__version__ = "0.1.0"
