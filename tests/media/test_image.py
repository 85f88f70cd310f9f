"""Pixels come back as they were, upright and on white; what is damaged is refused, and no file is half written."""

import hashlib
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms, PngImagePlugin

from media.examples import RECORD, noise, smooth
from unnoise.core.error import Refused
from unnoise.media.container import probe
from unnoise.media.embed import XMP, metadata
from unnoise.media.image import (
    Format,
    decode,
    encode,
    format_of,
    from_bytes,
    pixels_sha256,
    read,
    save,
    still,
    to_bytes,
)
from unnoise.media.provenance import GENERATED, properties

FORMATS: list[Format] = ["png", "webp", "jpeg"]


def file_of(image: Image.Image, format: str = "png", **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, format, **options)
    return file.getvalue()


@given(st.integers(1, 20), st.integers(1, 20), st.sampled_from([1, 3]), st.integers(0, 9))
@settings(deadline=None)
def test_png_and_lossless_webp_keep_every_byte(height: int, width: int, channels: int, seed: int) -> None:
    pixels = noise(channels, height, width, seed)
    assert torch.equal(decode(encode(pixels, "png"), "x", channels), pixels)
    assert torch.equal(decode(encode(pixels, "webp", RECORD, quality=100), "x", channels), pixels)


@pytest.mark.parametrize("format", ["webp", "jpeg"])
def test_lossy_formats_stay_close(format: Format) -> None:
    away = (decode(encode(smooth(), format), "x").float() - smooth().float()).abs()
    assert away.mean() < 3
    assert len(encode(smooth(), format, quality=30)) < len(encode(smooth(), format))


