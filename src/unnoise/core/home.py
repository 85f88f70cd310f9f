"""Where a person's own models, adapters, presets and caches live."""

import os
from pathlib import Path


def home() -> Path:
    """UNNOISE_HOME, or ~/.unnoise."""
    return Path(os.environ.get("UNNOISE_HOME") or "~/.unnoise").expanduser()
