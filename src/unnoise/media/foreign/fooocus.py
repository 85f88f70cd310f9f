"""Fooocus: JSON in `parameters`, with the words a person typed beside those that its styles made of them."""

from collections.abc import Mapping

from unnoise.media.foreign._told import Told, real, sides, table, whole, words


def reader(texts: Mapping[str, str]) -> Told | None:
    said = table(texts.get("parameters"))
    if not said.keys() & {"base_model", "metadata_scheme", "fooocus_scheme"}:
        return None
    width, height = sides(words(said.get("resolution")))
    return Told(
        program="Fooocus",
        prompt=words(said.get("prompt")),
        negative=words(said.get("negative_prompt")),
        sampler=words(said.get("sampler")),
        schedule=words(said.get("scheduler")),
        steps=whole(said.get("steps")),
        guidance=real(said.get("guidance_scale")),
        seed=whole(said.get("seed")),
        model=words(said.get("base_model")),
        width=width,
        height=height,
    )
