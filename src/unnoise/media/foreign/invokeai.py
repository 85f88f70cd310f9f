"""InvokeAI in its three forms.

3 and newer  `invokeai_metadata`, JSON of named fields
2            `sd-metadata`, JSON whose `image` holds the settings, and negative prompts as [bracketed] words
1            `Dream`, the command: "words" -s 50 -S 42 -W 512 -H 512 -C 7.5 -A k_lms
"""

from collections.abc import Mapping
from typing import Any, cast

from unnoise.media.foreign._told import Told, inner, real, side, table, whole, words


def reader(texts: Mapping[str, str]) -> Told | None:
    if said := table(texts.get("invokeai_metadata")):
        return _third(said)
    if said := table(texts.get("sd-metadata")):
        return _second(said)
    return _first(texts["Dream"]) if texts.get("Dream", "").lstrip().startswith('"') else None


def _third(said: dict[str, Any]) -> Told:
    model = inner(said.get("model"))
    return Told(
        program="InvokeAI",
        prompt=words(said.get("positive_prompt")),
        negative=words(said.get("negative_prompt")),
        sampler=words(said.get("scheduler")),
        model=words(model.get("model_name")) or words(model.get("name")),
        strength=real(said.get("strength")),
        **_numbers(said),
    )


def _second(said: dict[str, Any]) -> Told:
    image = inner(said.get("image"))
    given = image.get("prompt")
    parts = cast(list[Any], given) if isinstance(given, list) else [{"prompt": given}]
    prompt, negative = _bracketed(" ".join(filter(None, (words(inner(part).get("prompt")) for part in parts))))
    return Told(
        program="InvokeAI",
        prompt=prompt,
        negative=negative,
        sampler=words(image.get("sampler")),
        model=words(said.get("model_weights")),
        strength=real(image.get("strength")),
        **_numbers(image),
    )


def _first(command: str) -> Told:
    text, _, switches = command.strip()[1:].rpartition('"')
    prompt, negative = _bracketed(words(text))
    given: dict[str, str] = {}
    pieces = switches.split()[:100]
    for switch, value in zip(pieces, [*pieces[1:], ""], strict=True):
        if switch[:1] == "-" and switch[1:2].isalpha():
            given[switch[1]] = switch[2:] or value
    names = {"steps": "s", "seed": "S", "cfg_scale": "C", "width": "W", "height": "H"}
    numbers = _numbers({name: given.get(letter) for name, letter in names.items()})
    return Told(program="InvokeAI", prompt=prompt, negative=negative, sampler=words(given.get("A")), **numbers)


def _numbers(said: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "steps": whole(said.get("steps")),
        "guidance": real(said.get("cfg_scale")),
        "seed": whole(said.get("seed")),
        "width": side(said.get("width")),
        "height": side(said.get("height")),
    }


def _bracketed(text: str) -> tuple[str, str]:
    """The words outside of [brackets], and those inside."""
    first, *rest = text.split("[", 1000)
    kept, against = [first], list[str]()
    for piece in rest:
        inside, closed, after = piece.partition("]")
        (against if closed else kept).append(inside.strip() if closed else f"[{piece}")
        kept.append(after)
    return " ".join("".join(kept).split()), ", ".join(filter(None, against))
