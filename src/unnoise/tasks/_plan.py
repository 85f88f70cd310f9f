"""A request against what its model can do: every default filled in, or refused with what would do. Imports no torch."""

import os
from dataclasses import dataclass
from typing import Any

from unnoise.core.description import Description
from unnoise.core.error import Refused
from unnoise.core.registry import fold
from unnoise.core.sampler import upward
from unnoise.samplers import SAMPLERS
from unnoise.spacings import SPACINGS

LONGEST_PROMPT = 32_000
MOST_STEPS = 1000
MOST_PICTURES = 100_000
UPSCALER = "emoji_x4"
"""What enlarges pictures, where no other upscaler is named."""

STRANGE = 2.0
"""A picture of more than so many times the area that a model has learnt, or of less than that part, is told of."""


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
        lora: adapters, with their strengths.
        embedding: the names of learnt words.
        control: ControlNets, with their pictures.
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
    lora: tuple[str, ...] = ()
    embedding: tuple[str, ...] = ()
    control: tuple[str, ...] = ()


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


def unlearnt(width: int, height: int, model: Description) -> tuple[str, ...]:
    """What a person should know of a picture's size before it is drawn: that the model has learnt none like it."""
    own = model.width * model.height
    if 1 / STRANGE <= width * height / own <= STRANGE:
        return ()
    what = f"'{model.name}' has learnt pictures of {model.width}x{model.height} and may draw scraps at {width}x{height}"
    larger = width * height > own
    return (f"{what}; --upscale enlarges a picture that it draws well" if larger else what,)


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
    # The model's default spacing is that of its default sampler; others go along the model's own.
    usual = "" if value is not None else str(model.defaults.get("spacing", ""))
    chosen = spacing or implied or usual
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
    """A task's fields as JSON values, those left at None or empty dropped."""
    from dataclasses import asdict

    return {k: v for k, v in asdict(task).items() if v is not None and v != ()}
