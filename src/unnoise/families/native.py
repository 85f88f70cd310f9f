"""Our own format, which every recipe exports: one safetensors file that says all of itself.

Its metadata hold `unnoise`, JSON with the registry name and the config fields of the network, prediction, clock,
schedule, spacing, codec and conditioner and what people should know, and `vocabulary`, the tokenizer's own JSON, where
there is one.
Tensors are named `network.*`, `codec.*` and `conditioner.*`.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, fields, is_dataclass
from typing import TYPE_CHECKING, Any, cast

from unnoise.core.description import LARGEST, Description
from unnoise.core.error import Refused
from unnoise.families._family import Family
from unnoise.families._source import Source
from unnoise.weights.digest import Digests
from unnoise.weights.header import Header
from unnoise.weights.parts import FORMAT, build, check_counts, named, roles, settings, statement, stored_as

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from unnoise.core.model import Model
    from unnoise.weights.place import Place

_KINDS: dict[str, Any] = {
    **dict.fromkeys(("width", "height", "multiple", "largest", "channels"), int),
    **dict.fromkeys(("title", "guidance", "prompts"), str),
    **dict.fromkeys(("defaults", "facts"), dict),
    "classes": list,
}
"""What a file says of its model, and as what kind of JSON value; the rest of a `Description` is found out."""


def recognises(source: Source) -> bool:
    return "unnoise" in source.metadata


def describe(source: Source) -> Description:
    """What the file says of itself.

    Raises:
        Refused: it was written by a newer unnoise, its metadata are damaged, or it is told what it says itself.
    """
    header = _header(source)
    files = Digests({header.path.name: header.path})
    return Description(
        name=header.path.stem, family="native", parameters=header.parameters, files=files, **said_of(header)
    )


def said_of(header: Header) -> dict[str, Any]:
    """The fields of a `Description` that a file of ours states. Raises as `describe` does."""
    said = roles(header)["description"]
    wrong = [name for name, kind in _KINDS.items() if name in said and not _is(said[name], kind)]
    missing = [name for name in ("width", "height", "multiple") if name not in said]
    steps = said.get("defaults", {}).get("steps", 1) if not wrong else 1
    if wrong or missing or not _is(steps, int):
        which = ", ".join([*wrong, *missing]) or "steps"
        raise Refused(f"{header.path} does not describe its model ({which})", "the file is damaged", "model")
    known: dict[str, Any] = {name: said[name] for name in _KINDS if name in said}
    if "classes" in known:
        known["classes"] = tuple(known["classes"])
    longest = known.get("largest", Description.largest)
    if longest > LARGEST or max(known["width"], known["height"], known["multiple"]) > longest:
        what = f"{header.path} describes pictures of {known['width']} x {known['height']} pixels, {longest} at most"
        raise Refused(what[:300], f"no model makes more than {LARGEST}; the file is damaged", "model")
    return known


def _header(source: Source) -> Header:
    """The header of the one file there is.

    Raises:
        Refused: there is none, or something is given that such files say themselves.
    """
    if source.whole is None or not recognises(source):
        raise Refused(f"{source.path} is none of our own files", "name its family, or leave --family out", "family")
    reading = source.reading
    given = {"part": reading.parts, "ignore_keys": reading.ignored, "family": reading.prediction}
    if field := next((name for name, value in given.items() if value), ""):
        option = "--" + field.replace("_", "-")
        raise Refused(f"{source.path} says itself all that it is", f"leave {option} out", field)
    return source.whole.header


def assemble(source: Source, description: Description, place: "Place") -> "Model":
    """Read the file and build its model on a device.

    Raises:
        Refused: a part it names is none we know, or its tensors do not fit.
    """
    from unnoise.core.clock import CLOCKS
    from unnoise.core.denoiser import Denoiser
    from unnoise.core.model import Codec, Conditioner, Model
    from unnoise.core.prediction import PREDICTIONS
    from unnoise.core.schedule import SCHEDULES
    from unnoise.networks import CODECS, NETWORKS
    from unnoise.spacings import SPACINGS
    from unnoise.text import CONDITIONERS
    from unnoise.weights.store import read_tensors

    header = _header(source)
    stated = roles(header)
    check_counts(stated, header, ("network", "codec", "conditioner"))
    tensors = read_tensors(header.path)
    vocabulary = header.metadata.get("vocabulary", "")
    condition = named(stated, "network", NETWORKS).Condition
    network = build(stated, "network", NETWORKS, tensors, place)
    codec = cast(Codec, build(stated, "codec", CODECS, tensors, place.plain))
    reader = cast(Conditioner, build(stated, "conditioner", CONDITIONERS, tensors, place.plain, vocabulary, condition))
    prediction, clock, schedule, spacing = (
        settings(stated, role, named(stated, role, known))
        for role, known in (
            ("prediction", PREDICTIONS),
            ("clock", CLOCKS),
            ("schedule", SCHEDULES),
            ("spacing", SPACINGS),
        )
    )
    return Model(Denoiser(network, prediction, clock), schedule, spacing, codec, reader, description)


def export(
    model: "Model", tensors: "Mapping[str, Tensor]", dtype: "torch.dtype"
) -> "tuple[dict[str, Tensor], dict[str, str]]":
    """Tensors and metadata of a file that `assemble` reads back.

    Args:
        model: its parts and description.
        tensors: `network.*`, `codec.*` and `conditioner.*`; `parts` names a model's own.
        dtype: what floating-point tensors are stored as.
    """
    denoiser = model.denoiser
    conditioner, codec = cast("nn.Module", model.conditioner), cast("nn.Module", model.codec)
    stated: dict[str, Any] = {
        "format": FORMAT,
        "description": {k: v for k, v in asdict(model.description).items() if k in _KINDS},
        "network": statement(denoiser.network),
        "codec": statement(codec),
        "conditioner": statement(conditioner),
        "prediction": _listed(denoiser.prediction, "prediction"),
        "clock": _listed(denoiser.clock, "clock"),
        "schedule": _listed(model.schedule, "schedule"),
        "spacing": {"name": _file(model.spacing), "config": _settings(model.spacing)},
    }
    metadata = {"unnoise": json.dumps(stated, sort_keys=True)}
    if vocabulary := getattr(conditioner, "vocabulary", ""):
        metadata["vocabulary"] = vocabulary
    return stored_as(tensors, dtype), metadata


def parts(model: "Model") -> "dict[str, nn.Module]":
    """A model's modules by the prefix of their tensors."""
    return {
        "network": model.denoiser.network,
        "codec": cast("nn.Module", model.codec),
        "conditioner": cast("nn.Module", model.conditioner),
    }


def _is(value: Any, kind: type) -> bool:
    """Whether a JSON value is of a kind: whole numbers from 1, and tables and lists of nothing but plain values."""
    if type(value) is not kind:
        return False
    if kind is int:
        return value > 0
    inner: list[Any] = list(value.values()) if kind is dict else value if kind is list else []
    return all(isinstance(v, str | int | float) for v in inner)


def _listed(value: Any, role: str) -> dict[str, Any]:
    from unnoise.core.clock import CLOCKS
    from unnoise.core.prediction import PREDICTIONS
    from unnoise.core.schedule import SCHEDULES

    table: Mapping[str, Any] = {"clock": CLOCKS, "prediction": PREDICTIONS, "schedule": SCHEDULES}[role]
    name = next(n for n, kind in table.items() if type(value) is kind)
    return {"name": name, "config": _settings(value)}


def _settings(value: Any) -> dict[str, Any]:
    return {f.name: getattr(value, f.name) for f in fields(value) if f.init} if is_dataclass(value) else {}


def _file(value: Any) -> str:
    """A folder registry's key: the name of the file a value's class stands in."""
    return type(value).__module__.rsplit(".", 1)[-1]


family = Family("unnoise", recognises, describe, assemble)
