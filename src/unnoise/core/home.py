"""Where a person's own models, adapters, presets and caches live."""

import os
from pathlib import Path

from unnoise.core.error import Refused


def home() -> Path:
    """UNNOISE_HOME, or ~/.unnoise.

    Raises:
        Refused: it names no user's folder, or cannot even be looked at.
    """
    word = os.environ.get("UNNOISE_HOME") or "~/.unnoise"
    try:
        path = Path(word).expanduser()
        path.exists()
    except (OSError, RuntimeError) as error:  # RuntimeError: there is no such user
        why = getattr(error, "strerror", None) or str(error).rstrip(".")
        raise Refused(f"'{word[:60]}' cannot be home ({why})", "set UNNOISE_HOME to a folder", "home") from None
    return path
