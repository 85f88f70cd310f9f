"""AUTOMATIC1111's web UI, and what writes as it does (Forge, SD.Next, Civitai): the text `parameters`."""

from collections.abc import Mapping

from unnoise.media.foreign._told import Told, real, sides, whole, words
from unnoise.media.infotext import parse_parameters


def reader(texts: Mapping[str, str]) -> Told | None:
    """What `parameters` says; in a GIF, where it has no other place, the comment."""
    text = texts.get("parameters") or texts.get("comment") or ""
    said = parse_parameters(text)
    if "Steps" not in said:
        return None
    width, height = sides(said.get("Size", ""))
    return Told(
        program="AUTOMATIC1111",
        prompt=words(said["Prompt"]),
        negative=words(said["Negative prompt"]),
        sampler=words(said.get("Sampler")),
        schedule=words(said.get("Schedule type")),
        steps=whole(said["Steps"]),
        guidance=real(said.get("CFG scale")),
        seed=whole(said.get("Seed")),
        model=words(said.get("Model")),
        width=width,
        height=height,
        strength=real(said.get("Denoising strength")),
    )
