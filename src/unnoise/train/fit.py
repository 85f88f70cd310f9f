"""What surrounds the loop: checks before it; along it a log, snapshots, previews, held-out loss and the model."""

import hashlib
import time
from collections.abc import Callable, Collection, Generator, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path

from unnoise.core.alone import alone_in
from unnoise.core.error import Refused
from unnoise.train import snapshot
from unnoise.train.event import Event, Saved
from unnoise.train.preflight import preflight
from unnoise.train.run import Run
from unnoise.train.session import Session, check_facts
from unnoise.train.snapshot import Snapshot, every, sweep
from unnoise.train.stopping import never

CAPTIONS = 64
"""Pictures from all over a set whose captions tell it from others."""


def fit(
    run: Run,
    out: Path,
    *,
    resume: bool = False,
    facts: Mapping[str, str] = {},
    free: Collection[str] = (),
    stop: Callable[[], bool] = never,
) -> Generator[Event, None, None]:
    """Train a run to its end, from its beginning or from its newest snapshot.

    The folder gets first_batch.png, log.jsonl, snapshots/, previews/, averages/ and model.safetensors. Closing the
    generator, or `stop` saying so, saves the last finished step; whatever is raised half way through a step leaves the
    newest snapshot as it was.

    Args:
        run: what is trained, in place.
        out: its folder, made where it is missing.
        resume: go on from the newest snapshot.
        facts: what the run is of (a recipe's fields), kept with its snapshots: a later resume must agree with them.
            `steps` may be any that are not behind.
        free: names of facts that may be others then.
        stop: asked after each step.

    Raises:
        Refused: the folder holds a run already, or none to resume; the run is another one than the snapshot's, fails
            its preflight or diverges; the averages stored do not give the width; or the folder cannot be written.
    """
    run.subject.check()
    begun(out, resume)
    with _prepared(out):
        found = begun(out, resume)  # another process may have ended meanwhile
        if not resume:
            yield preflight(run, out)
        digests = _digests(run)
        facts = {**facts, "steps": str(run.steps), "pictures": str(len(run.pictures)), **digests}
        if found:
            check_facts(found, facts, {*free, *(digests.keys() - found.facts.keys())})  # a run of before them
            found = snapshot.retold(found, facts)
        with closing(Session(run, out, facts, found)) as session:
            try:
                yield from _steps(session, stop)
            except GeneratorExit:
                if not session.saved:
                    session.save()
                raise


def begun(out: Path, resume: bool) -> Snapshot | None:
    """What a run in this folder goes on from; None where it begins.

    Raises:
        Refused: the folder holds a run already, or none to resume.
    """
    known = every(out / "snapshots")
    if resume and not known:
        raise Refused(f"there is no snapshot in {out}", "leave out resume to start a run there", "resume")
    if known and not resume:
        done = known[-1].step
        raise Refused(f"{out} holds a run of {done} steps already", "resume it, or name another folder", "out")
    return known[-1] if known else None


def _digests(run: Run) -> dict[str, str]:
    """Of what its weights mean and of its pictures' captions: other ones would fit tensors of the same shapes."""
    some = sorted({k * len(run.pictures) // CAPTIONS for k in range(CAPTIONS)})
    captions = repr([run.pictures.captions[k] for k in some])
    told = {"meaning": run.subject.meaning(), "captions": captions}
    return {name: hashlib.sha256(text.encode()).hexdigest()[:16] for name, text in told.items()}


def _steps(session: Session, stop: Callable[[], bool]) -> Iterator[Event]:
    if found := session.found:  # a kill may have come between the snapshot and what follows from it
        yield Saved(found.step, found.path, session.derive())
        yield from session.missed()
    with closing(session.trainer.steps()) as reports:
        while not stop():
            began = time.perf_counter()
            if (report := next(reports, None)) is None:
                break
            session.took(report, time.perf_counter() - began)
            yield report
            yield from session.due()
    if not session.saved:
        yield session.save()


@contextmanager
def _prepared(out: Path) -> Generator[None]:
    """Make the folder and hold it against other runs, which would each write over what the other had done.

    Raises:
        Refused: it cannot be made, or another run is in it.
    """
    folders = (out, out / "snapshots", out / "previews", out / "averages")

    def busy() -> None:
        raise Refused(f"another process is training in {out}", "wait for it, or name another folder", "out") from None

    try:
        for folder in folders:
            folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Refused(f"cannot make {out}", error.strerror or str(error), "out") from None
    with alone_in(out, busy):
        for folder in folders:
            sweep(folder)
        yield
