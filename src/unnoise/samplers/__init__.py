"""One sampling method a file; `SAMPLERS` knows them by the file's name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from unnoise.core.registry import Registry

if TYPE_CHECKING:
    from unnoise.core.sampler import Sampler


SAMPLERS: Registry[type[Sampler]] = Registry("unnoise.samplers", "sampler")
