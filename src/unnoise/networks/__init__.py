"""One architecture a file: its config, its condition and its module. `NETWORKS` knows the denoising ones by name,
`CODECS` those that stand between media and samples, `UPSCALERS` those that enlarge pictures.

A file offers `network`, `codec` or `upscaler`: the module class, which names `Config` (and a network `Condition`) as
attributes.
"""

from unnoise.core.registry import Registry
from unnoise.networks._kind import Architecture

NETWORKS: Registry[Architecture] = Registry("unnoise.networks", "network")
CODECS: Registry[type] = Registry("unnoise.networks", "codec")
UPSCALERS: Registry[type] = Registry("unnoise.networks", "upscaler")
