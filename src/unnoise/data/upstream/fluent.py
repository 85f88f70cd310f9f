"""Fluent Emoji, Microsoft's, as it lies in microsoft/fluentui-emoji: three styles in assets/NAME/{3D,Color,Flat}.

An emoji with skin tones has a folder more, and the yellow one lies in assets/NAME/Default/{3D,Color,Flat}; the others
are not taken. assets/NAME/metadata.json says which emoji it is. 3D is PNG of 256 pixels, the others are SVG.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from unnoise.core.error import Refused
from unnoise.data.emoji import names, points
from unnoise.data.emoji.names import Named
from unnoise.data.emoji.points import Points
from unnoise.data.upstream._art import Art, Style, listed, no_clone

KINDS = {
    "3D": (Style("fluent-3d", "fluent 3d emoji, glossy 3d render"), ".png"),
    "Color": (Style("fluent-color", "fluent color emoji, soft gradient vector art"), ".svg"),
    "Flat": (Style("fluent-flat", "fluent flat emoji, simple flat vector art"), ".svg"),
}
"""Folder -> the style, and its files' suffix."""


@dataclass(frozen=True)
class Fluent:
    address = "https://github.com/microsoft/fluentui-emoji"
    family = "Fluent Emoji"
    licence = "MIT"
    attribution = "Fluent Emoji, Copyright (c) Microsoft Corporation"
    styles = tuple(style for style, _ in KINDS.values())

    def art(self, folder: Path) -> Iterator[Art]:
        sheets = sorted(folder.glob("assets/*/metadata.json"))
        if not sheets:
            raise no_clone(folder, self.address, "assets/NAME/metadata.json")
        for sheet in sheets:
            found, own = _about(sheet)
            tones = sheet.parent / "Default"
            for kind, (style, suffix) in KINDS.items():
                files = listed((tones if tones.is_dir() else sheet.parent) / kind, suffix)
                if files:
                    yield Art(style, found, files[0].relative_to(folder), own)


def _about(sheet: Path) -> tuple[Points, Named]:
    """Which emoji an entry is, and what it says of it."""
    try:
        record = cast(Mapping[str, Any], json.loads(sheet.read_text(encoding="utf-8")))
        name = names.plain(str(record["cldr"]))
        own = Named(name, str(record.get("group", "")), names.keywords(name, map(str, record.get("keywords") or ())))
        "".join((own.name, own.group, *own.keywords)).encode()  # half a Unicode character could not be written
        return points.read(str(record["unicode"])), own
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
        raise Refused(f"{sheet} is damaged", "restore it: git checkout .", "fluent") from None


upstream = Fluent()
