"""A published model as one file of our own, which `_stated` reads: networks by our names, tokenizers, and settings."""

import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch

from unnoise.core.description import Description
from unnoise.families import FAMILIES
from unnoise.families import _tokens as tokens
from unnoise.families._layouts import Layout
from unnoise.families._networks import MODULES, NOWHERE, Network
from unnoise.families._source import Source
from unnoise.families._stated import DESCRIBED, stated
from unnoise.weights.lazy import cast as cast_to
from unnoise.weights.lazy import joined, within
from unnoise.weights.parts import FORMAT
from unnoise.weights.safetensors_writer import write_safetensors


def write_own(
    path: Path,
    networks: Sequence[Network],
    layout: Layout,
    source: Source,
    description: Description,
    dtype: torch.dtype | None,
) -> None:
    """Write a model's networks with all that is stated of them.

    Args:
        dtype: what floating-point tensors are stored as; None leaves them as they are.

    Raises:
        Refused: a tokenizer or a part is missing; the folder cannot be written to, or is full; or a number is too large
            for the type.
    """
    family = FAMILIES[description.family]
    family.assemble(source, description, NOWHERE)  # refuses what would be no whole model, before anything is written
    assert family.course is not None
    tokenizers, vocabularies = _tokenizers(networks, layout, source)
    said = {
        "format": FORMAT,
        "family": description.family,
        "description": {name: getattr(description, name) for name in ("multiple", *DESCRIBED)},
        "noising": stated(family.course(source)),
        "parts": {network.slot.name: _part(network, layout) for network in networks},
        "tokenizers": tokenizers,
        "scheduler": source.scheduler,
        "index": {name: value for name, value in source.index.items() if not isinstance(value, list)},
    }
    lazy = joined(n.lazy.through(partial(within, f"{n.slot.name}.")) for n in networks)
    lazy = lazy if dtype is None else lazy.through(partial(cast_to, dtype))
    write_safetensors(path, lazy, {**source.notes, **vocabularies, "unnoise": json.dumps(said)})


def _part(network: Network, layout: Layout) -> dict[str, Any]:
    name = MODULES[network.maps].__module__.rsplit(".", 1)[-1]
    trimmed = layout.spare and network.slot.kind == "clip" and not network.stored.full
    return {"name": name, "config": network.fields} | ({"trimmed": True} if trimmed else {})


def _tokenizers(
    networks: Sequence[Network], layout: Layout, source: Source
) -> tuple[dict[str, dict[str, Any]], dict[str, str]]:
    """What is stated of each tokenizer, by its folder in diffusers' layout, and their vocabularies, each once."""
    said, names = dict[str, dict[str, Any]](), dict[str, str]()
    for folder, (slot, pad) in layout.tokenizers.items():
        if slot in (network.slot.name for network in networks):
            words = tokens.clip(source, folder, pad) if pad else tokens.t5(source, folder)
            text = words.tokenizer.to_str()
            name = names.setdefault(text, f"vocabulary_{len(names) + 1}" if names else "vocabulary")
            said[folder] = {"vocabulary": name, "begin": words.begin, "end": words.end, "pad": words.pad}
    return said, {name: text for text, name in names.items()}
