"""`unnoise grid`: a labelled sheet and a page that stands alone, of the very pictures that generate makes."""

import base64
import hashlib
import json
import re
from html.parser import HTMLParser

import pytest

from cli.conftest import files
from unnoise.media.embed import read_metadata
from unnoise.media.image import decode, read
from unnoise.media.provenance import GENERATED, properties


@pytest.fixture
def grid(unnoise, tiny_model):
    def run(*args):
        return unnoise("grid", *args, "--model", tiny_model)

    return run


class Page(HTMLParser):
    """What a page holds: its pictures' bytes, its records, its headings, and every address in it."""

    def __init__(self, text):
        super().__init__()
        self.pictures, self.records, self.heads, self.terms, self.addresses, self.tags = [], [], [], [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        for name, value in attrs:
            if name in ("src", "href", "srcset", "action", "data", "style") or name.startswith("on"):
                self.addresses.append(value)
        if tag == "img":
            self.pictures.append(base64.b64decode(dict(attrs)["src"].partition(",")[2]))

    def handle_data(self, data):
        tag = self.tags[-1] if self.tags else ""
        if tag == "pre" and data.startswith("{"):
            self.records.append(json.loads(data))
        elif tag in ("th", "h1", "h2") and data.strip():
            self.heads.append(data)
        elif tag in ("dt", "dd") and data.strip():
            self.terms.append(data)


def test_two_fields_make_rows_and_columns(grid, unnoise, tiny_model, folder):
    ended = grid("a cat", "--vary", "sampler=euler,dpmpp_2m", "--vary", "steps=2,3,4", "--seed", 5)
    assert (ended.code, ended.err, ended.lines) == (0, "", ["out/grid-a-cat-5.png", "out/grid-a-cat-5.html"])
    assert files(folder) == ["out/grid-a-cat-5.html", "out/grid-a-cat-5.png"]
    page = Page((folder / "out/grid-a-cat-5.html").read_text())
    assert page.heads == ["a cat", "steps 2", "steps 3", "steps 4", "sampler euler", "sampler dpmpp_2m"]
    settings = [(r["sampler"], len(r["levels"]) - 1, r["seed"]) for r in page.records]
    assert settings == [(s, n, 5) for s in ("euler", "dpmpp_2m") for n in (2, 3, 4)]
    unnoise(
        "generate", "a cat", "--model", tiny_model, "--sampler", "dpmpp_2m", "--steps", 3, "--seed", 5, "--out", "x.png"
    )
    assert page.pictures[4] == (folder / "x.png").read_bytes()
    assert page.records[4]["pixels"] == hashlib.sha256(read("x.png").permute(1, 2, 0).numpy().tobytes()).hexdigest()


def place(sheet, picture):
    """Where a picture stands in a sheet: its upper left corner."""
    _, h, w = picture.shape
    corners = (sheet[:, : 1 - h or None, : 1 - w or None] == picture[:, :1, :1]).all(0).nonzero().tolist()
    found = [(y, x) for y, x in corners if bool((sheet[:, y : y + h, x : x + w] == picture).all())]
    assert len(found) == 1
    return found[0]


def test_the_sheet_shows_every_picture_in_its_place(grid, folder):
    grid("a cat", "--vary", "seed=1,2", "--vary", "steps=1,2", "--out", "g.png")
    sheet, page = read("g.png"), Page((folder / "g.html").read_text())
    shown = [decode(data, "x").repeat_interleave(8, 1).repeat_interleave(8, 2) for data in page.pictures]
    (y0, x0), (y1, x1), (y2, x2), (y3, x3) = (place(sheet, picture) for picture in shown)
    assert y0 == y1 < y2 == y3 and x0 == x2 < x1 == x3
    assert bool((sheet[:, : y0 - 2] < 128).any()) and bool((sheet[:, y0:, : x0 - 2] < 128).any())  # labels


def test_the_page_asks_nothing_of_anybody(grid, folder):
    grid('<img src=x onerror="alert(1)"> & </pre> http://example.com', "--vary", "steps=1,2", "--out", "g.png")
    text = (folder / "g.html").read_text()
    page = Page(text)
    assert len(page.pictures) == 2 and all(a.startswith("data:image/png;base64,") for a in page.addresses)
    assert not {"script", "link", "iframe", "object", "base"} & set(page.tags)
    assert not re.search(r"url\(|@import", text)
    assert "default-src 'none'" in text and "prefers-color-scheme: dark" in text
    assert page.heads[0].startswith("<img src=x")
    assert page.records[0]["request"]["prompt"].endswith("http://example.com")


def test_what_stands_under_a_picture(grid, folder):
    grid("a cat", "--vary", "guidance=2,interval:scale=3", "--seed", 8, "--width", 32, "--out", "g.png")
    terms = Page((folder / "g.html").read_text()).terms
    said = dict(zip(terms[::2], terms[1::2], strict=True))
    assert said | {"time": ""} == {
        "sampler": "euler",
        "guidance": "interval:scale=3",
        "steps": "4",
        "size": "32x16",
        "seed": "8",
        "time": "",
    }
    assert re.fullmatch(r"\d+\.\d\d s", said["time"])


def test_more_fields_make_blocks_and_a_count_makes_seeds(grid, folder):
    grid("a cat", "--vary", "steps=1,2", "--vary", "sampler=euler,heun", "--count", 2, "--seed", 5, "--out", "g.png")
    page = Page((folder / "g.html").read_text())
    inner = ["sampler euler", "sampler heun", "steps 1", "steps 2"]
    assert page.heads == ["a cat", "seed 5", *inner, "seed 6", *inner]
    assert [r["seed"] for r in page.records] == [5] * 4 + [6] * 4
    assert [len(r["levels"]) for r in page.records] == [2, 2, 3, 3] * 2


def test_one_field_makes_a_row_with_one_seed(grid, folder):
    grid("a cat", "--vary", "steps=1,2,3", "--out", "g.png")
    records = Page((folder / "g.html").read_text()).records
    assert len({r["seed"] for r in records}) == 1 and [len(r["levels"]) for r in records] == [2, 3, 4]
    grid("a cat", "--count", 2, "--seed", 3, "--out", "g.png")
    assert Page((folder / "g.html").read_text()).heads == ["a cat", "seed 3", "seed 4"]


def test_a_picture_s_settings_are_taken_over(unnoise, tiny_model, folder):
    unnoise(
        "generate", "a fox", "--model", tiny_model, "--steps", 3, "--seed", 9, "--out", "x.png", "--sampler", "heun"
    )
    ended = unnoise("grid", "--like", "x.png", "--model", tiny_model, "--vary", "guidance=1,2", "--out", "g.png")
    assert ended.code == 0, ended.err
    records = Page((folder / "g.html").read_text()).records
    assert [(r["seed"], r["sampler"], len(r["levels"])) for r in records] == [(9, "heun", 4)] * 2
    ended = unnoise("grid", "--like", "x.png", "--model", tiny_model, "--vary", "seed=1,2", "--out", "g.png")
    assert ended.code == 0, ended.err
    assert (
        "whole pictures" in unnoise("grid", "--refine", "x.png", "--model", tiny_model, "--vary", "seed=1,2").refusal()
    )


def test_prompts_vary(grid, folder):
    assert grid("--vary", "prompt=a cat, asleep;a fox", "--out", "g.png").code == 0
    page = Page((folder / "g.html").read_text())
    assert page.heads[0] == "a cat, asleep / a fox"
    assert [r["request"]["prompt"] for r in page.records] == ["a cat, asleep", "a fox"]


def test_sheet_and_pictures_are_marked_as_generated(grid, folder):
    grid("a cat", "--vary", "steps=1,2", "--out", "g.webp")
    assert properties(read_metadata("g.webp")["XML:com.adobe.xmp"])["Iptc4xmpExt:DigitalSourceType"] == GENERATED
    data = Page((folder / "g.html").read_text()).pictures[0]
    assert data[8:12] == b"WEBP" and b"trainedAlgorithmicMedia" in data


def test_json_lines(grid, folder):
    ended = grid("a cat", "--vary", "steps=1,2", "--seed", 4, "--json")
    *progress, result = [json.loads(line) for line in ended.lines]
    assert [(e["event"], e["picture"], e["step"], e["steps"]) for e in progress] == [
        ("progress", 0, 1, 1),
        ("progress", 1, 1, 2),
        ("progress", 1, 2, 2),
    ]
    pixels = read(result["path"])
    assert result["sha256"] == hashlib.sha256((folder / result["path"]).read_bytes()).hexdigest()
    assert (result["event"], result["seed"], result["pictures"], result["page"]) == (
        "result",
        4,
        2,
        "out/grid-a-cat-4.html",
    )
    assert (result["height"], result["width"]) == tuple(pixels.shape[1:])


def test_nothing_is_overwritten_in_a_folder(grid, folder):
    for _ in range(2):
        assert grid("a cat", "--vary", "steps=1,2", "--seed", 4).code == 0
    (folder / "out" / "grid-a-cat-4.png").unlink()
    page = (folder / "out" / "grid-a-cat-4.html").read_bytes()
    assert grid("a cat", "--vary", "steps=1,2", "--seed", 4).code == 0
    assert (folder / "out" / "grid-a-cat-4.html").read_bytes() == page
    assert len(files(folder)) == 5


@pytest.mark.parametrize(
    ("args", "said"),
    [
        ((), "a grid needs something that varies"),
        (("--vary", "steps=0,1"), "steps 0: steps 0 is out of range"),
        (("--vary", "sampler=euler,oiler"), "sampler oiler: there is no sampler 'oiler'"),
        (("--vary", "sampler=ddim:eta=0.5,x=1"), "where values hold commas, part them by ;"),
        (("--vary", "width=16,17"), "width 17: width 17 is no multiple of 4"),
        (("--vary", "seed=1,2", "--seed", "3"), "--seed and --vary seed say two things"),
        (("--vary", "seed=1,2", "--count", "3"), "--count and --vary seed say two things"),
        (("--vary", "steps=1,2", "--out", "x.txt"), "x.txt"),
        (("--vary",), "--vary"),
        (("--latents-out", "x.safetensors"), "unknown option"),
    ],
)  # fmt: skip
def test_refusals_come_before_anything_is_made(grid, folder, args, said):
    assert said in grid("a cat", *args).refusal()
    assert files(folder) == []


def test_a_sheet_that_would_be_too_large(grid, folder):
    refused = grid(
        "a cat",
        "--width",
        64,
        "--height",
        64,
        "--vary",
        "seed=" + ",".join(map(str, range(2500))),
        "--vary",
        "steps=1,2,3,4,5,6,7,8,9",
    ).refusal()
    assert "pictures" in refused and files(folder) == []


@pytest.mark.parametrize("count", [-1, 0, 4097, 10**9])
def test_counts_that_are_none_or_without_end(unnoise, tiny_model, count):
    assert "from 1 to 4,096" in unnoise("grid", "x", "--model", tiny_model, f"--count={count}").refusal()


def test_values_without_end(unnoise, tiny_model):
    many = "seed=" + ",".join(map(str, range(300_000)))
    assert "300,000 values" in unnoise("grid", "x", "--model", tiny_model, "--vary", many).refusal()
