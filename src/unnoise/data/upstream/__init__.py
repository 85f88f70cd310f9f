"""One public art repository a file; `UPSTREAMS` knows them by the file's name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from unnoise.core.registry import Registry

if TYPE_CHECKING:
    from unnoise.data.upstream._art import Upstream


UPSTREAMS: Registry[Upstream] = Registry("unnoise.data.upstream", "upstream")
