"""A model as one file, in the names that it was published in: safetensors, or GGUF for its diffusion network alone."""

from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import cast

import torch

from unnoise.core.description import Description
from unnoise.core.error import Refused
from unnoise.families._layouts import Layout, zero_terminal
from unnoise.families._networks import Network, with_spare_layer
from unnoise.families._source import Source
from unnoise.weights.gguf_writer import Kind, write_gguf
from unnoise.weights.keymap import KeyMap
from unnoise.weights.lazy import Lazy, joined, with_again
from unnoise.weights.lazy import cast as cast_to
from unnoise.weights.maps import clip, t5
from unnoise.weights.safetensors_writer import write_safetensors

SPEC = "1.0.1"
OPEN_CLIP = ".model."
"""How a prefix ends behind which text encoders have OpenCLIP's names."""

WORDS = ("encoder.embed_tokens.weight", "shared.weight")
"""T5's vectors of words, which published files hold twice; some readers look for the one, some for the other."""


def write_single(
    path: Path,
    networks: Sequence[Network],
    layout: Layout,
    source: Source,
    description: Description,
    dtype: torch.dtype | None,
) -> None:
    """Write a model's networks under the prefixes of its family.

    Args:
        dtype: what floating-point tensors are stored as; None leaves them as they are.

    Raises:
        Refused: the folder cannot be written to, or is full; or a number is too large for the type.
    """
    alone = len(networks) == 1 and layout.bare
    parts = [_named(network, layout, alone) for network in networks]
    lazy = joined([*parts, *_markers(source, description)])
    lazy = lazy if dtype is None else lazy.through(partial(cast_to, dtype))
    write_safetensors(path, lazy, _metadata(layout, source, description))


def write_quantised(path: Path, network: Network, layout: Layout, dtype: torch.dtype | None, quantised: bool) -> None:
    """Write a diffusion network as GGUF, without a prefix.

    Args:
        dtype: what floating-point tensors are stored as; None leaves them as they are.
        quantised: matrices as Q8_0.

    Raises:
        Refused: as `write_single`.
    """
    lazy = network.named(network.maps.original(network.config))
    lazy = lazy if dtype is None else lazy.through(partial(cast_to, dtype))
    kind: Kind = "Q8_0" if quantised else _widest(lazy)
    write_gguf(path, lazy.tensors, {"general.architecture": layout.gguf}, kind)


def _named(network: Network, layout: Layout, alone: bool) -> Lazy:
    slot = network.slot
    prefix = "" if alone else layout.renamed.get(slot.name, slot.prefixes[0])
    if layout.spare and slot.kind == "clip" and not network.stored.full:
        network = with_spare_layer(network)
    named = network.named(_names(network, prefix).inside(prefix))
    return named.through(partial(with_again, {prefix + WORDS[0]: prefix + WORDS[1]})) if network.maps is t5 else named


def _names(network: Network, prefix: str) -> KeyMap:
    if network.maps is clip:
        return clip.original(network.config, "open_clip" if prefix.endswith(OPEN_CLIP) else "hf")
    return cast(KeyMap, network.maps.original(network.config))


def _markers(source: Source, description: Description) -> Iterable[Lazy]:
    """Tensors by which readers know what no shape says."""
    marks = ["v_pred"] if description.facts.get("prediction") == "v" else []
    for name in [*marks, *(["ztsnr"] if zero_terminal(source) else [])]:
        yield Lazy({name: torch.zeros(1)}, {name: torch.zeros(1, device="meta")})


def _metadata(layout: Layout, source: Source, description: Description) -> dict[str, str]:
    """What the file said of itself, and else what ModelSpec asks for."""
    prediction = description.facts.get("prediction", "")
    spec = {
        "sai_model_spec": SPEC,
        "architecture": (layout.spec_of_v if prediction == "v" else "") or layout.spec,
        "implementation": layout.implementation,
        "title": source.name,
        "resolution": f"{description.width}x{description.height}",
    }
    sure = {"modelspec.prediction_type": prediction} if prediction in ("v", "epsilon") else {}
    return {"format": "pt", **{f"modelspec.{name}": text for name, text in spec.items()}, **source.notes, **sure}


def _widest(lazy: Lazy) -> Kind:
    """The type that holds every number of the matrices as it is."""
    kinds: dict[torch.dtype, Kind] = {torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16"}
    found = {value.dtype for value in lazy.like.values() if value.is_floating_point() and value.ndim > 1}
    if torch.float64 in found:
        raise Refused("GGUF's matrices are at most float32", "give --dtype float32", "dtype")
    return kinds.get(found.pop(), "F32") if len(found) == 1 else "F32"
