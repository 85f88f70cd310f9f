"""A training's events written for TensorBoard as they pass (the extra `track`)."""

from collections.abc import Generator
from contextlib import closing
from pathlib import Path
from typing import Any

from unnoise.core.error import Refused
from unnoise.media.image import read
from unnoise.train.event import Event, Heldout, Logged, Preflight, Previewed


def tracked(events: Generator[Event, None, None], folder: Path) -> Generator[Event, None, None]:
    """The same events; closing this closes them.

    Args:
        events: as `fit` yields them.
        folder: where TensorBoard looks for them.

    Raises:
        Refused: TensorBoard is not installed.
    """
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        remedy = "pip install 'unnoise[track]', or leave tracking out"
        raise Refused("TensorBoard is not installed", remedy, "track") from None
    return _passing(events, SummaryWriter(str(folder)))


def _passing(events: Generator[Event, None, None], writer: Any) -> Generator[Event, None, None]:
    with closing(writer), closing(events):
        for event in events:
            _write(event, writer)
            yield event


def _write(event: Event, writer: Any) -> None:
    match event:
        case Logged(step=step):
            for name in ("loss", "norm", "rate", "speed"):
                writer.add_scalar(f"train/{name}", getattr(event, name), step)
        case Heldout(step=step, loss=loss):
            writer.add_scalar("heldout/loss", loss, step)
        case Preflight(sheet=path):
            writer.add_image("first batch", read(path), 0)
        case Previewed(step=step, path=path):
            writer.add_image("previews", read(path), step)
        case _:
            pass
