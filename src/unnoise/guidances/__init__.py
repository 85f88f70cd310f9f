"""One way to combine guesses a file; `GUIDANCES` knows them by the file's name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from unnoise.core.registry import Registry

if TYPE_CHECKING:
    from unnoise.core.guidance import Combine


GUIDANCES: Registry[type[Combine]] = Registry("unnoise.guidances", "guidance")
