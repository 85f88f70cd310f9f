"""What a set of emoji says of itself: what is in it, from where, under which terms, and what was left out."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from unnoise.core.error import Refused
from unnoise.core.version import __version__
from unnoise.data.emoji import names
from unnoise.data.emoji.choose import Picked
from unnoise.data.emoji.draw import inside
from unnoise.data.upstream import UPSTREAMS


def pictures(train: Iterable[Picked], heldout: Iterable[Picked]) -> dict[str, Any]:
    """The styles, each with its origin and how many pictures there are of it, and how many there are of each group."""
    split = {"train": list(train), "heldout": list(heldout)}
    both = [one for some in split.values() for one in some]
    counts = {name: Counter(one.art.style.name for one in some) for name, some in split.items()}
    origins = {one.art.style.name: one for one in both}
    styles = {
        name: origin(one) | {part: count[name] for part, count in counts.items()}
        for name, one in sorted(origins.items())
    }
    groups = Counter(one.named.group for one in both)
    return {"styles": styles, "groups": dict(groups.most_common())}


def origin(one: Picked) -> dict[str, Any]:
    """Where a style comes from."""
    source = UPSTREAMS[one.upstream]
    return {
        "family": source.family,
        "style_text": one.art.style.words,
        "licence": source.licence,
        "attribution": source.attribution,
        "upstream": source.address,
        "commit": commit(one.folder),
    }


def commit(folder: Path) -> str:
    """The commit that a clone has checked out; empty where it is no longer to be seen."""
    try:
        head = (folder / ".git" / "HEAD").read_text().strip()
        if not head.startswith("ref: "):
            return head[:64]
        ref = head.removeprefix("ref: ")
        loose = folder / ".git" / ref
        if loose.is_file():
            return loose.read_text().strip()[:64]
        packed = (folder / ".git" / "packed-refs").read_text().splitlines()
        return next((line.split()[0][:64] for line in packed if line.endswith(f" {ref}")), "")
    except (OSError, ValueError):
        return ""


def made_with() -> dict[str, str]:
    """The versions that the pictures' bytes depend on."""
    found = {"unnoise": __version__}
    for name in ("pillow", "resvg_py"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def licences(clones: Mapping[str, Path]) -> Iterator[tuple[str, bytes]]:
    """The licences' texts to go along, each with its file's name: those in the clones, and the names' own."""
    yield "names-NOTICE.txt", names.notice().encode()
    for upstream, folder in clones.items():
        for pattern in ("*LICEN[CS]E*", "*/LICEN[CS]E*"):
            for path in sorted(folder.glob(pattern)):
                if path.is_file():
                    yield f"{upstream}-{'-'.join(path.relative_to(folder).parts)}", _text(inside(folder, path))


def _text(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise Refused(f"cannot read {path}: {error.strerror}", "restore it") from None
