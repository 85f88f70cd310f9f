"""Tell what a file is: a model, a picture and its record, a sample, a snapshot or a training run.

Of a picture that another program made, `told` holds its settings in plain fields.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from unnoise.catalogue import find
from unnoise.cli._parse import parse
from unnoise.cli._places import user_path
from unnoise.cli._show import say, say_json
from unnoise.cli._weights import shown_json, weights
from unnoise.core.error import Refused
from unnoise.weights.shelves import is_model_folder, is_spelt_path

FEW = 4
"""Entries that are told one by one, though their names differ in a number alone."""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """Tell what a file is: a model, a picture and its record, a sample, a snapshot or a training run.

    Args:
        file: A file or folder, or a model's name.
        json: One JSON object, and nothing else.
    """

    file: str
    json: bool = False


def command(args: list[str]) -> int:
    asked = parse(Asked, args, "unnoise info")
    found = look(asked.file)
    if asked.json:
        say_json(**found)
    else:
        say("\n".join(_lines(found)))
    return 0


def look(name: str) -> dict[str, Any]:
    """What there is to say of a file or folder, as JSON values, its `kind` first.

    Raises:
        Refused: it is not there, or nothing that we know.
    """
    path = user_path(name, "FILE")
    if path.is_dir():
        return weights(path) if is_model_folder(path) else _folder(path)
    if not path.is_file() and not is_spelt_path(name):
        path = find(name)
    if is_spelt_path(path.name) or path.is_dir():
        return weights(path)
    return _picture(path)


def _picture(path: Path) -> dict[str, Any]:
    from unnoise.media.container import probe, read_bytes
    from unnoise.media.embed import XMP, metadata
    from unnoise.media.foreign import told
    from unnoise.media.provenance import properties

    data = read_bytes(path)
    header, texts = probe(data, str(path)), metadata(data, str(path))
    marks = properties(texts[XMP]) if XMP in texts else {}
    foreign = None if "unnoise" in texts else told(texts)
    source = next((v for k, v in marks.items() if k.endswith("DigitalSourceType")), None)
    return {
        "kind": "picture",
        "path": str(path),
        "format": header.format,
        "width": header.width,
        "height": header.height,
        "source": source,
        "record": shown_json(texts["unnoise"]) if "unnoise" in texts else None,
        "told": foreign.values() if foreign else None,
        "parameters": texts.get("parameters"),
        "texts": sorted(texts),
    }


def _folder(path: Path) -> dict[str, Any]:
    """A snapshot, or a run that holds some."""
    if (path / "manifest.json").is_file():
        return {"kind": "snapshot", "path": str(path), **_manifest(path)}
    snapshots = sorted(p.parent for p in path.glob("**/step-*/manifest.json") if len(p.relative_to(path).parts) <= 3)
    if not snapshots:
        raise Refused(f"{path} is a folder without a snapshot", "name a file, a snapshot or a run's folder", "file")
    files = sorted(p.name for p in path.iterdir() if p.is_file() and not p.name.startswith("."))
    return {
        "kind": "run",
        "path": str(path),
        "snapshots": [str(p.relative_to(path)) for p in snapshots],
        **_manifest(snapshots[-1]),
        "files": files,
    }


def _manifest(path: Path) -> dict[str, Any]:
    try:
        found = shown_json((path / "manifest.json").read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise Refused(f"cannot read {path / 'manifest.json'}", str(error)[:100], "file") from None
    if not isinstance(found, dict):
        raise Refused(f"{path / 'manifest.json'} is no snapshot's", "name another", "file")
    return found


def _lines(known: Mapping[str, Any], indent: str = "") -> list[str]:
    """Names and values, one a line; tables go a step in."""
    shown = _folded({k: v for k, v in known.items() if v not in (None, "", [], (), {})})
    width, lines = max(map(len, shown), default=0), list[str]()
    for name, value in shown.items():
        if name == "seed":  # to be copied, so without commas
            value = str(value)
        if isinstance(value, Mapping) and (len(value) > 1 or any(isinstance(v, Mapping) for v in value.values())):
            lines += [f"{indent}{name}", *_lines(value, indent + "  ")]
        else:
            lines.append(f"{indent}{name.ljust(width)}  {_shown(value, indent + ' ' * (width + 2))}")
    return lines


def _folded(known: Mapping[str, Any]) -> dict[str, Any]:
    """The same with one entry for many whose names differ in a number alone: how many, and what they say."""
    alike = dict[str, list[str]]()
    for name in known:
        alike.setdefault(name if name.isdigit() else re.sub(r"\d+", "N", name), []).append(name)
    found = dict[str, Any]()
    for pattern, names in alike.items():
        said = {str(known[name]) for name in names}
        if len(names) <= FEW or len(said) > FEW:
            found |= {name: known[name] for name in names}
        else:
            found[pattern] = f"{', '.join(sorted(said))} ({len(names)} of them)"
    return found


def _shown(value: Any, indent: str) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}" if value >= 100_000 else str(value)
    if isinstance(value, Mapping):
        value = ", ".join(f"{k} {v}" for k, v in value.items())
    if isinstance(value, list | tuple):
        nested = any(isinstance(v, list | tuple) for v in value)
        value = f"{len(value)} of them" if nested else ", ".join(map(str, value))
    text = "".join(c if c.isprintable() or c == "\n" else repr(c)[1:-1] for c in str(value))
    return text.replace("\n", "\n" + indent)
