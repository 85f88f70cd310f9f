"""The layers of a model by every name that adapters' files may call them.

A module's key maps (weights/maps) say what other programs call each of its layers. Those names are written out for the
layers that this very module has, so that a name is looked up and never taken apart: a file that writes underscores for
dots is read by the same table with its dots as underscores.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, cast

from torch import Tensor, nn

from unnoise.adapters.dialects import NETWORK, TEXTS, Spelling
from unnoise.core.model import Model
from unnoise.networks.controlnet import Controlled
from unnoise.weights.keymap import KeyMap, Rule, Spot
from unnoise.weights.maps import clip, flux, ldm_unet, mmdit, t5


def _xlabs(config: Any) -> KeyMap:
    """What XLabs call the layers of Flux that their adapters stand beside, `processor.` left out."""
    double, single = "double_blocks.{}.", "single_blocks.{}."
    streams = {"1": "img_attn", "2": "txt_attn"}
    rules = [
        Rule(f"{double}{layer}_lora{k}", f"{double}{stream}.{layer}")
        for k, stream in streams.items()
        for layer in ("qkv", "proj")
    ]
    rows = (0, 3, 3 + config.ratio)
    return KeyMap(
        (*rules, Rule(f"{single}qkv_lora", f"{single}linear1", rows), Rule(f"{single}proj_lora", f"{single}linear2"))
    )


Namings = Callable[[Any], Sequence[KeyMap]]

NAMINGS: Mapping[str, Namings] = {
    "clip_text": lambda config: (clip.diffusers(config), clip.original(config, "open_clip")),
    "flux": lambda config: (flux.diffusers(config), flux.original(config), _xlabs(config)),
    "ldm_unet": lambda config: (ldm_unet.diffusers(config), ldm_unet.original(config)),
    "mmdit": lambda config: (mmdit.diffusers(config), mmdit.original(config)),
    "t5": lambda config: (t5.diffusers(config),),
}
"""The file a module's class stands in -> the names that others give to its layers."""

ENCODERS = ("clip_text", "t5")


@dataclass(frozen=True)
class Part:
    """A module of a model that adapters may change.

    Args:
        module: the module.
        place: its name within the network or the conditioner; empty where it is that itself.
    """

    module: nn.Module
    place: str = ""

    @cached_property
    def layers(self) -> Mapping[str, nn.Module]:
        """The layers that have a weight, by our names."""
        return {k: m for k, m in self.module.named_modules() if isinstance(getattr(m, "weight", None), Tensor)}

    @cached_property
    def names(self) -> Mapping[str, Spot]:
        """Every name of each layer -> where it lies in ours."""
        found: dict[str, Spot] = {}
        kind = _file(self.module)
        for naming in NAMINGS[kind](cast(Any, self.module).config) if kind in NAMINGS else ():
            for ours in self.layers:
                for rule in naming.rules:
                    theirs = rule.turned(f"{ours}.weight", back=True)
                    if theirs is not None and theirs.endswith(".weight"):
                        found.setdefault(theirs.removesuffix(".weight"), Spot(ours, rule.rows, rule.change))
        return found | {name: Spot(name) for name in self.layers if name not in found}

    @cached_property
    def written(self) -> Mapping[str, Spot]:
        """The name of each layer, or of each part of a fused one, that most programs read."""
        if _file(self.module) not in ENCODERS:
            return {name: Spot(name) for name in self.layers}
        first: dict[tuple[str, tuple[int, int, int] | None], str] = {}
        for name, spot in self.names.items():
            if name not in self.layers:
                first.setdefault((spot.name, spot.rows), name)
        return {name: self.names[name] for name in first.values()}

    @cached_property
    def flat(self) -> Mapping[str, Spot]:
        """The same with underscores for dots, without those that would stand for two."""
        found: dict[str, Spot | None] = {}
        for name, spot in self.names.items():
            key = name.replace(".", "_")
            found[key] = spot if found.get(key, spot) == spot else None
        return {key: spot for key, spot in found.items() if spot is not None}

    @cached_property
    def numbered(self) -> Sequence[Spot | None]:
        """The layers that the first `lora` package numbers, in its order."""
        return [self.names.get(name) for name in _numbered(self.names)]

    def spot(self, layer: str, spelling: Spelling) -> Spot | None:
        """Where a layer lies; None where the module has none of this name."""
        if spelling == "numbered":
            return self.numbered[int(layer)] if layer.isdecimal() and int(layer) < len(self.numbered) else None
        return (self.flat if spelling == "flat" else self.names).get(layer)


def parts(model: Model) -> dict[str, Part]:
    """The parts of a model by the names that dialects give them: the network, and its text encoders in their order.

    T5 is the last text encoder wherever it is; a conditioner with an encoder of its own is that itself.
    """
    network = model.denoiser.network
    found = {NETWORK: Part(network.network, "network") if isinstance(network, Controlled) else Part(network)}
    if isinstance(conditioner := cast(object, model.conditioner), nn.Module):
        inner = [Part(m, name) for name, m in conditioner.named_modules() if _file(m) in ENCODERS and name]
        outer = [part for part in inner if not any(part.place.startswith(f"{p.place}.") for p in inner)]
        found |= dict(zip(TEXTS, outer or [Part(conditioner)], strict=False))
    return found


def part_named(known: Mapping[str, Part], name: str) -> tuple[str, Part] | None:
    """The part that a dialect means: files count text encoders up to three, models may have the last of them only."""
    if name == NETWORK or name in known:
        return (name, known[name]) if name in known else None
    texts = [each for each in TEXTS if each in known]
    return (texts[-1], known[texts[-1]]) if texts else None


def _file(module: nn.Module) -> str:
    return type(module).__module__.rsplit(".", 1)[-1]


_BLOCK = re.compile(r"((?:down|up)_blocks\.\d+|mid_block)\.attentions\.\d+\.transformer_blocks\.\d+(?=\.attn1\.to_q$)")
_CLIP = re.compile(r"text_model\.encoder\.layers\.\d+(?=\.self_attn\.q_proj$)")
_IN_BLOCK = (
    *(f"attn1.to_{p}" for p in ("q", "k", "v", "out.0")),
    "ff.net.0.proj",
    *(f"attn2.to_{p}" for p in ("q", "k", "v", "out.0")),
)
"""As diffusers made them when the package was written: the feed-forward part before the second attention."""
_IN_CLIP = ("k_proj", "v_proj", "q_proj", "out_proj")


def _numbered(names: Mapping[str, Spot]) -> list[str]:
    """Layer names in the order of the first `lora` package (cloneofsimo/lora, `extract_lora_ups_down`), which walks
    modules as they were registered: the U-Net's middle block last."""
    blocks = sorted({m[0] for name in names if (m := _BLOCK.match(name))}, key=_walk)
    layers = sorted({m[0] for name in names if (m := _CLIP.match(name))}, key=_walk)
    found = [f"{block}.{layer}" for block in blocks for layer in _IN_BLOCK]
    return found + [f"{layer}.self_attn.{each}" for layer in layers for each in _IN_CLIP]


def _walk(name: str) -> tuple[int, list[int]]:
    return ("down", "up", "mid", "text").index(name.split("_")[0]), [int(n) for n in re.findall(r"\d+", name)]
