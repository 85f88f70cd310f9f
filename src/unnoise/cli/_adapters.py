"""The adapters, embeddings and ControlNets here that a record tells of: found by hash, then by name.

A record may be a stranger's.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path, PurePath
from typing import Any

from unnoise.adapters.control import parsed_control
from unnoise.adapters.shelf import FOLDERS, Adapters, Role, find, holding, is_path
from unnoise.adapters.strength import parsed
from unnoise.core.error import Refused, together
from unnoise.core.home import home
from unnoise.media.record import Record
from unnoise.tasks._adapt import told
from unnoise.weights.digest import sha256
from unnoise.weights.sharded import weights_in


def known(record: Record, given: Sequence[Path] = ()) -> Adapters:
    """Where the adapters of all requests that led to a picture are, by their names there.

    Args:
        given: files that may be among them.
    Raises:
        Refused: some are not here.
    """
    requests = (record.request, *(leg["request"] for leg in record.past))
    lora = {parsed(spec).name for request in requests for spec in told(request, "lora")}
    words = {name for request in requests for name in told(request, "embedding")}
    nets = {parsed_control(spec).name for request in requests for spec in told(request, "control")}
    wanted: tuple[tuple[Role, set[str]], ...] = (("lora", lora), ("embedding", words), ("control", nets))
    return Adapters(*together(partial(_located, record, names, role, given) for role, names in wanted))


def fields(record: Record) -> dict[str, Any]:
    """The fields of a request that ask for a record's adapters, by the files here.

    Raises:
        Refused: one is not here.
    """
    here, wanted = known(record), [parsed(spec) for spec in told(record.request, "lora")]
    lora = tuple(f"{here.lora[each.name]}:{each.strength}" for each in wanted)
    words = tuple(str(here.embedding[name]) for name in told(record.request, "embedding"))
    return {name: value for name, value in (("lora", lora), ("embedding", words)) if value}


def _located(record: Record, names: set[str], role: Role, given: Sequence[Path]) -> dict[str, Path]:
    if not names:
        return {}
    here = holding(record.files.values(), role) | {d: path for path in given if (d := _digest(path))}
    files = together(partial(_one, record.files, name, role, here) for name in sorted(names))
    return dict(zip(sorted(names), files, strict=True))


def _digest(path: Path) -> str:
    """Of a file, or of the weights in a folder; empty where there is neither."""
    try:
        return sha256(weights_in(path) if path.is_dir() else path)
    except (OSError, Refused):
        return ""


def _one(files: Mapping[str, str], name: str, role: Role, here: Mapping[str, Path]) -> Path:
    """The file of one: with the hash that the record has for its name, or the only one here of all its hashes (a
    file that was renamed on the way); failing that, one of its name."""
    digests = [d for file, d in files.items() if PurePath(file).stem == name or file.startswith(f"{name}/")]
    mine = [here[digest] for digest in digests or files.values() if digest in here]
    if mine and (digests or len(set(mine)) == 1):
        return mine[0]
    try:
        if not is_path(name, role):  # a stranger's record must not name any file of this machine
            return find(name, role)
    except Refused:
        pass
    said = f" (sha256 {digests[0][:12]})" if digests else ""
    folder = home() / FOLDERS[role]
    raise Refused(
        f"the picture's {role} '{name[:60]}'{said} is not here",
        f"name its file with replay's --adapter, or put it into {folder}",
        role,
    )
