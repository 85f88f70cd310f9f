"""One architecture a file: its config, its condition and its module. `NETWORKS` knows the denoising ones by name,
`CODECS` those that stand between media and samples, `UPSCALERS` those that enlarge pictures, `EYES` those that compare
them with words, `WITNESSES` those that answer questions about them.

A file offers `network`, `codec`, `upscaler`, `eye` or `witness`: the module class, which names `Config` (a network and
an eye `Condition`, too) as attributes.
"""

from unnoise.core.registry import Registry
from unnoise.networks._kind import Architecture

NETWORKS: Registry[Architecture] = Registry("unnoise.networks", "network")
CODECS: Registry[type] = Registry("unnoise.networks", "codec")
UPSCALERS: Registry[type] = Registry("unnoise.networks", "upscaler")
EYES: Registry[type] = Registry("unnoise.networks", "eye")
WITNESSES: Registry[type] = Registry("unnoise.networks", "witness")
