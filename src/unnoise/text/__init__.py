"""From words to conditions: one conditioner a file; `CONDITIONERS` knows them by name."""

from unnoise.core.registry import Registry

CONDITIONERS: Registry[type] = Registry("unnoise.text", "conditioner")
