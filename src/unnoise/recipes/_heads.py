"""How many heads a transformer of a width gets."""

from unnoise.core.error import Refused

HEAD = 64
"""The width of one."""


def heads(width: int) -> int:
    """As many as fit a width.

    Raises:
        Refused: they do not fill it.
    """
    if width < HEAD or width % HEAD:
        raise Refused(f"width {width} is no multiple of {HEAD}", f"try {max(1, round(width / HEAD)) * HEAD}", "width")
    return width // HEAD
