"""A model's networks on their way to another layout: settings, and tensors by our names that are not in memory."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from types import ModuleType
from typing import Any

import torch
from torch import nn

from unnoise.families._layouts import Layout
from unnoise.families._parts import Parts, ignored, keymap
from unnoise.families._slots import LEFT
from unnoise.families._source import Slot, Source, Stored
from unnoise.networks.autoencoder_kl import AutoencoderKL
from unnoise.networks.clip_text import CLIPText
from unnoise.networks.flux import Flux
from unnoise.networks.ldm_unet import LDMUNet
from unnoise.networks.mmdit import MMDiT
from unnoise.networks.t5 import T5
from unnoise.weights.keymap import KeyMap
from unnoise.weights.lazy import Lazy, theirs, with_identity, with_zeros, without
from unnoise.weights.maps import clip, flux, kl, ldm_unet, mmdit, t5
from unnoise.weights.place import Place, filled

MODULES: Mapping[ModuleType, type[nn.Module]] = {
    ldm_unet: LDMUNet,
    mmdit: MMDiT,
    flux: Flux,
    kl: AutoencoderKL,
    clip: CLIPText,
    t5: T5,
}
"""The network that each file of weights/maps is about."""
KINDS: Mapping[str, ModuleType] = {"vae": kl, "clip": clip, "t5": t5}
HERE, NOWHERE = (Place(torch.device(name), torch.float32) for name in ("cpu", "meta"))


@dataclass(frozen=True)
class Network:
    """Args:
    slot: its place in the family.
    stored: where it comes from.
    maps: the file of weights/maps about it.
    config: its settings.
    lazy: its tensors, by our names.
    """

    slot: Slot
    stored: Stored
    maps: Any
    config: Any
    lazy: Lazy

    @property
    def fields(self) -> dict[str, Any]:
        return asdict(self.config)

    def named(self, keys: KeyMap) -> Lazy:
        """Its tensors by another program's names."""
        return self.lazy.through(partial(theirs, keys))


def read_networks(source: Source, layout: Layout, needed: Collection[str]) -> list[Network]:
    """The networks that there are, the diffusion network first, which is always needed.

    Args:
        needed: the names of the slots that may not be empty.

    Raises:
        Refused: one is missing, damaged, or has tensors that belong nowhere.
    """
    first = layout.slots[0]
    slots = [replace(slot, needed=slot is first or slot.name in needed) for slot in layout.slots]
    parts, sketch = Parts(source, slots, HERE), Parts(source, slots, NOWHERE)
    return [_read(parts, sketch, layout, slot) for slot in slots if slot.name in parts.found]


def _read(parts: Parts, sketch: Parts, layout: Layout, slot: Slot) -> Network:
    """A network, with its numbers from the one and without them from the other."""
    maps: Any = KINDS.get(slot.kind, layout.maps)
    module, usual = MODULES[maps], layout.usual.get(slot.name)
    config, tensors = parts.read(slot.name, maps, module, usual)
    lazy = Lazy(tensors, sketch.read(slot.name, maps, module, usual)[1])
    filled(lambda: module(config), lazy.like, "", NOWHERE)  # refuses what does not fit, before anything is written
    return Network(slot, parts.found[slot.name], maps, config, lazy)


def left_out(source: Source, networks: Sequence[Network]) -> list[str]:
    """What is stored and goes nowhere, and why, for people."""
    said: list[str] = []
    for network in networks:
        keys = keymap(network.stored, network.maps, network.config)
        said += [reason for name in network.stored.shapes if (reason := keys.dropped(name))]
    if source.whole is not None and source.whole.config is None:
        claimed = tuple(n.stored.prefix for n in networks if n.stored.header is source.whole.header)
        others = [name for name in source.whole.shapes if "" in claimed or not name.startswith(claimed)]
        said += [reason for name in others if (reason := LEFT.dropped(name)) and reason != READ]
        said += ["as --ignore-keys says" for name in source.whole.shapes if ignored(source, name)]
    counted = Counter(said).most_common()
    return [f"{count} {'tensors' if count > 1 else 'tensor'}, {why}" for why, count in counted]


READ = LEFT.dropped("v_pred")
"""What is said of markers, which are written again."""
LAYER = "encoder.layers.{}."
"""What stands before a layer's names in CLIP's text encoder."""


def with_spare_layer(network: Network) -> Network:
    """A text encoder with one layer more, of zeros, which change nothing: single files of SD 2 have one that is never
    used, and what reads them leaves out the last."""
    depth = network.config.depth
    last, new = LAYER.format(depth - 1), LAYER.format(depth)
    zeros = {new + name.removeprefix(last): name for name in network.lazy.like if name.startswith(last)}
    config = replace(network.config, depth=depth + 1)
    return replace(network, config=config, lazy=network.lazy.through(partial(with_zeros, zeros)))


def without_spare_layer(network: Network) -> Network:
    """A text encoder without its last layer, as diffusers' folders of SD 2 have it."""
    config = replace(network.config, depth=network.config.depth - 1)
    last = LAYER.format(config.depth)
    return replace(
        network, config=config, lazy=network.lazy.through(partial(without, lambda name: name.startswith(last)))
    )


def projecting(network: Network) -> Network:
    """A text encoder that says what it projects its pooled vector with, though that changes nothing."""
    config = replace(network.config, projection=network.config.width)
    given = partial(with_identity, "text_projection.weight", "final_layer_norm.weight")
    return replace(network, config=config, lazy=network.lazy.through(given))