def test_colours_of_jpeg_are_not_halved_in_resolution() -> None:
    with Image.open(io.BytesIO(encode(noise(), "jpeg"))) as image:
        assert [layer[1:3] for layer in image.layer] == [(1, 1)] * 3  # pyright: ignore[reportAttributeAccessIssue]


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("format", FORMATS)
def test_orientation_is_applied(format: Format, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    picture = Image.new("L", (16, 8))
    picture.paste(255, (0, 0, 8, 8))
    stored = np.asarray(picture).astype(float)
    upright = {
        1: stored,
        2: stored[:, ::-1],
        3: stored[::-1, ::-1],
        4: stored[::-1],
        5: stored.T,
        6: stored[::-1].T,
        7: stored[::-1, ::-1].T,
        8: stored.T[::-1],
    }[orientation]
    seen = decode(file_of(picture.convert("RGB"), format, exif=exif), "x", 1)[0].numpy().astype(float)
    assert seen.shape == upright.shape
    assert np.abs(seen - upright).mean() < 3


def test_transparency_lies_on_white() -> None:
    image = Image.new("RGBA", (2, 1), (255, 0, 0, 255))
    image.putpixel((1, 0), (0, 0, 0, 0))
    assert decode(file_of(image), "x")[:, 0].T.tolist() == [[255, 0, 0], [255, 255, 255]]
    assert decode(file_of(image), "x", 1)[0, 0].tolist() == [76, 255]  # 0.299 * 255
    assert decode(file_of(image), "x", 4)[:, 0].T.tolist() == [[255, 0, 0, 255], [0, 0, 0, 0]]


def test_palettes_and_their_transparency() -> None:
    image = Image.new("P", (2, 1))
    image.putpalette([10, 20, 30, 40, 50, 60])
    image.putpixel((1, 0), 1)
    assert decode(file_of(image), "x")[:, 0].T.tolist() == [[10, 20, 30], [40, 50, 60]]
    assert decode(file_of(image, transparency=1), "x")[:, 0].T.tolist() == [[10, 20, 30], [255, 255, 255]]
    assert decode(file_of(image, "gif"), "x")[:, 0].T.tolist() == [[10, 20, 30], [40, 50, 60]]


def test_sixteen_bits_keep_their_scale() -> None:
    image = Image.fromarray(np.array([[0, 128, 257, 32768, 65535]], np.uint16))
    assert decode(file_of(image), "x", 1)[0, 0].tolist() == [0, 0, 1, 128, 255]


MODES = {
    "png": ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"],
    "jpeg": ["1", "L", "RGB", "CMYK"],
    "webp": ["L", "RGB", "RGBA"],
    "gif": ["1", "L", "LA", "P", "RGB", "RGBA"],
    "bmp": ["1", "L", "P", "RGB", "RGBA"],
}


@pytest.mark.parametrize(("format", "mode"), [(format, mode) for format, modes in MODES.items() for mode in modes])
def test_every_mode_that_a_format_holds(format: str, mode: str) -> None:
    white = Image.new("RGB", (5, 4), "white")
    image = Image.new("I;16", (5, 4), 65535) if mode == "I;16" else white.convert(mode)
    assert decode(file_of(image, format), "x").eq(255).all()


def test_colour_profiles_are_honoured() -> None:
    picture = Image.new("RGB", (1, 1), (200, 30, 30))
    own = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    assert decode(file_of(picture, icc_profile=own), "x")[:, 0, 0].tolist() == [200, 30, 30]
    # The same profile with red and blue exchanged, under another name: what it calls red is blue.
    other = (
        own.replace(b"s\0R\0G\0B", b"o\0d\0d\0!")
        .replace(b"rXYZ", b"????")
        .replace(b"bXYZ", b"rXYZ")
        .replace(b"????", b"bXYZ")
    )
    assert own != other
    seen = decode(file_of(picture, icc_profile=other), "x")[:, 0, 0].tolist()
    assert all(abs(a - b) <= 3 for a, b in zip(seen, (30, 30, 200), strict=True))
    assert decode(file_of(picture, icc_profile=b"damaged" * 30), "x")[:, 0, 0].tolist() == [200, 30, 30]


def test_transparency_is_kept_where_a_format_has_it(tmp_path: Path) -> None:
    pixels = noise(4)
    assert torch.equal(decode(encode(pixels, "png", RECORD), "x", 4), pixels)
    seen = decode(encode(pixels, "webp", RECORD, quality=100), "x", 4)
    assert torch.equal(seen[3], pixels[3]) and torch.equal(seen[:, seen[3] > 0], pixels[:, pixels[3] > 0])
    with pytest.raises(Refused, match="jpeg"):
        encode(pixels, "jpeg")
    save(tmp_path / "a.png", pixels)
    assert torch.equal(still(tmp_path / "a.png"), pixels)
    pixels[3] = 255
    save(tmp_path / "a.png", pixels)
    assert torch.equal(still(tmp_path / "a.png"), pixels[:3])


def test_a_still_picture_does_not_move(tmp_path: Path) -> None:
    frames = [Image.new("RGB", (4, 4), c) for c in ("red", "blue", "red")]
    for name in ("a.gif", "a.webp", "a.png"):
        frames[0].save(tmp_path / name, save_all=True, append_images=frames[1:])
        with pytest.raises(Refused, match="moves: it holds 3 pictures: save one"):
            still(tmp_path / name)
    (tmp_path / "b.gif").write_bytes(file_of(frames[0], "gif"))
    assert still(tmp_path / "b.gif").tolist() == decode(file_of(frames[0], "gif"), "x").tolist()


def test_a_phones_jpeg_with_others_behind_it_is_a_still(tmp_path: Path) -> None:
    frames = [Image.new("RGB", (8, 8), c) for c in ("red", "blue")]
    data = file_of(frames[0], "mpo", save_all=True, append_images=frames[1:])
    (tmp_path / "a.jpg").write_bytes(data)
    assert probe(data, "x").format == "JPEG"
    assert still(tmp_path / "a.jpg")[:, 0, 0].tolist() == [254, 0, 0]


def test_only_the_first_frame_counts() -> None:
    frames = [Image.new("RGB", (4, 4), c) for c in ("red", "blue")]
    data = file_of(frames[0], "gif", save_all=True, append_images=frames[1:])
    assert decode(data, "x")[:, 0, 0].tolist() == [255, 0, 0]


def samples() -> list[bytes]:
    chunks = PngImagePlugin.PngInfo()
    chunks.add_text("note", "x" * 100, zip=True)
    palette = Image.effect_noise((24, 16), 90).convert("P")
    files = [encode(noise(3, 16, 24), format, RECORD) for format in FORMATS]
    return [*files, file_of(palette, "gif"), file_of(palette.convert("RGB"), "bmp"), file_of(palette, pnginfo=chunks)]


@pytest.mark.parametrize("k", range(6))
def test_truncated_files_are_refused(k: int) -> None:
    data = samples()[k]
    for end in [*range(0, len(data) - 40, max(1, len(data) // 60))]:
        try:
            decode(data[:end], "cut.png")
        except Refused as refused:
            assert "cut.png" in str(refused)
        else:
            assert end > len(data) // 2  # what lacks is behind the pixels


@pytest.mark.parametrize("k", range(6))
def test_mutated_files_are_read_or_refused(k: int) -> None:
    data, generator = samples()[k], np.random.default_rng(k)
    for _ in range(400):
        mutant = bytearray(data)
        for at in generator.integers(0, len(data) if generator.random() < 0.5 else min(len(data), 120), 3):
            mutant[at] = generator.integers(0, 256)
        try:
            assert decode(bytes(mutant), "x.png").dtype == torch.uint8
        except Refused as refused:
            assert "x.png" in str(refused)


@pytest.mark.parametrize("suffix", [".png", ".webp", ".jpg", ".jpeg", ".PNG"])
def test_save_and_read(tmp_path: Path, suffix: str) -> None:
    save(tmp_path / f"a{suffix}", smooth(), RECORD)
    assert read(str(tmp_path / f"a{suffix}")).shape == (3, 30, 40)
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("name", ["a.tiff", "a", "a.png.txt", ".png"])
def test_unknown_suffixes_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(Refused, match=r"end its name in \.png"):
        save(tmp_path / name, smooth())
    with pytest.raises(Refused):
        format_of(name)
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_written_of_a_picture_that_does_not_fit(tmp_path: Path) -> None:
    with pytest.raises(Refused, match=r"20000x1.*webp.*png"):
        save(tmp_path / "a.webp", noise(3, 1, 20_000))
    with pytest.raises(Refused, match="gif"):
        encode(smooth(), "gif")  # pyright: ignore[reportArgumentType]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("pixels", [torch.zeros(3, 4, 4), noise()[None], noise(2), noise()[:, :0]])
def test_tensors_that_are_no_picture_are_refused(pixels: torch.Tensor) -> None:
    with pytest.raises(Refused, match="not a picture"):
        encode(pixels, "png")


def test_the_same_picture_gives_the_same_file() -> None:
    for format in FORMATS:
        assert encode(noise(), format, RECORD) == encode(noise(), format, RECORD)


def test_data_is_rounded_to_bytes_and_back() -> None:
    every = torch.arange(256, dtype=torch.uint8)
    assert torch.equal(to_bytes(from_bytes(every)), every)
    assert from_bytes(every)[[0, 255]].tolist() == [-1, 1]
    assert to_bytes(torch.tensor([-2.0, 2.0, 0.0, 0.005])).tolist() == [0, 255, 128, 128]
    assert to_bytes(torch.tensor([0.5], dtype=torch.bfloat16)).tolist() == [191]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_data_that_is_not_finite_makes_no_black_picture(value: float) -> None:
    with pytest.raises(Refused, match="not finite"):
        to_bytes(torch.tensor([0.0, value]))


def test_the_sha256_is_that_of_pillows_bytes() -> None:
    with Image.open(io.BytesIO(encode(noise(), "png"))) as image:
        assert pixels_sha256(noise()) == hashlib.sha256(image.tobytes()).hexdigest()
    grey = noise(1)
    assert pixels_sha256(grey) == hashlib.sha256(grey.numpy().tobytes()).hexdigest()
    assert pixels_sha256(noise().flip(0)) != pixels_sha256(noise())


@pytest.mark.parametrize("format", ["png", "webp", "jpeg"])
def test_a_sheet_of_a_model_s_pictures_is_marked_without_a_record(format: Format) -> None:
    texts = metadata(encode(smooth(), format, "emoji"), "a sheet")
    assert properties(texts[XMP])["Iptc4xmpExt:DigitalSourceType"] == GENERATED
    assert "unnoise" not in texts and "parameters" not in texts
    assert XMP not in metadata(encode(smooth(), format), "a sheet")
