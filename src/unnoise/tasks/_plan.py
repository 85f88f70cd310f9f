"""A request against what its model can do: every default filled in, or refused with what would do. Imports no torch."""

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from unnoise.core.branch import NEGATIVE, Branch
from unnoise.core.description import Description
from unnoise.core.error import Refused
from unnoise.core.registry import fold
from unnoise.core.sampler import branches, upward
from unnoise.guidances import GUIDANCES
from unnoise.samplers import SAMPLERS
from unnoise.spacings import SPACINGS

LONGEST_PROMPT = 32_000
MOST_STEPS = 1000
MOST_PICTURES = 100_000
UPSCALER = "emoji_x4"
"""What enlarges pictures, where no other upscaler is named."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What will run.

    Args:
        prompt, negative: the words, or a class's name.
        steps: of the sampler.
        sampler, spacing, guidance: specs; an empty spacing is the model's own, an empty guidance none.
        width, height: in pixels.
        seeds: one a picture.
        upscale: how many times larger pictures become in the end.
        embedded: the guidance that the network reads itself; None where it reads none.
    """

    prompt: str
    negative: str
    steps: int
    sampler: str
    spacing: str
    guidance: str
    width: int
    height: int
    seeds: tuple[int, ...]
    upscale: int = 1
    embedded: float | None = None


def check_text(text: str, field: str) -> str:
    """A prompt that can be read, written and kept.

    Raises:
        Refused: it holds NUL or half a character, or is longer than 32,000 characters.
    """
    if "\0" in text:
        raise Refused(f"the {field} holds a NUL character", "remove it", field)
    if len(text) > LONGEST_PROMPT:
        raise Refused(f"the {field} has {len(text):,} characters", f"at most {LONGEST_PROMPT:,} are read", field)
    try:
        text.encode()
    except UnicodeEncodeError:
        raise Refused(f"the {field} holds half a Unicode character (a lone surrogate)", "remove it", field) from None
    return text


def check_class(prompt: str, model: Description) -> str:
    """The class a prompt names, as the model spells it; a model of texts takes any prompt.

    Raises:
        Refused: the model knows classes only, and none of this name.
    """
    if model.prompts == "text" or not prompt:
        return prompt
    named = {c.casefold(): c for c in model.classes}
    if (found := named.get(prompt.strip().casefold())) is None:
        raise Refused(
            f"the model '{model.name}' knows no class '{prompt[:60]}'", f"one of {', '.join(model.classes)}", "prompt"
        )
    return found


def check_number(value: int, low: int, high: int, field: str) -> int:
    """A whole number in its range.

    Raises:
        Refused: it is not.
    """
    if not low <= value <= high:
        raise Refused(f"{field} {value} is out of range", f"from {low:,} to {high:,}", field)
    return value


def check_side(value: int | None, default: int, model: Description, field: str) -> int:
    """A picture's side that the model can make, in pixels."""
    if value is None:
        return default
    if value % model.multiple or value < model.multiple:
        near = max(model.multiple, round(value / model.multiple) * model.multiple)
        raise Refused(
            f"{field} {value} is no multiple of {model.multiple}, as '{model.name}' needs", f"try {near}", field
        )
    return check_number(value, model.multiple, model.largest, field)


def check_guidance(value: str | float | None, negative: str, model: Description, sampler: str = "euler") -> str:
    """The guidance as a spec; a bare number is classifier-free.

    Raises:
        Refused: it is unknown, not finite, has no effect, or the model cannot be guided so; or the sampler follows a
            branch that the model has not.
    """
    if value is None:
        value = model.defaults.get("guidance", 1.0 if model.guidance == "none" else 4.0)
    spec = _scaled(str(value))
    asked: Mapping[str, Branch] = GUIDANCES.make(spec).branches
    followed = branches(SAMPLERS.make(sampler))
    words = {branch.words for branch in asked.values()} | ({"negative"} if followed else set[str]())
    if model.guidance != "free" and (negative or words != {"prompt"}):
        what, field = ("a negative prompt", "negative") if negative else ("guidance", "guidance")
        if followed and not negative:
            what, field = f"the sampler '{sampler}'", "sampler"
        raise Refused(f"the model '{model.name}' has no free branch for {what}", "leave it out", field)
    if negative and "negative" not in words:
        at = "at guidance 1" if spec == IDLE else f"with the guidance '{spec}'"
        raise Refused(f"a negative prompt has no effect {at}", "raise --guidance, or leave it out", "negative")
    if spec != IDLE and len(asked) == 1:
        raise Refused(f"the guidance '{spec}' changes nothing", "raise its scale, or leave it out", "guidance")
    if not negative and NEGATIVE in asked.values() and "none" in words:
        what = f"the guidance '{spec}' turns away from a negative prompt, and there is none"
        raise Refused(what, "give one, or take 'classifier_free'", "negative")
    if not all(branch.pictures for branch in asked.values()):
        what = f"the guidance '{spec}' weighs a picture, and there is none to go by"
        raise Refused(what, "take 'classifier_free'", "guidance")
    return spec


