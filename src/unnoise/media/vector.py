"""SVG as pixels, by resvg (the extra `data`): the same pixels on every machine, without the fonts that it has.

A drawing is whole in itself. One that names another file is not drawn: a stranger's would show what lies here.
"""

import os
import re
from collections.abc import Iterator
from importlib import import_module
from importlib.util import find_spec
from xml.etree import ElementTree

from unnoise.core.error import Refused

INSIDE = ("#", "data:")
"""How a reference to something in the drawing itself begins."""

_STYLED = re.compile(r"@import|url\(\s*+[\"']?+(?!#|data:)", re.IGNORECASE)  # CSS that names another file


def there() -> bool:
    """Whether SVG can be drawn here."""
    return find_spec("resvg_py") is not None


def drawn(svg: bytes, side: int, name: str) -> bytes:
    """An SVG file as PNG with transparency, its longer side of so many pixels; `name` stands in the error.

    Raises:
        Refused: it is damaged or names another file, or resvg is not installed.
    """
    try:
        resvg = import_module("resvg_py")
    except ImportError:
        raise Refused(f"{name} is SVG, and resvg is not installed", "pip install 'unnoise[data]'") from None
    try:
        text = svg.decode("utf-8-sig")
        if not (other := next(_named(text), "")):
            nowhere = {"skip_system_fonts": True, "resources_dir": os.devnull}  # "#/../x.png" is a path too
            return bytes(resvg.svg_to_bytes(svg_string=text, width=side, height=side, **nowhere))
    except (ValueError, ElementTree.ParseError) as fault:  # UnicodeDecodeError is a ValueError
        raise Refused(f"{name} is a damaged SVG file ({fault})", "restore it") from None
    raise Refused(f"{name} is SVG that names another file ({other[:60]})", "leave it out, or put that into it")


def _named(text: str) -> Iterator[str]:
    """What an SVG file names that does not lie in itself."""
    for element in ElementTree.fromstring(text).iter():
        for name, value in element.items():
            outside = _local(name) == "href" and not value.startswith(INSIDE)
            if outside or _STYLED.search(value):
                yield f"{_local(name)} {value}"
        if _local(element.tag) == "style" and (found := _STYLED.search(styles := "".join(element.itertext()))):
            yield styles[found.start() :]


def _local(name: str) -> str:
    """A name without its namespace."""
    return name.rpartition("}")[2]
