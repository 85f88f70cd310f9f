"""A ControlNet's file, read: what it is, which model it is for, and its network. Importing this loads no torch.

Published are single files with `control_model.` before their names, or nothing (the original's names); diffusers'
folders; and diffusers' files alone, whose settings their shapes tell.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from unnoise.core.error import Refused
from unnoise.weights.digest import sha256
from unnoise.weights.entry import Header
from unnoise.weights.header import read_header
from unnoise.weights.maps import controlnet as maps
from unnoise.weights.sharded import weights_in
from unnoise.weights.table import read_table

if TYPE_CHECKING:
    from unnoise.networks.controlnet import ControlNet, ControlNetConfig
    from unnoise.networks.ldm_unet import LDMUNetConfig
    from unnoise.weights.keymap import KeyMap, Translated
    from unnoise.weights.place import Place

PREFIX = "control_model."
ORIGINAL, DIFFUSERS = "input_hint_block.0.weight", "controlnet_cond_embedding.conv_in.weight"
"""The picture's first convolution, by which each layout is told."""
BESIDE = ("model.", "model_ema.", "first_stage_model.", "cond_stage_model.", "conditioner.")
"""What stands beside the ControlNet where a file holds the model it was trained on as well."""
CLASS = "ControlNetModel"

OTHERS: Mapping[str, tuple[str, str]] = {
    "lora_controlnet": ("a control-LoRA", "use the full ControlNet"),
    "lllite_": ("a ControlNet-LLLite", "use a full ControlNet"),
    "task_embedding": ("a ControlNet-Union", "use a ControlNet of one kind"),
    "control_type_proj.": ("a ControlNet-Union", "use a ControlNet of one kind"),
    "difference": ("the difference of a ControlNet to a model", "use the full ControlNet"),
    "body.": ("a T2I-Adapter", "use a ControlNet"),
    "adapter.body.": ("a T2I-Adapter", "use a ControlNet"),
    "ip_adapter.": ("an IP-Adapter", "use a ControlNet"),
    "controlnet_x_embedder.": ("a ControlNet for FLUX.1", "use one for Stable Diffusion 1, 2 or XL"),
    "controlnet_blocks.": (
        "a ControlNet for a transformer (SD 3 or FLUX.1)",
        "use one for Stable Diffusion 1, 2 or XL",
    ),
    "double_blocks.": ("a ControlNet for FLUX.1", "use one for Stable Diffusion 1, 2 or XL"),
}
"""How names begin in what guides by pictures and is not built here: what it is, and what would do."""
LORA = (".lora_down.weight", ".lora_up.weight", ".lora_A.weight", ".lora_B.weight")
_MEANT = {
    (768, 0): "Stable Diffusion 1",
    (1024, 0): "Stable Diffusion 2",
    (2048, 2816): "Stable Diffusion XL",
    (1280, 2560): "the Stable Diffusion XL refiner",
}
"""By the width of the text's vectors, and of the one that tells of text and sizes as a whole."""

Layout = Literal["original", "diffusers"]


def other(header: Header) -> tuple[str, str] | None:
    """What a file that guides by pictures is, and what would do, where it is of a kind that is not built here."""
    names = {name.removeprefix(PREFIX) for name in header.tensors}
    for start, said in OTHERS.items():
        if any(name.startswith(start) for name in names):
            return said
    return None


def layout_of(header: Header) -> tuple[Layout, str] | None:
    """The layout of a ControlNet's file, and what stands before its names; None where it is none."""
    names = header.tensors
    for prefix in (PREFIX, ""):
        if prefix + ORIGINAL in names:
            return "original", prefix
    return ("diffusers", "") if DIFFUSERS in names else None


