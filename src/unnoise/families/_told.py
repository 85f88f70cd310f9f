"""A description of a published model, from what its files say and else from what is usual of its kind."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from unnoise.core.description import LARGEST, Description
from unnoise.core.error import Refused
from unnoise.core.model import Codec
from unnoise.families._noising import Noising, noising
from unnoise.families._source import Slot, Source, Stored
from unnoise.weights.digest import Digests
from unnoise.weights.maps import kl


@dataclass(frozen=True, kw_only=True)
class Usual:
    """Args:
    title: what people call models of this kind.
    size: the side of the pictures they were trained on.
    steps, guidance: a request's, where it does not say.
    noising: what they were trained on.
    guided: how they are guided.
    patch: what a sample's sides must be multiples of.
    """

    title: str
    size: int
    steps: int
    guidance: float
    noising: Noising
    guided: Literal["free", "embedded", "none"] = "free"
    patch: int = 1


def described(
    family: str, source: Source, found: Mapping[str, Stored], slots: "tuple[Slot, ...]", usual: Usual
) -> Description:
    """What a model is and can do.

    Args:
        family: its file's name.
        found: what is stored for each slot; the first is the network.
    """
    if slots[0].name not in found:
        raise absent(source, slots[:1])
    course, scale = course_of(source, usual), scale_of(found.get("vae"))
    side = _side(found[slots[0].name], scale) or usual.size
    missing = [slot.name for slot in slots if slot.name not in found]
    facts = {"prediction": course.prediction, "layout": _layout(source), "missing": ", ".join(missing)}
    told = Description(
        name=source.name,
        family=family,
        title=usual.title,
        width=side,
        height=side,
        multiple=scale * usual.patch,
        largest=LARGEST,
        guidance=usual.guided,
        defaults={"steps": usual.steps, "guidance": usual.guidance, **course.defaults},
        parameters=sum(_numbers(stored) for stored in found.values()),
        files=Digests(files_of(source, found)),
        facts={name: text for name, text in facts.items() if text},
        reading={name: said for name, said in source.reading.values().items() if name != "parts" and said},
    )
    return told if source.own is None else replace(told, **source.own.description)


def absent(source: Source, missing: Sequence[Slot]) -> Refused:
    """The error about parts that are nowhere."""
    names = [f"{slot.name} ({HINTS[slot.kind]})" for slot in missing]
    ways = " ".join(dict.fromkeys(f"--part {slot.role}=FILE" for slot in missing))
    return Refused(f"{source.path} lacks {' and '.join(names)}", f"give what is missing with {ways}", "part")


def check_fit(network: Any, codec: Codec, width: int) -> None:
    """See that parts, which may come from several places, speak of the same things.

    Args:
        width: of the vectors that the text encoders give.

    Raises:
        Refused: they do not.
    """
    c = network.config
    if codec.channels != c.channels:
        what = f"the autoencoder makes samples of {codec.channels} channels, and the network takes {c.channels}"
        raise Refused(what, "give another with --part vae=FILE", "part")
    if width != c.context:
        what = f"the text encoders make vectors of {width} numbers, and the network reads {c.context}"
        raise Refused(what, "give others with --part text=FILE", "part")


HINTS = {
    "network": "the diffusion network",
    "vae": "the autoencoder, such as ae.safetensors or a vae folder",
    "clip": "a CLIP text encoder, such as clip_l.safetensors or a text_encoder folder",
    "t5": "the T5 text encoder, such as t5xxl_fp16.safetensors or its folder",
}


def course_of(source: Source, usual: Usual) -> Noising:
    """How a model is sampled: as its scheduler_config.json says, its markers, or what is usual.

    Raises:
        Refused: the scheduler is none we know.
    """
    if source.own is not None:
        return replace(source.own.noising, prediction=source.reading.prediction or source.own.noising.prediction)
    course = usual.noising if source.scheduler is None else noising(source.scheduler, usual.noising)
    names = source.whole.header.tensors if source.whole else {}
    if "ztsnr" in names:
        course = replace(course, betas={**course.betas, "zero_terminal_snr": True}, spacing="trailing", habit="")
    said = {"v": "v", "epsilon": "epsilon"}.get(source.metadata.get("modelspec.prediction_type", "").lower())
    marked = "v" if "v_pred" in names else said
    return replace(course, prediction=source.reading.prediction or marked or course.prediction)


def scale_of(vae: Stored | None) -> int:
    """How many pixels wide a latent's cell is; 8 where the autoencoder is not here."""
    if vae is None:
        return 8
    return 2 ** (len(settings_of(vae, kl)["widths"]) - 1)


def settings_of(stored: Stored, maps: Any) -> Mapping[str, Any]:
    """The fields of a network's config, as far as what is stored says so.

    Args:
        maps: the file of weights/maps about it.

    Raises:
        Refused: they are those of no network that can be built.
    """
    if stored.own is not None:
        return stored.own
    return maps.from_original(stored.shapes) if stored.config is None else maps.from_diffusers(stored.config)


def files_of(source: Source, found: Mapping[str, Stored]) -> dict[str, Path]:
    """Every file of weights with a part in the model, by what it is called."""
    files = dict[str, Path]()
    for stored in found.values():
        for path in stored.header.files:
            inside = source.whole is None and path.is_relative_to(source.path)
            files[path.relative_to(source.path).as_posix() if inside else path.name] = path
    return files


def _side(network: Stored, scale: int) -> int:
    """The side that a network's config names, in pixels; 0 where it names none."""
    side: Any = (network.config or {}).get("sample_size", 0)
    if side is None or isinstance(side, list):  # two sides, or none in particular
        return 0
    if type(side) is not int or not 0 <= side * scale <= LARGEST:
        raise Refused(
            f"config.json has sample_size = {str(side)[:60]!r}",
            f"only a whole number can be read here, of {LARGEST} pixels at most",
            "model",
        )
    return side * scale


def _numbers(stored: Stored) -> int:
    from math import prod

    return sum(prod(shape) for shape in stored.shapes.values())


def _layout(source: Source) -> str:
    if source.whole is None:
        return "diffusers folder" if source.index else "folder of one network"
    if source.own is not None:
        return "single file, unnoise"
    return "single file" if source.whole.header.kind == "safetensors" else f"single file, {source.whole.header.kind}"
