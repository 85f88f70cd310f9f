"""One way to combine guesses a file; `GUIDANCES` knows them by the file's name."""

from unnoise.core.guidance import Combine
from unnoise.core.registry import Registry

GUIDANCES: Registry[type[Combine]] = Registry("unnoise.guidances", "guidance")
