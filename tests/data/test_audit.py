"""An audit finds what would spoil a training."""

from pathlib import Path

from unnoise.data.audit import audit
from unnoise.data.source import open_source


def test_everything_wrong_is_found(folder: Path, png) -> None:
    (folder / "p1-again.png").write_bytes(png((30, 10, 10)))
    (folder / "wide.png").write_bytes(png((30, 10, 10), (16, 4)))
    report = audit(open_source(folder))
    assert report.count == 9
    assert len(report.broken) == 2
    assert "p2.png" in report.broken[0]
    assert report.captionless == ("p1-again.png", "wide.png")
    assert report.duplicates == (("p1-again.png", "p1.png"),)
    assert report.sizes == {(8, 8): 6, (16, 4): 1}
    assert report.words == {2: 14}
    assert (report.smaller_than(8), report.smaller_than(9), report.smaller_than(4)) == (1, 7, 0)
    text = "\n".join(report.lines())
    for fact in ("9 pictures", "8x8: 6", "captions of 2 to 2 words", "2 broken", "2 without a caption", "1 exact dup"):
        assert fact in text


def test_an_alpha_is_looked_at_too(tmp_path: Path, png, tar) -> None:
    alphas = {"good": png(), "torn": png()[:50], "small": png(size=(4, 8))}
    pictures = {f"{name}.png": png((k, 0, 0)) for k, name in enumerate(alphas)}
    members = pictures | {f"{name}.alpha.png": data for name, data in alphas.items()}
    report = audit(open_source(tar(tmp_path / "train-0.tar", members), captionless=True), workers=0)
    assert (report.count, report.sizes) == (3, {(8, 8): 1})
    torn, small = report.broken
    assert "torn.alpha.png" in torn and small.startswith("small is of 8x8 pixels and its alpha of 4x8")


def test_the_emoji_set_is_sound(shared: Path) -> None:
    report = audit(open_source(shared / "data" / "emoji128", "heldout"), workers=0)
    assert (report.count, report.broken, report.captionless) == (254, (), ())
    assert report.sizes == {(128, 128): 254}
    assert report.lines()[0] == "254 pictures"
