"""One architecture a file: its config, its condition and its module. `NETWORKS` knows the denoising ones by name,
`CODECS` those that stand between media and samples, `UPSCALERS` those that enlarge pictures, `EYES` those that judge.

A file offers `network`, `codec`, `upscaler` or `eye`: the module class, which names `Config` (a network and an eye
`Condition`, too) as attributes.
"""

from unnoise.core.registry import Registry
from unnoise.networks._kind import Architecture

NETWORKS: Registry[Architecture] = Registry("unnoise.networks", "network")
CODECS: Registry[type] = Registry("unnoise.networks", "codec")
UPSCALERS: Registry[type] = Registry("unnoise.networks", "upscaler")
EYES: Registry[type] = Registry("unnoise.networks", "eye")
