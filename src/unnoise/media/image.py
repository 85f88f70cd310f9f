"""Pictures in and out: bytes or a path to a uint8 tensor (C, H, W), and back."""

import hashlib
import io
from os import PathLike
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from PIL import Image, ImageCms
from torch import Tensor

from unnoise.core.error import Refused
from unnoise.media.atomic import write
from unnoise.media.container import FAULTS, frames, opened, quiet, read_bytes
from unnoise.media.embed import marked, options
from unnoise.media.record import Record

Format = Literal["png", "webp", "jpeg"]
SUFFIXES: dict[str, Format] = {".png": "png", ".webp": "webp", ".jpg": "jpeg", ".jpeg": "jpeg"}
_MODES = {1: "L", 3: "RGB", 4: "RGBA"}
_ORIENTATION = 0x0112
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What undoes each value of EXIF's Orientation (CIPA DC-008, 4.6.4)."""


def decode(data: bytes, name: str, channels: int = 3) -> Tensor:
    """The pixels of a picture's bytes, upright and in sRGB, uint8 (channels, H, W).

    Args:
        data: a PNG, JPEG, WebP, GIF (its first frame) or BMP file.
        name: what to call it in an error.
        channels: 3 for RGB and 1 for grey (ITU-R 601 luma), transparency laid on white; 4 for RGB and alpha as stored.

    Raises:
        Refused: if the bytes are no such picture, are damaged, or hold too many pixels.
    """
    mode = _MODES[channels]
    with opened(data, name) as image:
        image.load()
        image = _in_mode(_in_srgb(_upright(image)), mode)
        return to_pixels(image)


def read(path: str | PathLike[str], channels: int = 3) -> Tensor:
    """The pixels of a picture's file, as `decode` gives them.

    Raises:
        Refused: if the file cannot be read, or `decode` refuses it.
    """
    return decode(read_bytes(path), str(path), channels)


def still(path: str | PathLike[str]) -> Tensor:
    """The pixels of a file that holds one picture, uint8 (3, H, W), or (4, H, W) where it is transparent in places.

    Raises:
        Refused: if it holds several, cannot be read, or `decode` refuses it.
    """
    data = read_bytes(path)
    if (count := frames(data, str(path))) > 1:
        raise Refused(f"{path} moves: it holds {count} pictures", "save one of them as a file", "image")
    pixels = decode(data, str(path), 4)
    return pixels if bool((pixels[3] < 255).any()) else pixels[:3].contiguous()


def encode(pixels: Tensor, format: Format, origin: Record | str | None = None, quality: int = 95) -> bytes:
    """A picture's file, marked as generated where its origin is given.

    Args:
        pixels: uint8 (3, H, W), (1, H, W) for grey, or (4, H, W) with transparency, which JPEG has none of.
        format: "png" (lossless), "webp" or "jpeg" (4:4:4).
        origin: how the picture was made; or the name of the model that made what it shows, for a sheet or a preview,
            which have no record; without either the file says nothing about itself.
        quality: 1 to 100, of JPEG and WebP; WebP at 100 is lossless.

    Raises:
        Refused: if the format is unknown or cannot hold a picture of this size.
    """
    image = to_image(pixels)
    settings: dict[str, dict[str, object]] = {
        "png": {"compress_level": 4},
        "webp": {"lossless": quality == 100, "quality": 80 if quality == 100 else quality},
        "jpeg": {"quality": quality, "subsampling": 0},
    }
    if format not in settings:
        raise Refused(f"unknown picture format {format!r}", "use png, webp or jpeg", "format")
    extra = options(format, origin) if isinstance(origin, Record) else marked(format, origin) if origin else {}
    file = io.BytesIO()
    try:
        image.save(file, format, **settings[format], **extra)
    except (OSError, ValueError) as fault:
        size = f"{image.width}x{image.height}"
        raise Refused(f"a {size} picture does not fit into {format} ({fault})", "use png", "format") from None
    return file.getvalue()


def save(path: str | PathLike[str], pixels: Tensor, origin: Record | str | None = None, quality: int = 95) -> None:
    """Writes a picture as `encode` does, in the format of the path's suffix: all of it, or nothing.

    Raises:
        Refused: if the suffix is unknown, or the file cannot be written.
    """
    write(path, encode(pixels, format_of(path), origin, quality))


