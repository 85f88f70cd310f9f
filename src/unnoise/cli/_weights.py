"""What `unnoise info` says of a file or folder of weights, whatever its format: from headers, and the files' hashes."""

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict
from itertools import accumulate
from pathlib import Path
from typing import Any

from unnoise.adapters.told import told
from unnoise.catalogue import recognise
from unnoise.core.error import Refused
from unnoise.families._folder import read_source
from unnoise.families._located import locate
from unnoise.families._source import Source, Stored
from unnoise.weights.digest import hashes
from unnoise.weights.header import Header
from unnoise.weights.parts import facts, holds

DEEPEST = 100
"""Brackets within brackets of JSON that is shown as such."""
SHOWN = 10
"""Tensors of a file of no kind that we know."""


def weights(path: Path) -> dict[str, Any]:
    """What there is to say of weights, as JSON values, its `kind` first.

    Raises:
        Refused: they cannot be read.
    """
    source = read_source(path)
    if source.whole is None:
        return _model(source, {})
    header = source.whole.header
    if "unnoise_state" in header.metadata:
        return {"kind": "state", "path": str(path), **_held(header), **_state(header.metadata["unnoise_state"])}
    if "record" in header.metadata:
        return {"kind": "sample", "path": str(path), **_held(header), "record": shown_json(header.metadata["record"])}
    if parts := holds(header):
        said = {"parts": list(parts), "parameters": header.parameters, "facts": facts(header)}
        return {"kind": "parts", "path": str(path), **said, **_held(header)}
    return _model(source, _notes(header.metadata))


def _model(source: Source, notes: dict[str, Any]) -> dict[str, Any]:
    """A model, or tensors of which no family knows anything."""
    first = source.whole or next(iter(source.folders.values()), None)
    held = _held(source.whole.header) | {"hashes": hashes(source.path)} if source.whole else {}
    try:
        family = recognise(source)
    except Refused as refused:
        if first is None:
            raise
        if adapter := told(first.header):
            said = {"kind": adapter.pop("kind"), "path": str(source.path), **adapter}
            return {**said, "parameters": first.header.parameters, **notes, **held}
        seems = str(refused.what).partition(" holds ")[2]
        return {"kind": "tensors", "path": str(source.path), "seems": seems, **_unknown(first), **notes, **held}
    about = family.describe(source)
    parts = {name: _part(source, stored) for name, stored in locate(source, family.slots).items()}
    said = {**asdict(about), "files": dict(about.files)}
    return {"kind": "model", "path": str(source.path), **said, "parts": parts, **notes, **held}


def _part(source: Source, stored: Stored) -> dict[str, Any]:
    """Where one network lies, how large it is, and of what types its tensors are."""
    entries = [e for name, e in stored.header.tensors.items() if name.startswith(stored.prefix)]
    types = dict(Counter(e.dtype for e in entries).most_common())
    where = str(stored.header.path.relative_to(source.path)) if source.whole is None else stored.prefix
    return {"where": where, "parameters": sum(map(_count, stored.shapes.values())), "types": types}


def _count(shape: tuple[int, ...]) -> int:
    from math import prod

    return prod(shape)


def _held(header: Header) -> dict[str, Any]:
    types = dict(Counter(e.dtype for e in header.tensors.values()).most_common())
    size = sum(path.stat().st_size for path in header.files)
    return {"format": header.kind, "tensors": len(header.tensors), "types": types, "bytes": size}


def _state(text: str) -> dict[str, Any]:
    """A paused run's step and record."""
    said = shown_json(text)
    if not isinstance(said, dict):
        return {}
    return {"step": said.get("step"), "level": said.get("level"), "record": shown_json(str(said.get("record")))}


def _notes(metadata: Mapping[str, str]) -> dict[str, Any]:
    """What a file says of itself: ModelSpec's statements, those of the training scripts, and the rest."""
    spec = {k.removeprefix("modelspec."): _cut(v) for k, v in metadata.items() if k.startswith("modelspec.")}
    training = {k: shown_json(v) for k, v in metadata.items() if k.startswith(("ss_", "sshs_"))}
    known = ("modelspec.", "ss_", "sshs_", "unnoise", "vocabulary")
    others = {k: _cut(v) for k, v in metadata.items() if not k.startswith(known)}
    return {"modelspec": spec, "training": training, "metadata": others}


def _cut(text: str) -> str:
    return text if len(text) <= 1000 else f"{text[:1000]}..."


def _unknown(stored: Stored) -> dict[str, Any]:
    header = stored.header
    shapes = {name: list(entry.shape) for name, entry in list(header.tensors.items())[:SHOWN]}
    return {"parameters": header.parameters, "first": shapes}


def shown_json(text: str) -> Any:
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
