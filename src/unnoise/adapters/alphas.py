"""What a file's header says of its layers' alpha, where no tensor does: the metadata of diffusers and of PEFT.

diffusers writes one JSON text, `lora_adapter_metadata`, with `unet.lora_alpha` and the like; PEFT writes a file
`adapter_config.json` beside the weights. Both give one alpha, and others for some layers by name.
"""

import json
from collections.abc import Callable, Mapping
from math import isfinite
from pathlib import Path
from typing import Any, cast

from unnoise.adapters.dialects import NETWORK
from unnoise.adapters.pieces import Alpha, Where
from unnoise.core.error import Refused

Alphas = Callable[[Where], Alpha | None]

COMPONENTS = {
    "unet": NETWORK,
    "transformer": NETWORK,
    "text_encoder": "text",
    "text_encoder_2": "text_2",
    "text_encoder_3": "text_3",
}
LONGEST = 2**20


def alphas(metadata: Mapping[str, str], path: Path) -> Alphas:
    """How to find a layer's alpha.

    Raises:
        Refused: what the header or the file beside it says cannot be read.
    """
    said = metadata.get("lora_adapter_metadata")
    beside = path.with_name("adapter_config.json")
    if said is not None:
        configs = _by_part(_object(said, path))
    elif path.name.startswith("adapter_model.") and beside.is_file():
        configs = {NETWORK: _object(beside.read_bytes()[: LONGEST + 1], beside)}
    else:
        configs = dict[str, dict[str, Any]]()
    known = {part: stated(config) for part, config in configs.items()}
    return lambda where: known[where.part](where.layer) if where.part in known else None


def stated(config: Mapping[str, Any]) -> Callable[[str], Alpha | None]:
    """What a PEFT configuration says of the alpha of each layer, by the layer's dotted name.

    Args:
        config: lora_alpha, alpha_pattern, use_rslora; patterns name layers, in full or by their last parts.
    """
    usual, root = config.get("lora_alpha"), config.get("use_rslora") is True
    patterns = config.get("alpha_pattern")
    own = {_plain(k): v for k, v in cast(dict[str, Any], patterns or {}).items()} if isinstance(patterns, dict) else {}

    def alpha(layer: str) -> Alpha | None:
        value: Any = next((v for k, v in own.items() if layer == k or layer.endswith(f".{k}")), usual)
        return Alpha(float(value), root) if type(value) in (int, float) and isfinite(value) else None

    return alpha


def _plain(pattern: str) -> str:
    """A pattern's words: PEFT reads expressions, and its writers write names."""
    return pattern.removeprefix("^").removesuffix("$").replace("\\.", ".")


def _by_part(said: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for name, value in said.items():
        component, dot, rest = name.partition(".")
        if dot and component in COMPONENTS:
            found.setdefault(COMPONENTS[component], {})[rest] = value
    return found


def _object(text: str | bytes, path: Path) -> dict[str, Any]:
    try:
        if len(text) > LONGEST:
            raise ValueError
        found = json.loads(text)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise Refused(f"{path}: what it says of its adapter cannot be read", "the file is damaged", "lora")
    return cast(dict[str, Any], found)
