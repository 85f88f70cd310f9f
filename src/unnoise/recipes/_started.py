"""A model that a recipe goes on from, or whose trunk it takes."""

from dataclasses import replace

from unnoise import catalogue
from unnoise.core.error import Refused
from unnoise.core.model import Model
from unnoise.networks.dit import DiT
from unnoise.text.transformer import TransformerConditioner


def started(name: str, size: int, device: str, codec: type) -> Model:
    """A transformer on this kind of codec that reads prompts, its weights float32.

    Raises:
        Refused: the model is none such, or draws pictures of another size.
    """
    model = catalogue.load(name, device, "float32")
    parts = ((model.denoiser.network, DiT), (model.conditioner, TransformerConditioner), (model.codec, codec))
    if not all(isinstance(part, kind) for part, kind in parts):
        raise Refused(f"the model '{name}' was not made by this recipe", "start from one that was", "start")
    if model.description.width != size:
        raise Refused(
            f"the model '{name}' draws {model.description.width} pixels, the recipe {size}",
            f"--size {model.description.width}",
            "start",
        )
    return model


def regrown(name: str, channels: int, patch: int) -> tuple[DiT, TransformerConditioner]:
    """A model's transformer for other samples, and its words: what goes in and what comes out is new, all else its.

    What blocks know is of tokens, where they lie and what words mean there, whatever a token is made of.

    Raises:
        Refused: the model is no transformer that reads prompts by one.
    """
    model = catalogue.load(name, "cpu", "float32")
    old, words = model.denoiser.network, model.conditioner
    if not isinstance(old, DiT) or not isinstance(words, TransformerConditioner):
        raise Refused(f"the model '{name}' has no transformer that can be taken over", "leave out --trunk", "trunk")
    made = DiT(replace(old.config, channels=channels, patch=patch))
    mine = made.state_dict()
    kept = {key: value for key, value in old.state_dict().items() if mine[key].shape == value.shape}
    made.load_state_dict(mine | kept)
    return made, words
