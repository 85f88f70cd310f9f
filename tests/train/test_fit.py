"""What surrounds the loop: files, events, resuming, stopping, and refusals that leave nothing half."""

import json
import os
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from train import tiny
from train.test_snapshot import room
from unnoise.catalogue import library, load
from unnoise.core.denoiser import Denoiser
from unnoise.core.error import Refused
from unnoise.core.event import Result
from unnoise.core.prediction import Flow
from unnoise.data.pictures import load as load_pictures
from unnoise.data.source import open_source
from unnoise.media.image import read, save
from unnoise.tasks.generate import Generate
from unnoise.train.event import Event, Heldout, Logged, Preflight, Previewed, Saved
from unnoise.train.fit import fit
from unnoise.train.log import read as read_log
from unnoise.train.loop import Report
from unnoise.train.muon import Muon
from unnoise.train.run import Every, Run
from unnoise.train.sheets import preview
from unnoise.train.snapshot import every
from unnoise.train.stopping import signals
from unnoise.weights import store


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """The preflight has its own tests; here it runs only where asked for."""
    if "checked" not in request.fixturenames:
        monkeypatch.setattr("unnoise.train.fit.preflight", lambda _, out: Preflight(out, (), 0, 0, ()))


def run(**changes: object) -> Run:
    kept = Every(report=2, snapshot=3, preview=0, heldout=0)
    return tiny.run(**{"every": kept, **changes})


def losses(events: list[Event]) -> list[float]:
    return [float(event.losses[0].value) for event in events if isinstance(event, Report)]


def state(out: Path) -> dict[str, torch.Tensor]:
    return every(out / "snapshots")[-1].tensors()


def equal(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[k], other[k]) for k in one)


@pytest.fixture(scope="module")
def straight(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Event]]:
    """A whole run of six steps, with everything, its preflight too."""
    out = tmp_path_factory.mktemp("straight")
    made = run(every=Every(report=2, snapshot=3, preview=6, heldout=3))
    return out, list(fit(made, out, facts={"rate": "0.001"}))


def test_the_events_of_a_run_in_order(straight: tuple[Path, list[Event]]) -> None:
    found = [(type(event), getattr(event, "step", 0)) for event in straight[1]]
    third, sixth = [(Report, 3), (Logged, 3)], [(Report, 6), (Logged, 6)]
    assert found == [
        *((Preflight, 0), (Report, 1), (Report, 2), (Logged, 2)),
        *(third[0], (Saved, 3), (Heldout, 3), (Report, 4), (Logged, 4), (Report, 5)),
        *(*sixth, (Saved, 6), (Heldout, 6), (Previewed, 6)),
    ]


def test_the_files_of_a_run(straight: tuple[Path, list[Event]]) -> None:
    out, events = straight
    files = sorted(str(path.relative_to(out)) for path in out.rglob("*") if path.is_file())
    assert files == [
        *(f"averages/step-0000000{k}.{w}.safetensors" for k in (3, 6) for w in ("0.05", "0.1")),
        *("first_batch.png", "log.jsonl", "model.safetensors", "previews/step-000006.png"),
        *(f"snapshots/step-0000000{k}/{name}" for k in (3, 6) for name in ("manifest.json", "state.safetensors")),
    ]
    saved = [event for event in events if isinstance(event, Saved)]
    assert saved[-1].snapshot == out / "snapshots" / "step-00000006"
    assert saved[-1].model == out / "model.safetensors"


def test_the_log_says_what_the_reports_say(straight: tuple[Path, list[Event]]) -> None:
    out, events = straight
    lines = read_log(out / "log.jsonl")
    steps = [line for line in lines if "loss" in line]
    each = losses(events)
    assert [line["step"] for line in steps] == [2, 3, 4, 6]
    assert steps[0].keys() == {"step", "loss", "norm", "rate", "speed", "seconds", "left"}
    means = [sum(each[:2]) / 2, each[2], each[3], sum(each[4:]) / 2]
    assert [line["loss"] for line in steps] == pytest.approx(means)
    assert [line["rate"] for line in steps] == pytest.approx([1e-3, 1e-3, 1e-3, 1e-3 / 1.8])
    assert all(line["speed"] > 0 for line in steps)
    assert [line["seconds"] for line in steps] == sorted(line["seconds"] for line in steps)
    assert [line["left"] for line in steps] == pytest.approx([x["seconds"] * (6 / x["step"] - 1) for x in steps])
    assert [(line["step"], line["heldout"]) for line in lines if "heldout" in line] == [
        (event.step, event.loss) for event in events if isinstance(event, Heldout)
    ]


