"""What Stable Diffusion 1, 2 and XL share: one U-Net in sizes, on one table of betas."""

import struct
from statistics import pstdev

from unnoise.core.error import Refused
from unnoise.families._noising import Noising
from unnoise.families._slots import UNET
from unnoise.families._source import Source, Stored
from unnoise.weights.entry import Entry

SCALED = {"curve": "scaled_linear", "start": 0.00085, "end": 0.012}
LATENT = Noising(betas=SCALED, spacing="leading:offset=1", sampler="dpmpp_2m", habit="karras")
"""The path of latent diffusion, with what most people sample it by; rows lie as diffusers lays them."""


def unet(source: Source) -> Stored | None:
    """A source's U-Net, given parts aside; None where it has none."""
    found = source.find(UNET)
    return found if found is not None and ("input_blocks.0.0.weight" in found.shapes or found.config) else None


def linear(network: Stored) -> bool:
    """Whether the transformers' projections are linear layers (SD 2 and XL) or 1 x 1 convolutions (SD 1)."""
    if network.config is not None:
        return network.config.get("use_linear_projection") is True
    return len(network.shapes.get("middle_block.1.proj_in.weight", ())) == 2


def pooled(network: Stored) -> bool:
    """Whether it reads a vector of text and sizes as a whole (XL)."""
    if network.config is not None:
        return network.config.get("addition_embed_type") is not None
    return "label_emb.0.0.weight" in network.shapes


def beside(network: Stored) -> int:
    """How many channels stand beside the sample's four: 5 for inpainting, 4 for instruct-pix2pix."""
    if network.own is not None:
        return network.own["extra"]
    if network.config is not None:
        inner = network.config.get("in_channels", 4)
    else:
        shape = network.shapes["input_blocks.0.0.weight"]
        inner = shape[1] if len(shape) == 4 else 4
    return inner - 4 if isinstance(inner, int) else 0


def context(network: Stored) -> int:
    """The width of the text's vectors."""
    if network.config is not None:
        width = network.config.get("cross_attention_dim")
        return width if isinstance(width, int) else 0
    shape = network.shapes.get("middle_block.1.transformer_blocks.0.attn2.to_k.weight", ())
    return shape[1] if len(shape) == 2 else 0


def variant(network: Stored, kinds: dict[int, str]) -> str:
    """What a network is for, by the channels beside its sample.

    Raises:
        Refused: it is for something that is none of these.
    """
    many = beside(network)
    if many not in kinds:
        what = f"{network.header.path} holds a U-Net with {many} channels beside its sample"
        raise Refused(what, f"known are {', '.join(map(str, kinds))}", "model")
    return kinds[many]


def spread(network: Stored, name: str) -> float | None:
    """The standard deviation of a small tensor's numbers; None where it is not here, or of another type."""
    entry = network.header.tensors.get(network.prefix + name)
    if entry is None or entry.dtype not in ("F32", "F16", "BF16") or not 2 <= entry.bytes <= 2**16:
        return None
    return pstdev(_numbers(entry))


def _numbers(entry: Entry) -> list[float]:
    with entry.file.open("rb") as file:
        file.seek(entry.span[0])
        data = file.read(entry.span[1] - entry.span[0])
    if entry.dtype == "BF16":  # the upper half of a float32
        data = b"".join(b"\0\0" + data[i : i + 2] for i in range(0, len(data), 2))
    kind = "e" if entry.dtype == "F16" else "f"
    return list(struct.unpack(f"<{len(data) // struct.calcsize(kind)}{kind}", data))
