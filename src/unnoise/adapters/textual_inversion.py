"""Learnt words (textual inversion, Gal et al. 2022): vectors that stand in a prompt for words no tokenizer knows.

A file holds one or more vectors, each as wide as a text encoder's: AUTOMATIC1111's .pt with `string_to_param` and its
safetensors with `emb_params`, diffusers' table of one token, and SDXL's `clip_l` and `clip_g`. A word is called by its
file's name, and by its own token where it has one; each of its vectors takes the place of one token.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol, cast, runtime_checkable

from torch import Tensor, isfinite

from unnoise.core.error import Refused
from unnoise.core.model import Model
from unnoise.weights.digest import sha256
from unnoise.weights.entry import Entry
from unnoise.weights.header import read_header
from unnoise.weights.keymap import some
from unnoise.weights.open import open_tensors, read_entry
from unnoise.weights.torchfile import read_pickle

MOST = 75
"""The most vectors: a prompt's window has no room for more."""
LONGEST = 200
ENCODERS = ("clip_l", "clip_g", "t5xxl", "t5")
_NAMELESS = ("emb_params", "*")


@dataclass(frozen=True)
class Embedding:
    """A learnt word.

    Args:
        words: what calls it in a prompt.
        vectors: (N, width) each, by the text encoder that they are for; by nothing where the file does not say.
        files: file name -> sha256.
    """

    words: tuple[str, ...]
    vectors: Mapping[str, Tensor] = field(repr=False)
    files: Mapping[str, str] = field(default_factory=dict[str, str])


@runtime_checkable
class Reads(Protocol):
    """A conditioner that learns words. It does not change: it gives one that knows them."""

    @property
    def widths(self) -> Sequence[int]:
        """How wide the vectors of each of its text encoders are, in their order."""
        ...

    def with_vectors(self, words: Sequence[str], vectors: Sequence[Tensor]) -> Any:
        """A conditioner that reads the vectors (N, width), one tensor an encoder, wherever a prompt has the word."""
        ...


def embedded(model: Model, embeddings: Sequence[Embedding]) -> Model:
    """The model with learnt words; the one given stays as it is.

    Raises:
        Refused: its conditioner learns none, or one is for other text encoders.
    """
    conditioner: Any = model.conditioner
    taken: set[str] = set()
    for each in embeddings:
        if not isinstance(conditioner, Reads):
            raise Refused(f"the model '{model.description.name}' learns no words", "leave them out", "embedding")
        if again := taken & {word.lower() for word in each.words}:
            raise Refused(f"two embeddings are called {', '.join(sorted(again))!r}", "rename one's file", "embedding")
        taken |= {word.lower() for word in each.words}
        conditioner = conditioner.with_vectors(each.words, _for_encoders(each, conditioner.widths))
    return replace(model, conditioner=conditioner)


def _for_encoders(embedding: Embedding, widths: Sequence[int]) -> list[Tensor]:
    """The vectors of each encoder, in their order: told by their width.

    Raises:
        Refused: an encoder has none, or none has these.
    """
    mine = {vectors.shape[1]: vectors for vectors in embedding.vectors.values()}
    if sorted(mine) != sorted(widths):
        has, wants = (", ".join(map(str, sorted(each))) for each in (mine, widths))
        what = f"the embedding '{embedding.words[0]}' has vectors of {has} numbers, and the model reads {wants}"
        raise Refused(what, "it is for another kind of model", "embedding")
    return [mine[width] for width in widths]


def read(path: Path, name: str = "") -> Embedding:
    """Read a learnt word.

    Args:
        name: what calls it; the file's stem by default.
    Raises:
        Refused: the file is damaged, or holds no embedding.
    """
    name, kind = name or path.stem, read_header(path).kind
    if kind == "gguf" or not _plain(name):
        raise Refused(f"{path} holds no embedding", "name a .pt, .bin or .safetensors of one", "embedding")
    own, tensors = _from_torch(path) if kind == "torch" else _from_table(path, dict(open_tensors(path)))
    vectors = {encoder: _checked(path, tensor) for encoder, tensor in tensors.items()}
    if len({len(each) for each in vectors.values()}) > 1:
        raise Refused(f"{path} has more vectors for one text encoder than for the other", "it is damaged", "embedding")
    words = dict.fromkeys(word for word in (name, own) if _plain(word))
    return Embedding(tuple(words), vectors, {path.name: sha256(path)})


def _from_torch(path: Path) -> tuple[str, dict[str, Tensor]]:
    """The word and the vectors of what torch.save wrote: AUTOMATIC1111's form, or a plain table."""
    value = read_pickle(path)
    held = cast(dict[Any, Any], value) if isinstance(value, dict) else {}
    if isinstance(inner := held.get("string_to_param"), dict):
        own, held = held.get("name"), cast(dict[Any, Any], inner)
    else:
        own = None
    tensors = {str(k): read_entry(v) for k, v in held.items() if isinstance(v, Entry)}
    word, vectors = _from_table(path, tensors)
    return (own if isinstance(own, str) else word), vectors


def _from_table(path: Path, tensors: Mapping[str, Tensor]) -> tuple[str, dict[str, Tensor]]:
    """The word and the vectors of a table: by encoder, or one under the word itself."""
    if tensors and tensors.keys() <= set(ENCODERS):
        return "", dict(tensors)
    if len(tensors) != 1:
        what = f"{path} holds {some(sorted(tensors)) or 'no tensors'}, which is no embedding"
        raise Refused(what, "name a file with one learnt word", "embedding")
    [(word, tensor)] = tensors.items()
    return ("" if word in _NAMELESS else word), {"": tensor}


def _checked(path: Path, tensor: Tensor) -> Tensor:
    """Vectors (N, width), float32, a copy."""
    tensor = tensor[None] if tensor.ndim == 1 else tensor
    if tensor.ndim != 2 or not tensor.is_floating_point() or not 1 <= len(tensor) <= MOST or not tensor.shape[1]:
        what = f"{path} holds {tuple(tensor.shape)} of {str(tensor.dtype).removeprefix('torch.')}"
        raise Refused(what, f"an embedding is 1 to {MOST} vectors", "embedding")
    found = tensor.float().clone()
    if not isfinite(found).all():
        raise Refused(f"{path} holds numbers that are not finite", "the file is damaged", "embedding")
    return found


def _plain(word: str) -> bool:
    """Whether a word can stand in a prompt."""
    return bool(word.strip()) and len(word) <= LONGEST and word.isprintable()
