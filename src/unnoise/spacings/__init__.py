"""One way to lay steps along a schedule a file; `SPACINGS` knows them by the file's name."""

from unnoise.core.registry import Registry
from unnoise.core.sampler import Spacing

SPACINGS: Registry[type[Spacing]] = Registry("unnoise.spacings", "spacing")
