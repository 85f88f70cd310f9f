"""What other programs' pictures say of themselves, one program a file: `told` asks each reader in turn.

A reader takes a picture's texts, as `embed.metadata` gives them, and returns `Told`, or None where they are not its
program's. Texts are a stranger's: whatever they hold, reading ends in time linear in their length and raises nothing.
"""

from collections.abc import Callable, Mapping

from unnoise.core.registry import Registry
from unnoise.media.foreign._told import Told

READERS: Registry[Callable[[Mapping[str, str]], Told | None]] = Registry("unnoise.media.foreign", "reader")


def told(texts: Mapping[str, str]) -> Told | None:
    """What another program wrote into a picture, in plain fields; None where none that we know did.

    Args:
        texts: the picture's texts by name, as `embed.metadata` or `embed.read_metadata` gives them.
    """
    return next((found for name in READERS if (found := READERS[name](texts)) is not None), None)
