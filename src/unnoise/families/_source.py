"""What a model is read from: one file of everything, a folder with one network each, and what is given beside.

A network is asked for by a `Slot`, which says where each layout has it; what is found is `Stored`, a file's header and
what stands before the network's names in it. Nothing here imports torch or reads a tensor.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from unnoise.weights.header import Header, read_header
from unnoise.weights.sharded import weights_in
from unnoise.weights.table import read_table

if TYPE_CHECKING:
    from unnoise.families._stated import Own

ROLES = ("network", "vae", "text", "tokenizer")
"""The parts that may be given beside a model."""
Kind = Literal["network", "vae", "clip", "t5"]


@dataclass(frozen=True, kw_only=True)
class Reading:
    """How a model is read, where its files do not say.

    Args:
        parts: files or folders to take a part from, by role.
        family: its family's name; recognised where empty.
        ignored: patterns of tensors' names that may be left over, `*` for anything.
        prediction: what its network predicts.
    """

    parts: Mapping[str, Sequence[Path]] = field(default_factory=dict[str, Sequence[Path]])
    family: str = ""
    ignored: tuple[str, ...] = ()
    prediction: str = ""

    def values(self) -> dict[str, Any]:
        """The same in the words of `_reading.reading`, as JSON values."""
        parts = {role: [str(path.resolve()) for path in paths] for role, paths in self.parts.items()}
        family = f"{self.family}:prediction={self.prediction}" if self.prediction else self.family
        return {"parts": parts, "family": family, "ignore_keys": list(self.ignored)}


@dataclass(frozen=True)
class Stored:
    """One network's tensors, as a file has them.

    Args:
        header: of the file.
        prefix: what stands before the network's names there.
        config: its config.json, in the words of diffusers or transformers; None where names are the original's or
            ours.
        own: where names are ours, its settings, in our words, too.
        trimmed: where names are ours, whether its last layer was left out, as diffusers leaves it out of SD 2's.
    """

    header: Header
    prefix: str = ""
    config: Mapping[str, Any] | None = None
    own: Mapping[str, Any] | None = None
    trimmed: bool = False

    @cached_property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Every tensor's shape, by its name without the prefix."""
        cut = len(self.prefix)
        return {n[cut:]: e.shape for n, e in self.header.tensors.items() if n.startswith(self.prefix)}

    @property
    def full(self) -> bool:
        """Whether a text encoder has every layer that single files have."""
        return self.config is None and not self.trimmed

    @cached_property
    def kind(self) -> str:
        """The class that its config names; empty where it has none."""
        config = self.config or {}
        named = config.get("_class_name") or next(iter(config.get("architectures") or ()), "")
        return named if isinstance(named, str) else ""


@dataclass(frozen=True, kw_only=True)
class Slot:
    """A place in a family for one network.

    Args:
        name: what the part is called.
        kind: what it is.
        folder: its folder in diffusers' layout.
        classes: what its config.json may call it.
        prefixes: what stands before its names in single files; the first that any name has is taken.
        width: of its vectors, by which text encoders are told apart.
        needed: whether the model runs without it.
    """

    name: str
    kind: Kind
    folder: str
    classes: tuple[str, ...]
    prefixes: tuple[str, ...]
    width: int = 0
    needed: bool = True

    @property
    def role(self) -> str:
        """The role under which it may be given."""
        return "text" if self.kind in ("clip", "t5") else self.kind


@dataclass(frozen=True, kw_only=True)
class Source:
    """Args:
    path: what was named.
    whole: the file that was named; None where that is a folder.
    folders: what each folder of a diffusers layout holds; the one of a folder that is no pipeline's is named "".
    index: what model_index.json says.
    scheduler: what scheduler_config.json says; None where there is none.
    tokenizers: folders and files of tokenizers, by the folders' names.
    given: what is given beside, by role.
    reading: how it is read.
    own: what the file says of itself, where a published model is in our own format.
    """

    path: Path
    whole: Stored | None = None
    folders: Mapping[str, Stored] = field(default_factory=dict[str, Stored])
    index: Mapping[str, Any] = field(default_factory=dict[str, Any])
    scheduler: Mapping[str, Any] | None = None
    tokenizers: Mapping[str, Path] = field(default_factory=dict[str, Path])
    given: "Mapping[str, Sequence[Source]]" = field(default_factory=dict[str, "Sequence[Source]"])
    reading: Reading = field(default_factory=Reading)
    own: "Own | None" = None

    @property
    def name(self) -> str:
        """What people call it: the file's name without its ending, or the folder's."""
        return self.path.name if self.whole is None else self.path.name.split(".safetensors")[0].removesuffix(".gguf")

    @property
    def metadata(self) -> Mapping[str, str]:
        """Texts that the file holds beside its tensors."""
        return self.whole.header.metadata if self.whole else {}

    @property
    def notes(self) -> dict[str, str]:
        """The same, where they are for people and other programs."""
        if self.whole is None or self.whole.header.kind != "safetensors":
            return {}
        return {k: v for k, v in self.metadata.items() if not self.own or not k.startswith(("unnoise", "vocabulary"))}

    def find(self, slot: Slot) -> Stored | None:
        """What is stored here for a slot, given parts aside."""
        if self.own is not None:
            return self.own.parts.get(slot.name)
        if self.whole is None:
            found = self.folders.get(slot.folder) or self.folders.get("")
            return found if found is not None and found.kind in slot.classes else None
        if self.whole.config is not None:
            return self.whole if self.whole.kind in slot.classes else None
        names = self.whole.header.tensors
        for prefix in slot.prefixes:
            if prefix and any(name.startswith(prefix) for name in names):
                return Stored(self.whole.header, prefix)
        return self.whole if "" in slot.prefixes and suits(slot.kind, self.whole.shapes) else None


MARKS: Mapping[Kind, tuple[str, ...]] = {
    "network": (
        "input_blocks.0.0.weight",
        "joint_blocks.0.x_block.attn.qkv.weight",
        "double_blocks.0.img_attn.qkv.weight",
    ),
    "vae": ("decoder.conv_in.weight",),
    "clip": (
        "token_embedding.weight",
        "text_model.embeddings.token_embedding.weight",
        "embeddings.token_embedding.weight",
    ),
    "t5": ("encoder.block.0.layer.0.SelfAttention.q.weight", "enc.blk.0.attn_q.weight"),
}
"""Tensors by which a network is told where no prefix says which it is."""


def suits(kind: Kind, shapes: Mapping[str, tuple[int, ...]]) -> bool:
    """Whether tensors without a prefix can be a network of this kind."""
    return any(name in shapes for name in MARKS[kind])


def text_width(shapes: Mapping[str, tuple[int, ...]]) -> int:
    """How wide a text encoder's vectors are; 0 where that cannot be told."""
    for name in (*MARKS["clip"], "shared.weight", "encoder.embed_tokens.weight", "token_embd.weight"):
        if len(found := shapes.get(name, ())) == 2:
            return found[1]
    return 0


STEMS = ("diffusion_pytorch_model", "model", "pytorch_model")


def stored(path: Path) -> Stored:
    """What a file of weights holds, or a folder with a config.json and weights.

    Raises:
        Refused: the file, or what the folder holds, cannot be read.
    """
    if path.is_dir():
        return Stored(read_header(weights_in(path)), "", read_table(path / "config.json"))
    beside = path.parent / "config.json"
    named = path.name.split(".")[0] in STEMS and beside.is_file()
    return Stored(read_header(path), "", read_table(beside) if named else None)