def test_the_exported_model_is_the_averaged_one_and_serves_what_was_previewed(
    straight: tuple[Path, list[Event]],
) -> None:
    out, _ = straight
    model = load(str(out / "model.safetensors"), "cpu")
    assert model.description.facts["steps"] == "6"
    average = {k[10:]: v for k, v in state(out).items() if k.startswith("average.0.network.")}
    found = model.denoiser.network.state_dict()
    assert all(torch.equal(found[k.removeprefix("network.")], v) for k, v in average.items())
    assert torch.equal(preview(model, ("red square",)), read(out / "previews" / "step-000006.png"))
    task = Generate(prompt="red square", model="run", seed=0)
    (result,) = (e for e in task.run(library(models={"run": model})) if isinstance(e, Result))
    assert result.pixels.shape == (3, 8, 8)


def test_bfloat16_halves_the_exported_model(tmp_path: Path) -> None:
    list(fit(run(steps=1, stored=torch.bfloat16), tmp_path))
    list(fit(run(steps=1), tmp_path / "other"))
    sizes = [(folder / "model.safetensors").stat().st_size for folder in (tmp_path, tmp_path / "other")]
    assert sizes[0] < 0.65 * sizes[1]
    assert load(str(tmp_path / "model.safetensors"), "cpu").denoiser.dtype == torch.float32


@pytest.mark.parametrize("closed", [1, 2, 4])
def test_closing_saves_the_last_step_and_resuming_equals_a_straight_run(
    straight: tuple[Path, list[Event]], tmp_path: Path, closed: int
) -> None:
    out, events = straight
    begun = fit(run(), tmp_path, facts={"rate": "0.001"})
    before: list[Event] = []
    for event in begun:
        before.append(event)
        if isinstance(event, Report) and event.step == closed:
            break
    begun.close()
    assert every(tmp_path / "snapshots")[-1].step == closed
    assert load(str(tmp_path / "model.safetensors"), "cpu").description.facts["steps"] == str(closed)
    after = list(fit(run(), tmp_path, resume=True, facts={"rate": "0.001"}))
    assert isinstance(after[0], Saved)
    assert after[0].step == closed
    assert losses(before) + losses(after) == losses(events)
    assert equal(state(tmp_path), state(out))
    steps = [line["step"] for line in read_log(tmp_path / "log.jsonl")]
    assert steps == sorted({2, 3, 4, 6, closed} - ({2} if closed > 2 else set()) | {2})


def test_the_time_left_is_told_at_the_pace_since_this_start(tmp_path: Path) -> None:
    begun = fit(run(), tmp_path)
    next(e for e in begun if isinstance(e, Saved))
    begun.close()
    log = tmp_path / "log.jsonl"
    lines = [line for line in read_log(log) if "seconds" in line]
    slow = [{**line, "seconds": 1000.0 * line["step"]} for line in lines]  # as another machine left it
    log.write_text("".join(json.dumps(line) + "\n" for line in slow))
    told = [e for e in fit(run(), tmp_path, resume=True) if isinstance(e, Logged)]
    assert all(e.seconds > 3000 for e in told)
    assert [e.left for e in told] == pytest.approx([0.0] * len(told), abs=100.0)
    assert told[-1].left == 0


def test_the_file_gets_the_average_of_a_width_that_is_chosen_afterwards(tmp_path: Path) -> None:
    long = run(steps=60, every=Every(report=0, snapshot=10, preview=0, heldout=0))
    list(fit(long, tmp_path))
    state = store.read_tensors(every(tmp_path / "snapshots")[-1].path / "state.safetensors")

    def off(width: float, average: int) -> float:
        """How far the file is from an average that the run keeps."""
        list(fit(replace(long, ema=width), tmp_path, resume=True))
        made = store.read_tensors(tmp_path / "model.safetensors")
        kept = {k[10:]: v for k, v in state.items() if k.startswith(f"average.{average}.network.")}
        return max(float((made[name] - value).abs().mean()) for name, value in kept.items())

    rounded, apart = max(off(0.05, 0), off(0.1, 1)), off(0.05, 1)
    assert 2 * rounded < apart
    assert all(rounded < off(0.07, which) < apart for which in (0, 1))
    with pytest.raises(Refused, match=r"width 0.28 at step 60 cannot be made"):
        list(fit(replace(long, ema=0.28), tmp_path, resume=True))


def test_another_vocabulary_or_codec_is_another_run(tmp_path: Path) -> None:
    list(fit(run(steps=2), tmp_path))
    other = run(steps=4)
    other.subject.model.conditioner.vocabulary += " "
    with pytest.raises(Refused, match="learnt other words"):
        list(fit(other, tmp_path, resume=True))


