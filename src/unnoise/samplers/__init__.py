"""One sampling method a file; `SAMPLERS` knows them by the file's name."""

from unnoise.core.registry import Registry
from unnoise.core.sampler import Sampler

SAMPLERS: Registry[type[Sampler]] = Registry("unnoise.samplers", "sampler")
