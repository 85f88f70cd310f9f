"""A model that a recipe goes on from."""

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
