"""A file gives back the record and the texts that went into it, and those that other programs wrote."""

import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin

from media.examples import RECORD, asked, noise
from unnoise.core.error import Refused
from unnoise.media.embed import TEXT, XMP, metadata, read_metadata, read_record
from unnoise.media.image import Format, encode, save
from unnoise.media.infotext import parameters, parse_parameters
from unnoise.media.provenance import COMPOSITE, GENERATED, properties
from unnoise.media.record import Record, from_json

FORMATS: list[Format] = ["png", "webp", "jpeg"]
SMALL = noise(3, 4, 4)


def record_in(data: bytes) -> Record:
    return from_json(metadata(data, "x")["unnoise"])


@pytest.mark.parametrize("format", FORMATS)
@given(prompt=st.text(st.characters(), max_size=80), negative=st.text(st.characters(), max_size=30))
@settings(deadline=None, max_examples=60)
def test_record_and_parameters_come_back(format: Format, prompt: str, negative: str) -> None:
    record = asked(prompt=prompt, negative=negative)
    data = encode(SMALL, format, record)
    assert record_in(data) == record
    assert metadata(data, "x")["parameters"] == parameters(record)


@pytest.mark.parametrize("format", FORMATS)
def test_every_file_is_marked_as_generated(format: Format) -> None:
    for record, source in ((RECORD, GENERATED), (replace(RECORD, composite=True), COMPOSITE)):
        data = encode(SMALL, format, record)
        said = properties(metadata(data, "x")[XMP])
        assert said["Iptc4xmpExt:DigitalSourceType"] == source
        assert said["Iptc4xmpExt:AISystemUsed"] == "unnoise, emoji"
        with Image.open(io.BytesIO(data)) as image:
            image.load()
            assert source.encode() in image.info["xmp"]  # where any reader of Pillow's finds it


@pytest.mark.parametrize("prompt", ["x" * 32_000, "狐" * 32_000, "\ud800\0" * 40_000], ids=["latin", "wide", "hostile"])
@pytest.mark.parametrize("format", FORMATS)
def test_prompts_beyond_a_jpeg_segment(format: Format, prompt: str) -> None:
    record = asked(prompt=prompt)
    data = encode(SMALL, format, record)
    assert record_in(data) == record
    assert properties(metadata(data, "x")[XMP])["Iptc4xmpExt:DigitalSourceType"] == GENERATED
    if format != "jpeg":
        assert metadata(data, "x")["parameters"] == parameters(record)


def test_extended_xmp_that_is_damaged_gives_no_record() -> None:
    data = encode(SMALL, "jpeg", asked(prompt="狐" * 32_000))
    at = data.index(b"\\u72d0", 100_000)
    said = metadata(data[:at] + b"\\u72d1" + data[at + 6 :], "x")
    assert "unnoise" not in said


@pytest.mark.parametrize("format", FORMATS)
def test_without_a_record_nothing_is_said(tmp_path: Path, format: Format) -> None:
    path = tmp_path / f"a.{format}"
    save(path, SMALL)
    assert read_metadata(path) == {}
    assert read_record(path) is None
    save(path, SMALL, RECORD)
    assert read_record(path) == RECORD


def png(*texts: tuple[str, str], **options: Any) -> bytes:
    chunks = PngImagePlugin.PngInfo()
    for key, text in texts:
        chunks.add_text(key, text)
    file = io.BytesIO()
    Image.new("RGB", (1, 1)).save(file, "png", pnginfo=chunks, **options)
    return file.getvalue()


def test_a_damaged_record_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(png(("unnoise", RECORD.json()[:-5])))
    with pytest.raises(Refused, match="record"):
        read_record(tmp_path / "a.png")


def test_texts_are_bounded_in_length_and_number() -> None:
    said = metadata(png(("a", "x" * (TEXT + 1)), ("b", "y"), *((f"k{k}", "z") for k in range(200))), "x")
    assert "a" not in said
    assert said["b"] == "y"
    assert len(said) == 100


def test_texts_behind_the_pixels() -> None:
    head, tail = png(exif=b"Exif\0\0MM\0*\0\0\0\x08" + bytes(6)), png(("parameters", "behind"))
    start = tail.index(b"tEXtparameters") - 4
    length = 12 + int.from_bytes(tail[start : start + 4], "big")
    end = head.index(b"IEND") - 4
    assert metadata(head[:end] + tail[start : start + length] + head[end:], "x")["parameters"] == "behind"


