"""One way of laying out a set of pictures a file; `LAYOUTS` knows them by the file's name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from unnoise.core.registry import Registry

if TYPE_CHECKING:
    from unnoise.data.source import Layout


LAYOUTS: Registry[Layout] = Registry("unnoise.data.layouts", "layout")
