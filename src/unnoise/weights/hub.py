"""Files by name from the Hugging Face hub, where a person asks for one: `hub:OWNER/NAME`. Nothing else is fetched."""

import os
from pathlib import Path

from unnoise.core.error import Refused

SCHEME = "hub:"
OFFLINE = ("UNNOISE_OFFLINE", "HF_HUB_OFFLINE")
"""Either of these, set to anything but 0, keeps the network out; what was fetched before is still found."""


def fetch(word: str, names: tuple[str, ...]) -> Path:
    """The first of these files that a repository has, from the cache or the network.

    Args:
        word: `hub:OWNER/NAME`, or `hub:OWNER/NAME/FOLDER`.
        names: file names, the best first.

    Raises:
        Refused: huggingface_hub is not installed, the network is to be kept out or is not there, or there is no such
            file.
    """
    owner, name, *folder = [part for part in word.removeprefix(SCHEME).split("/") if part] + [""] * 2
    folder = [part for part in folder if part]
    if not owner or not name:
        raise Refused(f"'{word[:80]}' names no repository", "write hub:OWNER/NAME", "part")
    try:
        from huggingface_hub import hf_hub_download
        from huggingface_hub.errors import EntryNotFoundError
    except ImportError:
        remedy = "install unnoise[hub], or give a file that is here"
        raise Refused("fetching from the hub needs huggingface_hub", remedy, "part") from None
    offline = any(os.environ.get(switch, "0") not in ("", "0") for switch in OFFLINE)
    why = "none of its files is there"
    for each in names:
        try:
            path = hf_hub_download(f"{owner}/{name}", "/".join([*folder, each]), local_files_only=offline)
            return Path(path)
        except EntryNotFoundError as error:
            why = str(error) if offline else why
        except Exception as error:  # the network fails in any way it likes
            why = str(error)
            break
    remedy = "give a file that is here" + (f"; {' and '.join(OFFLINE)} keep the network out" if offline else "")
    raise Refused(
        f"cannot fetch {' or '.join(names)} from {owner}/{name} ({' '.join(why.split())[:80]})", remedy, "part"
    )
