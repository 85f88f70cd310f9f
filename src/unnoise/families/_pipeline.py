"""A model as a folder of diffusers: model_index.json, and a folder for each network, tokenizer and scheduler."""

import json
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch

from unnoise.core.description import Description
from unnoise.core.error import Refused
from unnoise.families import _tokens as tokens
from unnoise.families._layouts import VERSION, Layout, scheduled
from unnoise.families._networks import Network, projecting, without_spare_layer
from unnoise.families._source import Source
from unnoise.families._tokenizer_files import copy_files, write_clip, write_t5
from unnoise.media.atomic import staged_folder
from unnoise.weights.lazy import Lazy
from unnoise.weights.lazy import cast as cast_to
from unnoise.weights.maps import ldm_unet, mmdit
from unnoise.weights.safetensors_writer import check_room, write_safetensors

WEIGHTS = {"diffusers": "diffusion_pytorch_model.safetensors", "transformers": "model.safetensors"}
FORMAT = {"format": "pt"}


def write_folder(
    path: Path,
    networks: Sequence[Network],
    layout: Layout,
    source: Source,
    description: Description,
    dtype: torch.dtype | None,
) -> None:
    """Write a pipeline's folder, which must not be there yet, or be empty.

    Args:
        dtype: what floating-point tensors are stored as; None leaves them as they are.

    Raises:
        Refused: a tokenizer is missing, the folder is there, or cannot be written to, or is full.
    """
    fitted = [_fitted(network, layout) for network in networks]
    configs = {n.slot.folder: _config(n, _beside(n, fitted, description), source, dtype is not None) for n in fitted}
    index = _index(configs, layout, source, fitted[0])
    check_room(path, sum(_stored(network, dtype).bytes for network in fitted))
    encoders = {n.slot.name: n for n in fitted}
    tokenizers = {  # read before anything is written
        folder: _tokenizer(source, folder, pad, encoders[name])
        for folder, (name, pad) in layout.tokenizers.items()
        if name in encoders
    }
    with staged_folder(path) as beside:
        for folder, write in tokenizers.items():
            write(beside / folder)
        said = scheduled(layout, source, description.facts.get("prediction", ""))
        (beside / "scheduler").mkdir()
        _write_json(beside / "scheduler" / "scheduler_config.json", said)
        _write_json(beside / "model_index.json", index | {"scheduler": ["diffusers", said["_class_name"]]})
        for network in fitted:  # last, as what else is missing should be told before hours have passed
            _write_network(network, configs[network.slot.folder], dtype, beside / network.slot.folder)


def _fitted(network: Network, layout: Layout) -> Network:
    """A text encoder as pipelines have it."""
    if network.slot.kind != "clip":
        return network
    if layout.spare and network.stored.full:
        network = without_spare_layer(network)
    reads = layout.usual.get(network.slot.name, {}).get("projection") != 0
    return projecting(network) if reads and not network.config.projection else network


def _config(network: Network, beside: Mapping[str, Any], source: Source, cast: bool) -> dict[str, Any]:
    """A network's config.json: the one that it came with in a pipeline's folder, or one in the same words.

    Args:
        beside: what it says of the model around it.
        cast: whether its tensors are of another type than they were.
    """
    if network.stored is source.folders.get(network.slot.folder) and network.stored.config is not None:
        stale = ("torch_dtype", "dtype") if cast else ()
        return {name: value for name, value in network.stored.config.items() if name not in stale}
    said: dict[str, Any] = network.maps.to_diffusers(network.fields)
    return {**said, **beside, **({"_diffusers_version": VERSION} if "_class_name" in said else {})}


def _beside(network: Network, networks: Sequence[Network], description: Description) -> dict[str, Any]:
    """What a network's config says of the model around it."""
    codec = next(n for n in networks if n.slot.kind == "vae")
    if network is codec:
        return {"sample_size": description.width}
    if network.maps not in (ldm_unet, mmdit):
        return {}
    side = {"sample_size": description.width >> (len(codec.config.widths) - 1)}
    if network.maps is mmdit or not network.config.pooled:
        # In half precision, the attention of networks of this width that predict v overflows.
        steep = network.maps is ldm_unet and network.config.linear and description.facts.get("prediction") == "v"
        return side | ({"upcast_attention": True} if steep else {})
    texts = [n for n in networks if n.slot.kind == "clip"]
    numbers = 6 if len(texts) > 1 else 5  # the refiner is told a score in place of two sizes
    room = network.config.pooled - texts[-1].config.projection
    return side | {"addition_time_embed_dim": room // numbers}


def _index(configs: dict[str, dict[str, Any]], layout: Layout, source: Source, network: Network) -> dict[str, Any]:
    """model_index.json, less its scheduler."""
    kept = {k: v for k, v in source.index.items() if not k.startswith("_") and not isinstance(v, list)}
    extra = network.fields.get("extra", 0)
    if extra not in layout.pipelines:
        what = f"diffusers has no pipeline for a network with {extra} channels beside its sample"
        raise Refused(what, "convert to the original layout", "to")
    made: dict[str, Any] = {"_class_name": source.index.get("_class_name", layout.pipelines[extra])}
    made |= {"_diffusers_version": VERSION, **{name: [None, None] for name in layout.empty}}
    for slot in layout.slots:
        made[slot.folder] = _class(configs[slot.folder]) if slot.folder in configs else [None, None]
    for folder, (name, pad) in layout.tokenizers.items():
        here = next(slot.folder for slot in layout.slots if slot.name == name) in configs
        usual = ["transformers", "CLIPTokenizer" if pad else "T5TokenizerFast"]
        made[folder] = source.index.get(folder, usual) if here else [None, None]
    return made | dict(layout.settings) | kept


def _class(config: dict[str, Any]) -> list[str]:
    named = config.get("_class_name")
    return ["diffusers", named] if named else ["transformers", config["architectures"][0]]


def _stored(network: Network, dtype: torch.dtype | None) -> Lazy:
    lazy = network.named(network.maps.diffusers(network.config))
    return lazy if dtype is None else lazy.through(partial(cast_to, dtype))


def _write_network(network: Network, config: dict[str, Any], dtype: torch.dtype | None, folder: Path) -> None:
    folder.mkdir()
    write_safetensors(folder / WEIGHTS[_class(config)[0]], _stored(network, dtype), FORMAT)
    _write_json(folder / "config.json", config)


def _tokenizer(source: Source, folder: str, pad: str, encoder: Network) -> Callable[[Path], None]:
    """What writes a tokenizer into a folder."""
    own = source.tokenizers.get(folder)
    if own is not None and own.is_dir() and not source.given.get("tokenizer"):
        return partial(copy_files, own)
    if pad:
        return partial(write_clip, tokens.clip(source, folder, pad), encoder.config.positions)
    return partial(write_t5, tokens.t5(source, folder))


def _write_json(path: Path, said: dict[str, Any]) -> None:
    path.write_text(json.dumps(said, indent=2) + "\n", encoding="utf-8")