@pytest.mark.parametrize("steps", [0, -3])
def test_no_steps_are_no_training(steps: int) -> None:
    with pytest.raises(Refused, match=f"a training of {steps} steps: take at least 1"):
        run(steps=steps)


def test_closing_at_once_writes_no_snapshot(tmp_path: Path) -> None:
    begun = fit(run(), tmp_path)
    next(begun)
    begun.close()
    assert every(tmp_path / "snapshots") == []
    assert len(losses(list(fit(run(steps=1), tmp_path)))) == 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_saves_and_stops(tmp_path: Path, number: signal.Signals) -> None:
    with signals() as asked:
        events: list[Event] = []
        for event in fit(run(), tmp_path, stop=asked):
            events.append(event)
            if isinstance(event, Report) and event.step == 4:
                os.kill(os.getpid(), number)
    assert isinstance(events[-1], Saved)
    assert events[-1].step == every(tmp_path / "snapshots")[-1].step == 4
    assert len(losses(events)) == 4


def test_an_interrupt_in_a_step_leaves_the_newest_snapshot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = run()
    whole, seen = Muon.step, iter(range(100))

    def step(self: Muon) -> None:
        if next(seen) == 4:
            raise KeyboardInterrupt
        whole(self)

    monkeypatch.setattr(Muon, "step", step)
    with pytest.raises(KeyboardInterrupt):
        list(fit(made, tmp_path))
    assert every(tmp_path / "snapshots")[-1].step == 3


def test_steps_may_grow(straight: tuple[Path, list[Event]], tmp_path: Path) -> None:
    list(fit(run(steps=2), tmp_path))
    assert len(losses(list(fit(run(steps=5), tmp_path, resume=True)))) == 3
    assert every(tmp_path / "snapshots")[-1].step == 5
    with pytest.raises(Refused, match=r"steps 5, this one 4: it has taken 5; give no fewer"):
        list(fit(run(steps=4), tmp_path, resume=True))


def test_a_run_may_end_sooner_than_it_was_to(tmp_path: Path) -> None:
    begun = fit(run(steps=9), tmp_path)
    for event in begun:
        if isinstance(event, Report) and event.step == 3:
            begun.close()
    with pytest.raises(Refused, match=r"steps 9, this one 2: it has taken 3; give no fewer"):
        list(fit(run(steps=2), tmp_path, resume=True))
    assert len(losses(list(fit(run(steps=4), tmp_path, resume=True)))) == 1
    assert every(tmp_path / "snapshots")[-1].step == 4


def test_a_finished_run_resumed_has_nothing_to_do(tmp_path: Path) -> None:
    list(fit(run(steps=1), tmp_path))
    (tmp_path / "model.safetensors").unlink()  # as if it had been killed before writing it
    (event,) = fit(run(steps=1), tmp_path, resume=True)
    assert isinstance(event, Saved)
    assert event.model.is_file()


def test_another_runs_snapshot_is_refused_by_the_field_that_differs(tmp_path: Path) -> None:
    list(fit(run(steps=1), tmp_path, facts={"rate": "0.1", "width": "3"}))
    before = sorted((p, p.stat().st_mtime_ns) for p in tmp_path.rglob("*"))

    def refusal(**changes: object) -> Refused:
        facts = {"rate": "0.1", "width": "3"} | {k: str(v) for k, v in changes.items() if k != "pictures"}
        more = {"pictures": changes["pictures"]} if "pictures" in changes else {}
        with pytest.raises(Refused) as refused:
            list(fit(run(steps=2, **more), tmp_path, resume=True, facts=facts))
        return refused.value

    assert "has rate 0.1, this one 0.2: go on with 0.1" in str(refusal(rate=0.2))
    assert refusal(rate=0.2).field == "rate"
    assert "has depth nothing, this one 2" in str(refusal(depth=2))
    assert "has pictures 10, this one 9" in str(refusal(pictures=tiny.pictures(9)))
    assert sorted((p, p.stat().st_mtime_ns) for p in tmp_path.rglob("*")) == before


def test_a_folder_with_a_run_or_without_one_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="no snapshot in"):
        list(fit(run(), tmp_path, resume=True))
    list(fit(run(steps=1), tmp_path))
    with pytest.raises(Refused, match="holds a run of 1 steps already"):
        list(fit(run(), tmp_path))
    (tmp_path / "file").write_text("")
    with pytest.raises(Refused, match="cannot make"):
        list(fit(run(), tmp_path / "file"))


