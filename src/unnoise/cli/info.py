"""Tell what a file is: a model, a picture and its record, a sample, a snapshot or a training run.

Of a picture that another program made, `told` holds its settings in plain fields.
"""

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any

from unnoise.catalogue import describe, find, recognise
from unnoise.cli._parse import parse
from unnoise.cli._places import user_path
from unnoise.cli._show import say, say_json
from unnoise.core.error import Refused
from unnoise.weights.header import Header, read_header
from unnoise.weights.parts import facts, holds

DEEPEST = 100
"""Brackets within brackets of JSON that is shown as such."""


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
        return _folder(path)
    if not path.is_file() and "." not in path.name and len(path.parts) == 1:
        path = find(name)
    if path.suffix.lower() == ".safetensors":
        return _tensors(path)
    return _picture(path)


def _tensors(path: Path) -> dict[str, Any]:
    header = read_header(path)
    types = dict(Counter(e.dtype for e in header.tensors.values()).most_common())
    held = {"tensors": len(header.tensors), "types": types, "bytes": path.stat().st_size}
    if "unnoise_state" in header.metadata:
        return {"kind": "state", "path": str(path), **held, **_state(header.metadata["unnoise_state"])}
    if "record" in header.metadata:
        return {"kind": "sample", "path": str(path), **held, "record": _json(header.metadata["record"])}
    if parts := holds(header):
        said = {"parts": list(parts), "parameters": header.parameters, "facts": facts(header)}
        return {"kind": "parts", "path": str(path), **said, **held}
    try:
        recognise(header)
    except Refused:
        return {"kind": "tensors", "path": str(path), **held, **_unknown(header)}
    return {"kind": "model", "path": str(path), **asdict(describe(str(path.resolve()))), **held}


def _state(text: str) -> dict[str, Any]:
    """A paused run's step and record."""
    said = _json(text)
    if not isinstance(said, dict):
        return {}
    return {"step": said.get("step"), "level": said.get("level"), "record": _json(str(said.get("record")))}


def _unknown(header: Header) -> dict[str, Any]:
    shapes = {name: list(entry.shape) for name, entry in list(header.tensors.items())[:10]}
    return {"parameters": header.parameters, "metadata": dict(header.metadata), "first": shapes}


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
        "record": _json(texts["unnoise"]) if "unnoise" in texts else None,
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
        found = _json((path / "manifest.json").read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise Refused(f"cannot read {path / 'manifest.json'}", str(error)[:100], "file") from None
    if not isinstance(found, dict):
        raise Refused(f"{path / 'manifest.json'} is no snapshot's", "name another", "file")
    return found


def _json(text: str) -> Any:
    """What a stranger's file says in JSON; the text as it is where it is none, or none that can be told again."""
    try:
        found = json.loads(text)
        json.dumps([[[found]]], allow_nan=False)  # NaN is read, though no JSON; so is what nests too deep to show
        return found if _depth(text) <= DEEPEST else text[:1000]
    except (ValueError, RecursionError):
        return text[:1000]


def _depth(text: str) -> int:
    """How deep its brackets nest at the most; those within strings count, too."""
    steps = (1 if c in "[{" else -1 for c in text if c in "[]{}")
    return max(accumulate(steps), default=0)


def _lines(known: Mapping[str, Any], indent: str = "") -> list[str]:
    """Names and values, one a line; tables go a step in."""
    shown = {k: v for k, v in known.items() if v not in (None, "", [], (), {})}
    width, lines = max(map(len, shown), default=0), list[str]()
    for name, value in shown.items():
        if name == "seed":  # to be copied, so without commas
            value = str(value)
        if isinstance(value, Mapping) and len(value) > 1:
            lines += [f"{indent}{name}", *_lines(value, indent + "  ")]
        else:
            lines.append(f"{indent}{name.ljust(width)}  {_shown(value, indent + ' ' * (width + 2))}")
    return lines


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
