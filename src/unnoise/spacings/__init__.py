"""One way to lay steps along a schedule a file; `SPACINGS` knows them by the file's name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from unnoise.core.registry import Registry

if TYPE_CHECKING:
    from unnoise.core.sampler import Spacing


SPACINGS: Registry[type[Spacing]] = Registry("unnoise.spacings", "spacing")