def test_the_byte_order_of_exif_is_that_of_its_comment() -> None:
    for format in FORMATS[1:]:
        assert b"MM\0*" in encode(SMALL, format, RECORD)


@pytest.mark.parametrize(
    "comment",
    [
        b"UNICODE\0" + "Steps: 1 狐".encode("utf-16-be"),
        b"UNICODE\0" + "Steps: 1 狐".encode("utf-16-le"),
        b"UNICODE\0" + "\ufeffSteps: 1 狐".encode("utf-16-be"),
        b"UNICODE\0" + "\ufeffSteps: 1 狐".encode("utf-16-le"),
        bytes(8) + "Steps: 1 狐".encode(),
        b"ASCII\0\0\0" + "Steps: 1 狐\0".encode(),
    ],
)
@pytest.mark.parametrize("format", FORMATS)
def test_user_comments_of_other_writers(format: Format, comment: bytes) -> None:
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0x9286] = comment
    file = io.BytesIO()
    Image.new("RGB", (1, 1)).save(file, format, exif=exif.tobytes())
    assert metadata(file.getvalue(), "x")["parameters"] == "Steps: 1 狐"


def test_comfyui_in_webp_and_comments_in_gif_and_jpeg() -> None:
    exif = Image.Exif()
    exif[0x0110], exif[0x010F] = 'prompt:{"1": {}}', 'workflow:{"nodes": []}'
    file = io.BytesIO()
    Image.new("RGB", (1, 1)).save(file, "webp", exif=exif)
    assert metadata(file.getvalue(), "x") == {"prompt": '{"1": {}}', "workflow": '{"nodes": []}'}
    for format in ("gif", "jpeg"):
        file = io.BytesIO()
        Image.new("RGB", (1, 1)).save(file, format, comment=b"words")
        assert metadata(file.getvalue(), "x") == {"comment": "words"}


@pytest.mark.parametrize("format", FORMATS)
def test_mutated_files_are_read_or_refused(format: Format) -> None:
    data, generator = encode(SMALL, format, RECORD), np.random.default_rng(3)
    for _ in range(300):
        mutant = bytearray(data)
        for at in generator.integers(0, len(data), 3):
            mutant[at] = generator.integers(0, 256)
        try:
            said = metadata(bytes(mutant), "x.png")
            if "unnoise" in said:
                from_json(said["unnoise"])
            parse_parameters(said.get("parameters", ""))
        except Refused as refused:
            assert "x.png" in str(refused) or "record" in str(refused)


@pytest.mark.parametrize("name", ["automatic1111_cropped.png", "automatic1111_cropped.jpg"])
def test_files_of_automatic1111(shared: Path, name: str) -> None:
    said = parse_parameters(read_metadata(shared / "fixtures" / "metadata" / "AUTOMATIC1111" / name)["parameters"])
    expected = {
        "Prompt": "photo of a duck",
        "Negative prompt": "monochrome",
        "Steps": "15",
        "Sampler": "UniPC",
        "CFG scale": "5",
        "Seed": "235284042",
        "Size": "512x400",
        "Model hash": "c0d1994c73",
        "Model": "realistic_realisticVisionV20_v20",
    }
    assert {key: said.get(key) for key in expected} == expected


def test_files_of_other_programs_keep_their_keywords(shared: Path) -> None:
    folder = shared / "fixtures" / "metadata"
    assert json.loads(read_metadata(folder / "ComfyUI" / "img2img_cropped.png")["prompt"])["3"]["inputs"]["steps"] == 20
    fooocus = json.loads(read_metadata(folder / "Fooocus" / "fooocus1_cropped.png")["parameters"])
    assert fooocus["prompt"] == "a smiling goldfish"
    invoke = json.loads(read_metadata(folder / "InvokeAI" / "invokeai_imeta1.png")["invokeai_metadata"])
    assert invoke["seed"] == 3293022630
    assert read_metadata(folder / "bad_images" / "empty_image.png").keys().isdisjoint({"parameters", "unnoise"})
    with pytest.raises(Refused, match=r"empty_file\.png"):
        read_metadata(folder / "bad_images" / "empty_file.png")