def test_two_runs_are_not_in_one_folder(tmp_path: Path) -> None:
    first = fit(run(), tmp_path)
    next(first)
    before = sorted(p.name for p in tmp_path.rglob("*"))
    with pytest.raises(Refused, match="another process is training in"):
        list(fit(run(), tmp_path))
    assert sorted(p.name for p in tmp_path.rglob("*")) == before
    list(first)
    with pytest.raises(Refused, match="holds a run of 6 steps"):
        list(fit(run(), tmp_path))


def test_what_a_kill_kept_from_being_done_is_done_on_resume(straight: tuple[Path, list[Event]], tmp_path: Path) -> None:
    made = run(every=Every(report=2, snapshot=3, preview=6, heldout=3))
    events = fit(made, tmp_path)
    for event in events:
        if isinstance(event, Saved) and event.step == 6:  # as if it were killed before what takes long
            break
    (tmp_path / "previews" / "step-000006.png").unlink(missing_ok=True)
    events.close()
    again = list(fit(made, tmp_path, resume=True))
    assert [type(event) for event in again] == [Saved, Heldout, Previewed]
    assert again[1] == next(e for e in straight[1] if isinstance(e, Heldout) and e.step == 6)
    assert [type(event) for event in fit(made, tmp_path, resume=True)] == [Saved]


def test_more_steps_last_though_the_run_is_killed_at_once(tmp_path: Path) -> None:
    list(fit(run(steps=2), tmp_path))
    events = fit(run(steps=5), tmp_path, resume=True)
    next(events)
    assert every(tmp_path / "snapshots")[-1].facts["steps"] == "5"
    events.close()


def test_weights_of_another_meaning_are_refused(tmp_path: Path) -> None:
    list(fit(run(steps=1), tmp_path))
    made = run(steps=2)
    old = made.subject.model
    other = replace(old, denoiser=Denoiser(old.denoiser.network, Flow(), old.denoiser.clock))
    subject = replace(made.subject, model=other, objective=made.subject.objective.of(other))
    with pytest.raises(Refused, match="says something else"):
        list(fit(replace(made, subject=subject), tmp_path, resume=True))
    pictures = replace(made.pictures, captions=(("a green whale",),) * len(made.pictures))
    with pytest.raises(Refused, match="learns from other pictures"):
        list(fit(replace(made, pictures=pictures), tmp_path, resume=True))


def test_a_prompt_the_model_cannot_honour_is_refused_before_the_first_step(tmp_path: Path) -> None:
    made = run(previews=("no such class",))
    model = made.subject.model
    other = replace(model, description=replace(model.description, prompts="classes", classes=("red square",)))
    with pytest.raises(Refused, match="knows no class"):
        list(fit(replace(made, subject=replace(made.subject, model=other)), tmp_path / "new"))
    assert not (tmp_path / "new").exists()


def test_a_diverged_run_says_so_and_keeps_its_snapshots(tmp_path: Path) -> None:
    made = run(every=Every(report=1, snapshot=2, preview=0, heldout=0))

    def poisoned() -> Iterator[Event]:
        for event in fit(made, tmp_path):
            if isinstance(event, Report) and event.step == 3:
                next(made.subject.model.denoiser.parameters()).data.fill_(float("nan"))
            yield event

    with pytest.raises(Refused, match="diverged: at step 4 the loss is nan"):
        list(poisoned())
    assert [found.step for found in every(tmp_path / "snapshots")] == [2]
    assert json.loads((tmp_path / "log.jsonl").read_text().splitlines()[-1])["step"] == 3


def test_a_full_disk_is_refused_and_the_run_goes_on_from_before(
    straight: tuple[Path, list[Event]], tmp_path: Path
) -> None:
    begun = fit(run(), tmp_path)
    with pytest.raises(Refused, match="cannot write"):
        for event in begun:
            if isinstance(event, Saved):
                break
        with room(20_000):
            list(begun)
    assert every(tmp_path / "snapshots")[-1].step == 3
    assert list(tmp_path.rglob(".*.tmp")) == []
    list(fit(run(), tmp_path, resume=True))
    assert equal(state(tmp_path), state(straight[0]))


@pytest.fixture
def checked() -> None:
    """Asks for the preflight."""


@pytest.mark.usefixtures("checked")
def test_a_broken_picture_is_named_and_counted(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    for k in range(5):
        save(data / f"p{k}.png", tiny.pictures().images[k])
        (data / f"p{k}.txt").write_text("red square")
    (data / "p3.png").write_bytes((data / "p3.png").read_bytes()[:60])
    first = next(fit(run(pictures=load_pictures(open_source(data), 8)), tmp_path / "out"))
    assert isinstance(first, Preflight)
    assert first.pictures == 4
    assert len(first.broken) == 1
    assert "p3.png" in first.broken[0]
