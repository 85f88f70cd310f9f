"""A request against what its model can do: every default filled in, or refused with what would do. Imports no torch."""

import math
import os
from dataclasses import dataclass
from typing import Any

from unnoise.core.description import Description
from unnoise.core.error import Refused
from unnoise.guidances import GUIDANCES
from unnoise.samplers import SAMPLERS
from unnoise.spacings import SPACINGS

LONGEST_PROMPT = 32_000
MOST_STEPS = 1000
MOST_PICTURES = 100_000


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What will run.

    Args:
        prompt, negative: the words, or a class's name.
        steps: of the sampler.
        sampler, spacing, guidance: specs; an empty spacing is the model's own, an empty guidance none.
        width, height: in pixels.
        seeds: one a picture.
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


def check_guidance(value: str | float | None, negative: str, model: Description) -> str:
    """The guidance as a spec; a bare number is classifier-free.

    Raises:
        Refused: it is unknown, not finite, or the model cannot be guided so.
    """
    if value is None:
        value = model.defaults.get("guidance", 1.0 if model.guidance == "none" else 4.0)
    spec = str(value)
    try:
        scale = float(spec)
    except ValueError:
        GUIDANCES.make(spec)
    else:
        if not math.isfinite(scale):
            raise Refused(f"guidance {spec} is no finite number", "try 4", "guidance")
        check_number(round(abs(scale)), 0, 1000, "guidance")
        spec = f"classifier_free:scale={scale:g}"
    idle = spec == "classifier_free:scale=1"
    if model.guidance != "free" and (negative or not idle):
        what = "a negative prompt" if negative else "guidance"
        raise Refused(f"the model '{model.name}' has no free branch for {what}", "leave it out", "negative")
    if negative and idle:
        raise Refused("a negative prompt has no effect at guidance 1", "raise --guidance, or leave it out", "negative")
    return spec


def check_seeds(seed: int | None, count: int) -> tuple[int, ...]:
    """seed, seed + 1, ...; a random start where none is given."""
    check_number(count, 1, MOST_PICTURES, "count")
    if seed is None:
        seed = int.from_bytes(os.urandom(4), "little")
    if not 0 <= seed <= 2**64 - count:
        raise Refused(f"seed {seed} is out of range", f"from 0 to {2**64 - count:,}; without one it is random", "seed")
    return tuple(range(seed, seed + count))


def check_sampler(value: str | None, spacing: str | None, model: Description) -> tuple[str, str]:
    """Sampler and spacing as specs, both known.

    "DPM++ 2M Karras" names a sampler and its spacing, as users of other programs write it.
    """
    spec = str(model.defaults.get("sampler", "euler")) if value is None else value
    sampler, implied = _known(spec)
    chosen = spacing or implied or str(model.defaults.get("spacing", ""))
    if chosen:
        SPACINGS.make(chosen)
    return sampler, chosen


def _known(spec: str) -> tuple[str, str]:
    """The sampler a name stands for, and the spacing its last word names, if it does."""
    head, _, last = spec.rpartition(" ")
    if head and last.lower() in SPACINGS.names and ":" not in spec:
        return SAMPLERS.resolve(head), last.lower()
    return SAMPLERS.resolve(spec), ""


def json_request(task: Any) -> dict[str, Any]:
    """A task's fields as JSON values, those left at None dropped."""
    from dataclasses import asdict

    return {k: v for k, v in asdict(task).items() if v is not None}