@dataclass
class ControlFile:
    """A ControlNet that is read when it is known what it is put onto.

    Args:
        name: what requests call it.
        header: of its file.
        config: its config.json; None where it has none.
        files: file name -> sha256.
        memory: what a model may take, in bytes; 0 for what there is.
    """

    name: str
    header: Header
    config: Mapping[str, Any] | None = None
    files: Mapping[str, str] = field(default_factory=dict[str, str])
    memory: int = 0
    _built: "dict[Any, ControlNet]" = field(default_factory=dict[Any, "ControlNet"], init=False, repr=False)

    def network(self, unet: "LDMUNetConfig", place: "Place") -> "ControlNet":
        """The network, for a U-Net and where that runs; read once.

        Raises:
            Refused: it is for another U-Net, damaged, or has settings that are not built here.
        """
        try:
            config = self._settings(unet)
            if (config, place) not in self._built:
                self._built = {(config, place): self._filled(config, place)}
            return self._built[config, place]
        except Refused as refused:
            raise Refused(f"the ControlNet '{self.name[:60]}': {refused.what}", refused.remedy, "control") from None

    def takes(self, place: "Place") -> int | None:
        """How many bytes of memory its weights take; None where they stay in their file, each used in its turn."""
        found = place.moved(e for n, e in self.header.tensors.items() if n.startswith(self._layout[1]))
        return None if found > (0 if place.memory else place.room()) else found

    def _filled(self, config: "ControlNetConfig", place: "Place") -> "ControlNet":
        from unnoise.networks.controlnet import ControlNet
        from unnoise.weights.place import filled

        kept = self.takes(place) is None and place.device.type != "meta"
        return filled(lambda: ControlNet(config), self._tensors(config), "", place, kept)

    def _settings(self, unet: "LDMUNetConfig") -> "ControlNetConfig":
        """Its settings, which are the U-Net's own where no shape tells them."""
        from unnoise.networks.controlnet import ControlNetConfig

        if self.config is None:
            same: dict[str, Any] = {"heads": unet.heads, "groups": unet.groups}
            config = ControlNetConfig(**(self._told() | same))
        else:
            config = ControlNetConfig(**maps.from_diffusers(self.config))
        for name in ("context", "pooled", "channels", "widths", "blocks"):
            if getattr(config, name) != getattr(unet, name):
                own = _MEANT.get((config.context, config.pooled), "another U-Net")
                what = f"it is for {own}, with {name} {getattr(config, name)}"
                raise Refused(what, f"this model has {getattr(unet, name)}; use one that was made for it", "control")
        return config

    def meant_for(self) -> str:
        """The kind of model it was made for, for people."""
        told = self._told()
        return _MEANT.get((told["context"], told["pooled"]), "unknown")

    @property
    def _layout(self) -> tuple[Layout, str]:
        return layout_of(self.header) or ("diffusers", "")

    def _told(self) -> dict[str, Any]:
        """The settings that its shapes tell."""
        layout, prefix = self._layout
        shapes = {n.removeprefix(prefix): s for n, s in self.header.shapes.items() if n.startswith(prefix)}
        if layout == "diffusers" and len(shapes.get(DIFFUSERS, ())) != 4:
            raise Refused(f"{self.header.path} holds no ControlNet", "the file may be damaged", "control")
        return (maps.from_original if layout == "original" else maps.from_shapes)(shapes)

    def _tensors(self, config: "ControlNetConfig") -> "Translated":
        from unnoise.weights.open import open_tensors

        layout, prefix = self._layout
        keys: KeyMap = (maps.original if layout == "original" else maps.diffusers)(config)
        try:
            return keys.inside(prefix).ours(open_tensors(self.header.path), _beside if prefix else lambda _: False)
        except Refused as refused:
            raise Refused(refused.what, "the file is damaged, or of a kind that is not built here", "control") from None


def _beside(name: str) -> bool:
    """Whether a tensor is of the model beside the ControlNet: one of its networks', or its noise schedule's."""
    return name.startswith(BESIDE) or "." not in name


def read(path: Path, name: str = "", memory: int = 0) -> ControlFile:
    """Read what a ControlNet's file or diffusers folder is; its tensors are read later.

    Args:
        name: what requests call it; the file's stem by default.
        memory: what a model may take, in bytes; 0 for what there is.
    Raises:
        Refused: it is damaged, no ControlNet, or of a kind that is not built here.
    """
    header, config = _read(path)
    if said := other(header):
        raise Refused(f"{path} is {said[0]}, which is not built here", said[1], "control")
    named = (config or {}).get("_class_name", CLASS)
    if named != CLASS:
        raise Refused(f"{path} is of the class {str(named)[:60]!r}", f"known is {CLASS}", "control")
    if layout_of(header) is None:
        lora = any(each.endswith(LORA) for each in header.tensors)
        remedy = "give a LoRA with --lora" if lora else "name a ControlNet's file, or its diffusers folder"
        raise Refused(f"{path} holds no ControlNet", remedy, "control")
    digests = {f"{path.name}/{f.name}" if path.is_dir() else f.name: sha256(f) for f in header.files}
    return ControlFile(name or path.stem, header, config, digests, memory)


def _read(path: Path) -> tuple[Header, Mapping[str, Any] | None]:
    """The header, and the config.json of a folder or beside a file that is called as in one."""
    if path.is_dir():
        return read_header(weights_in(path)), read_table(path / "config.json")
    beside = path.parent / "config.json"
    named = path.name.startswith("diffusion_pytorch_model.") and beside.is_file()
    return read_header(path), read_table(beside) if named else None