def format_of(path: str | PathLike[str]) -> Format:
    """The format that a path's suffix names.

    Raises:
        Refused: if it names none that we write.
    """
    suffix = Path(path).suffix.lower()
    if suffix not in SUFFIXES:
        raise Refused(f"cannot tell the picture format of {path}", f"end its name in {', '.join(SUFFIXES)}")
    return SUFFIXES[suffix]


def to_bytes(x: Tensor) -> Tensor:
    """Data in [-1, 1] as uint8, rounded to the nearest, values beyond the range cut.

    Raises:
        Refused: if a value is not finite: such a picture would come out black, and look like one.
    """
    if not bool(torch.isfinite(x).all()):
        raise Refused("the picture holds values that are not finite", "use float32, or less guidance", "dtype")
    return ((x.float() / 2 + 0.5).clamp(0, 1) * 255).round().to(torch.uint8)


def from_bytes(pixels: Tensor) -> Tensor:
    """uint8 pixels as float32 data in [-1, 1]; `to_bytes` gives the same pixels back."""
    return pixels.float() / 127.5 - 1


def resized(pixels: Tensor, width: int, height: int) -> Tensor:
    """uint8 pixels (C, H, W) at another size, by Lanczos, whatever becomes of their shape; those of that size stay."""
    if tuple(pixels.shape[1:]) == (height, width):
        return pixels
    return to_pixels(to_image(pixels).resize((width, height), Image.Resampling.LANCZOS))


def pixels_sha256(pixels: Tensor) -> str:
    """The sha256, in hexadecimal, of the pixels row by row, channels innermost (what Pillow's `tobytes` gives)."""
    return hashlib.sha256(_interleaved(pixels)).hexdigest()


def to_image(pixels: Tensor) -> Image.Image:
    """Pillow's image of uint8 pixels (3, H, W), (1, H, W) for grey, or (4, H, W) with transparency.

    Raises:
        Refused: if the tensor is none.
    """
    if pixels.dtype != torch.uint8 or pixels.ndim != 3 or pixels.shape[0] not in _MODES or 0 in pixels.shape:
        what = f"{str(pixels.dtype).removeprefix('torch.')} {tuple(pixels.shape)}"
        raise Refused(f"a tensor {what} is not a picture", "give uint8 (3, H, W), (1, H, W) or (4, H, W)")
    channels, height, width = pixels.shape
    return Image.frombytes(_MODES[channels], (width, height), _interleaved(pixels))


def to_pixels(image: Image.Image) -> Tensor:
    """The uint8 pixels (C, H, W) of Pillow's image of mode L, RGB or RGBA."""
    flat = np.frombuffer(image.tobytes(), np.uint8).reshape(image.height, image.width, -1)
    # NumPy moves the axes: torch would wake its threads for it, which takes longer than the copy.
    return torch.from_numpy(flat.transpose(2, 0, 1).copy())


def _interleaved(pixels: Tensor) -> bytes:
    return pixels.detach().cpu().numpy().transpose(1, 2, 0).tobytes()


def _upright(image: Image.Image) -> Image.Image:
    try:
        with quiet():
            turn = _UPRIGHT.get(image.getexif().get(_ORIENTATION, 1))
    except FAULTS:  # damaged EXIF must not cost the picture
        turn = None
    return image.transpose(turn) if turn is not None else image


def _in_srgb(image: Image.Image) -> Image.Image:
    """The colours of a picture with a colour profile as sRGB has them; grey pictures stay, masks among them."""
    profile = image.info.get("icc_profile")
    if image.mode == "P":
        image = image.convert("RGBA" if image.has_transparency_data else "RGB")
    if not profile or image.mode not in ("RGB", "RGBA", "CMYK"):
        return image
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if "sRGB" in ImageCms.getProfileDescription(source):
            return image
        mode = "RGBA" if image.mode == "RGBA" else "RGB"
        return ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), outputMode=mode) or image
    except (ImageCms.PyCMSError, *FAULTS):  # a damaged profile must not cost the picture
        return image


def _in_mode(image: Image.Image, mode: str) -> Image.Image:
    if image.mode.startswith("I"):  # 16 bits a pixel, which Pillow's own conversion would cut at 255
        image = image.convert("I").point(lambda value: value * (1 / 257) + 0.5).convert("L")
    if image.has_transparency_data and mode != "RGBA":
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image if image.mode == mode else image.convert(mode)