IDLE = "classifier_free:scale=1"


def _scaled(spec: str) -> str:
    """A guidance by its own name, a bare number being a classifier-free scale."""
    try:
        scale = float(spec)
    except ValueError:
        return GUIDANCES.resolve(spec)
    if not math.isfinite(scale):
        raise Refused(f"guidance {spec} is no finite number", "try 4", "guidance")
    check_number(round(abs(scale)), 0, 1000, "guidance")
    return f"classifier_free:scale={scale:g}"


def check_seeds(seed: int | None, count: int) -> tuple[int, ...]:
    """seed, seed + 1, ...; a random start where none is given."""
    check_number(count, 1, MOST_PICTURES, "count")
    if seed is None:
        seed = int.from_bytes(os.urandom(4), "little")
    if not 0 <= seed <= 2**64 - count:
        raise Refused(f"seed {seed} is out of range", f"from 0 to {2**64 - count:,}; without one it is random", "seed")
    return tuple(range(seed, seed + count))


def check_sampler(value: str | None, spacing: str | None, model: Description) -> tuple[str, str]:
    """Sampler and spacing as specs, both known, by their own names.

    "DPM++ 2M Karras" names a sampler and its spacing, as users of other programs write it.

    Raises:
        Refused: one of them is unknown, or the sampler cannot make pictures from noise.
    """
    spec = str(model.defaults.get("sampler", "euler")) if value is None else value
    sampler, implied = _known(spec)
    if upward(SAMPLERS.make(sampler)):
        raise Refused(f"the sampler '{sampler}' walks from a picture to noise", "take another to generate", "sampler")
    chosen = spacing or implied or str(model.defaults.get("spacing", ""))
    return sampler, SPACINGS.resolve(chosen) if chosen else ""


def goes(scale: int, own: int = 4, field: str = "scale") -> tuple[int, ...]:
    """The enlargements, one after the other, by which a network that makes pictures `own` times as large makes them
    `scale` times as large; where one is less than its own, its result is shrunk.

    Raises:
        Refused: it cannot.
    """
    if 2 <= scale <= own:
        return (scale,)
    if scale % own == 0 and 2 <= scale // own <= own:
        return (own, scale // own)
    known = [*range(2, own + 1), *(own * k for k in range(2, own + 1))]
    raise Refused(f"a picture cannot be made {scale} times as large", f"one of {', '.join(map(str, known))}", field)


def check_enlarged(width: int, height: int, scale: int, field: str) -> int:
    """A scale by which a picture of this size can be enlarged.

    Raises:
        Refused: it is none, or the result would be too large to keep.
    """
    from unnoise.media.container import PIXELS

    goes(scale, field=field)
    if width * height * scale**2 > PIXELS:
        what = f"{scale} times {width}x{height} are {width * scale}x{height * scale} pixels"
        raise Refused(what, f"at most {PIXELS:,} pixels in all", field)
    return scale


def _known(spec: str) -> tuple[str, str]:
    """The sampler a name stands for, and the spacing its last words name, if they do: options are that one's then."""
    name, colon, options = spec.partition(":")
    words = name.split()
    if fold(name) not in SAMPLERS.aliases:
        for cut in range(len(words) - 1, 0, -1):
            head, last = " ".join(words[:cut]), " ".join(words[cut:])
            if fold(head) in SAMPLERS.aliases and fold(last) in SPACINGS.aliases:
                return SAMPLERS.resolve(head), SPACINGS.resolve(last + colon + options)
    return SAMPLERS.resolve(spec), ""


def json_request(task: Any) -> dict[str, Any]:
    """A task's fields as JSON values, those left at None dropped."""
    from dataclasses import asdict

    return {k: v for k, v in asdict(task).items() if v is not None}
