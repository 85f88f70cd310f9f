"""One checkpoint family a file: how its files are recognised, described from their headers, and put together."""

from unnoise.core.registry import Registry
from unnoise.families._family import Family

FAMILIES: Registry[Family] = Registry("unnoise.families", "family")
