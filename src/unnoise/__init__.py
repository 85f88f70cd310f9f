"""Diffusion models: train, sample, adapt, edit with and serve them.

Public names are imported when first used, so that `import unnoise` costs next to nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from unnoise.core.version import __version__ as __version__

if TYPE_CHECKING:
    from unnoise.api import Picture, generate
    from unnoise.catalogue import describe, library, load, models
    from unnoise.core.error import Refused
    from unnoise.core.event import Progress, Result
    from unnoise.tasks.generate import Generate
    from unnoise.tasks.upscale import Upscale

_WHERE = {
    "Generate": "unnoise.tasks.generate",
    "Picture": "unnoise.api",
    "Progress": "unnoise.core.event",
    "Refused": "unnoise.core.error",
    "Result": "unnoise.core.event",
    "Upscale": "unnoise.tasks.upscale",
    "describe": "unnoise.catalogue",
    "generate": "unnoise.api",
    "library": "unnoise.catalogue",
    "load": "unnoise.catalogue",
    "models": "unnoise.catalogue",
}

__all__ = [
    "Generate",
    "Picture",
    "Progress",
    "Refused",
    "Result",
    "Upscale",
    "describe",
    "generate",
    "library",
    "load",
    "models",
]


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module 'unnoise' has no attribute {name!r}")
    return getattr(import_module(_WHERE[name]), name)


def __dir__() -> list[str]:
    return __all__
