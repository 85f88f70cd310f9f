"""Pictures encoded once: what a latent model trains on, instead of encoding each picture whenever its turn comes.

A file of latents is made in parts, so that a run that is stopped half way goes on where it was, and is read through the
page cache: it may be larger than memory. It is good for one codec and one set of pictures, which its name stands for.
Of two runs that want the same one makes it and the other waits.
"""

import logging
from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from pathlib import Path

import torch
from torch import Tensor

from unnoise.core.alone import alone
from unnoise.core.error import Refused
from unnoise.core.model import Codec
from unnoise.data.pictures import Gallery, Gathered
from unnoise.weights.digest import of_tensors

LOG = logging.getLogger(__name__)
TOGETHER = 64


@dataclass(frozen=True)
class Latents:
    """A set as samples of its codec.

    Args:
        samples: float16 (N, C, h, w); a batch of it is a batch of samples, not of pictures.
        captions, tags: of each.
        broken: "NAME: why" for every picture that was left out of the set they were made of.
    """

    samples: Tensor
    captions: Sequence[tuple[str, ...]]
    tags: Sequence[Mapping[str, str]]
    broken: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.samples)

    def to(self, device: torch.device | str) -> "Latents":
        """The same held on another device."""
        return replace(self, samples=self.samples.to(device))

    def gather(self, wanted: Iterable[list[int]]) -> Gathered:
        for indices in wanted:
            yield indices, self.samples[torch.tensor(indices, device=self.samples.device)].float()


def latents(
    pictures: Gallery,
    codec: Codec,
    device: torch.device,
    file: Path,
) -> Latents:
    """A set's latents, from their file as far as it holds them, the rest encoded and added to it.

    How far that is, is logged after every batch, as a number and how many there will be.

    Args:
        codec: on the device.
        file: where they are kept, beside it a `.part` while it is incomplete; whoever finds another process at that
            waits for it.

    Raises:
        Refused: the file cannot be written, or holds something else.
    """
    shape = _shape(pictures, codec, device)
    size = 2 * len(pictures) * shape.numel()
    part = file.with_name(file.name + ".part")
    try:
        if not file.exists():
            file.parent.mkdir(parents=True, exist_ok=True)
            with _alone(part):
                if file.exists():  # another process finished it
                    part.unlink(missing_ok=True)
                else:
                    _complete(pictures, codec, device, part)
                    part.replace(file)
        if file.stat().st_size != size:
            raise Refused(f"'{file}' holds other latents", "remove it", "latents")
        numbers = torch.from_file(str(file), size=size // 2, dtype=torch.float16)
    except OSError as error:
        raise Refused(f"cannot keep latents in '{file}'", error.strerror or str(error), "latents") from None
    return Latents(numbers.view(len(pictures), *shape), pictures.captions, pictures.tags)


def name_of(codec: torch.nn.Module, pictures: Gallery, told: str) -> str:
    """A file's name for a codec's weights and a set: what is told of it, and some of its pictures from all over."""
    some = sorted({k * len(pictures) // TOGETHER for k in range(TOGETHER)})
    _, images = next(iter(islice(pictures.gather([some]), 1)))
    return f"{of_tensors({**codec.state_dict(), 'pictures': images}, f'{len(pictures)} {told}')[:24]}.f16"


@contextmanager
def _alone(part: Path) -> Generator[None]:
    """Hold a file in the making against other processes.

    Who has waited holds what may have become the finished file, and so has to look for that first.
    """
    busy = partial(LOG.info, "waiting for another process, which encodes the same pictures")
    with part.open("ab") as held, alone(held.fileno(), busy):
        yield


def _complete(pictures: Gallery, codec: Codec, device: torch.device, part: Path) -> None:
    """Add to a file what it lacks; a batch is written whole or is written again."""
    bytes_each = 2 * _shape(pictures, codec, device).numel()
    done = part.stat().st_size // bytes_each // TOGETHER * TOGETHER if part.exists() else 0
    with part.open("r+b" if part.exists() else "wb") as out:
        out.truncate(done * bytes_each)
        out.seek(done * bytes_each)
        batches = (list(range(k, min(k + TOGETHER, len(pictures)))) for k in range(done, len(pictures), TOGETHER))
        for indices, images in pictures.gather(batches):
            out.write(_encoded(images, codec, device).numpy().tobytes())
            done += len(indices)
            LOG.info("encoding pictures: %d of %d", done, len(pictures))


def _shape(pictures: Gallery, codec: Codec, device: torch.device) -> torch.Size:
    _, first = next(iter(islice(pictures.gather([[0]]), 1)))
    return _encoded(first, codec, device).shape[1:]


@torch.no_grad()
def _encoded(images: Tensor, codec: Codec, device: torch.device) -> Tensor:
    return codec.encode(images.to(device).float() / 127.5 - 1).half().cpu()
