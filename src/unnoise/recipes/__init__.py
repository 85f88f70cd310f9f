"""Training runs as Python: one recipe a file, a frozen dataclass of what people vary, whose `run` returns the `Run`."""

from typing import Any

from unnoise.core.registry import Registry

RECIPES: Registry[type[Any]] = Registry("unnoise.recipes", "recipe")
