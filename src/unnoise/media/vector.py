"""SVG as pixels, by resvg (the extra `data`): the same pixels on every machine, without the fonts that it has."""

from importlib import import_module
from importlib.util import find_spec

from unnoise.core.error import Refused


def there() -> bool:
    """Whether SVG can be drawn here."""
    return find_spec("resvg_py") is not None


def drawn(svg: bytes, side: int, name: str) -> bytes:
    """An SVG file as PNG with transparency, its longer side of so many pixels; `name` stands in the error.

    Raises:
        Refused: it is damaged, or resvg is not installed.
    """
    try:
        resvg = import_module("resvg_py")
    except ImportError:
        raise Refused(f"{name} is SVG, and resvg is not installed", "pip install 'unnoise[data]'") from None
    try:
        text = svg.decode("utf-8-sig")
        return bytes(resvg.svg_to_bytes(svg_string=text, width=side, height=side, skip_system_fonts=True))
    except ValueError as fault:  # UnicodeDecodeError is one
        raise Refused(f"{name} is a damaged SVG file ({fault})", "restore it") from None
