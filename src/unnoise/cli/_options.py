"""What commands that make pictures have in common: where things go, where it runs, and how it is shown."""

from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True, kw_only=True)
class Output:
    """Where pictures go, and what is said of them.

    Args:
        out: A folder, made if need be, where nothing is overwritten; or a file's name, which is. "{seed}" in it stands
            for the seed.
        format: The pictures' format; png, or what the file's name says.
        latents_out: A .safetensors file for the sample before decoding.
        trace: A .gif file of the picture as it formed.
        preview: A picture file, rewritten as the picture forms.
        json: One JSON object a line on standard output, and nothing else there.
        quiet: No progress, only what was made.
    """

    out: str = "out"
    format: Literal["png", "webp", "jpeg"] | None = None
    latents_out: str | None = None
    trace: str | None = None
    preview: str | None = None
    json: bool = False
    quiet: bool = False


@dataclass(frozen=True, kw_only=True)
class Pause:
    """Stopping on the way; --resume goes on.

    Args:
        pause_at: Stop after this step, before the picture is finished.
        state: Where to save the run then, a .safetensors file.
    """

    pause_at: int | None = None
    state: str | None = field(default=None, metadata={"metavar": "FILE"})


@dataclass(frozen=True, kw_only=True)
class Machine:
    """Where it runs, and how the model's files are read where they do not say it themselves.

    Args:
        device: The best there is by default.
        dtype: What the network computes in: float32 (the default), bfloat16 or float16; or int8, which halves or
            quarters the memory of its linear layers.
        exact: Compute every picture alone, so that it is the same in any batch, whatever the device.
        memory: What it may take of the device's memory, such as 2GB; a larger model's weights stay in their file, and
            each is brought over in its turn.
        part: A file or folder that a part of the model is taken from, as network=, vae=, text= or tokenizer=PATH; may
            be given again.
        family: What kind of model it is, such as sd2 or sd2:prediction=v; told by its tensors' shapes by default.
        ignore_keys: Tensors that may be left over in its file, such as "lora_*"; may be given again.
    """

    device: str | None = None
    dtype: Literal["float32", "bfloat16", "float16", "int8"] | None = None
    exact: bool = False
    memory: str | None = field(default=None, metadata={"metavar": "SIZE"})
    part: tuple[str, ...] = field(default=(), metadata={"metavar": "ROLE=PATH", "repeated": True})
    family: str | None = field(default=None, metadata={"metavar": "NAME"})
    ignore_keys: tuple[str, ...] = field(default=(), metadata={"metavar": "PATTERN", "repeated": True})


@dataclass(frozen=True, kw_only=True)
class Said:
    """How a command that only tells something tells it.

    Args:
        json: One JSON object a line, and nothing else.
    """

    json: bool = False
