"""Tell what a run would do before it runs: its levels, network calls, arithmetic, memory and time."""

import time
from dataclasses import asdict, field, make_dataclass
from typing import TYPE_CHECKING, Any

from unnoise.catalogue import Shelf, find, place
from unnoise.cli._make import named
from unnoise.cli._options import Machine, Output
from unnoise.cli._parse import parse
from unnoise.cli._request import WORDS, Source, given, merged
from unnoise.cli._shelf import as_told
from unnoise.cli._show import note, say, say_json
from unnoise.cli._sources import base
from unnoise.core.error import Refused
from unnoise.tasks import TASKS
from unnoise.tasks._plan import Plan, unlearnt

if TYPE_CHECKING:
    from unnoise.cli._cost import Cost
    from unnoise.cli._sketch import Sketch
    from unnoise.weights.place import Place

Asked: Any = make_dataclass(
    "Asked",
    [
        ("picture", WORDS),
        ("source", Source, field(default_factory=Source)),
        ("output", Output, field(default_factory=Output)),
        ("machine", Machine, field(default_factory=Machine)),
        ("measure", bool, False),
    ],
    frozen=True,
    kw_only=True,
)
Asked.__doc__ = """Tell what a run would do before it runs: its levels, network calls, arithmetic, memory and time.

unnoise plan generate "a red apple" --steps 20 --count 4

Takes a whole command line of 'unnoise generate'. Calls are counted by walking the sampler and the guidance along the
run's own levels, and memory by going through the run with tensors that have no numbers. Seconds follow from this
machine's rates with the model, which are measured when they are first needed (some seconds), kept, and measured again
after 30 days; of a heavy model from how fast the machine multiplies.

Args:
    measure: Measure this machine's rates again.
"""


def command(args: list[str]) -> int:
    if not args or args[0] in ("--help", "-h"):
        parse(Asked, ["--help"], "unnoise plan generate")
    if args[0] != "generate":
        known = [name for name in TASKS if name == "generate"]
        raise Refused(f"there is no plan for '{args[0][:60]}'", f"plan one of {', '.join(known)}", "task")
    asked = parse(Asked, args[1:], "unnoise plan generate")
    said = given(asked.picture)
    found = base(asked.source, said)
    if found.start is not None or found.draft is not None:
        raise Refused("a plan tells of whole runs", "leave --resume and --refine out", "resume")
    machine = as_told(asked.machine, found.reading)
    task, shelf = named(merged(said, found.fields), machine)
    about = shelf.describe(task.model)
    plan = task.plan(about)
    larger = [f"making it {plan.upscale} times as large is not counted"] if plan.upscale > 1 else []
    for text in (*found.notes, *unlearnt(plan.width, plan.height, about), *larger):
        note(text, asked.output.json, asked.output.quiet)
    facts = look(plan, task.model, shelf, machine, asked.measure)
    if asked.output.json:
        say_json(event="plan", **facts)
    else:
        say("\n".join(_lines(facts)))
    return 0


def look(plan: Plan, model: str, shelf: Shelf, machine: Machine, again: bool = False) -> dict[str, Any]:
    """What there is to say of a plan, as JSON values.

    Raises:
        Refused: it could not run.
    """
    from unnoise.cli._cost import cost, network_dtype
    from unnoise.cli._memory import memory
    from unnoise.cli._sketch import Sketch

    where, dtype = place(machine.device, machine.dtype, machine.memory), network_dtype(machine.dtype)
    device = where.device.type
    sketch = Sketch(shelf, str(where.dtype).removeprefix("torch."))
    found = cost(plan, model, sketch, device)
    about = shelf.describe(model)
    foretold = memory(plan, model, sketch, found, where)
    return {
        "model": about.name,
        "parameters": about.parameters,
        "device": device,
        "dtype": dtype,
        "sampler": plan.sampler,
        "spacing": plan.spacing or None,
        "guidance": plan.guidance,
        "width": plan.width,
        "height": plan.height,
        "pictures": len(plan.seeds),
        "steps": plan.steps if found.exact else None,
        "counted": "exactly" if found.exact else "about: the sampler chooses its steps",
        "calls": sum(found.all_calls.values()),
        "evaluations": found.evaluations,
        "flops": found.total_flops,
        **_times(plan, model, sketch, found, where, again),
        "peak_bytes": foretold.peak,
        "memory": asdict(foretold),
        "levels": [[float(v.t), float(v.alpha), float(v.sigma)] for v in found.trajectory.levels],
    }


_UNMEASURED = "by its speed at multiplying; --measure runs the model"
HEAVY = 2 * 10**11
"""Operations of a call, at the model's own size or a larger one, from which on it is not measured without being asked:
it would take minutes."""


def _times(plan: Plan, model: str, sketch: "Sketch", found: "Cost", where: "Place", again: bool) -> dict[str, Any]:
    """Seconds, from this machine's rates with the model, or from its speed at multiplying where the model is heavy."""
    from unnoise.cli._cost import decode_flops, sample_flops
    from unnoise.cli._rates import call_seconds, describe_machine, rates
    from unnoise.cli._speed import speed
    from unnoise.weights.int8 import NAME

    device, dtype = where.device.type, NAME if where.int8 else sketch.dtype
    codec, about, pictures = sketch.model(model).codec, sketch.describe(model), len(plan.seeds)
    cells = (codec.channels, plan.height // codec.scale, plan.width // codec.scale)
    file = find(str(sketch.shelf.models.get(model, model)))
    larger = about.width * about.height / (plan.width * plan.height)
    if not again and max(found.flops.values()) * max(larger, 1) > HEAVY:
        work = found.total_flops + pictures * decode_flops(sketch, model, cells)
        seconds = work / speed(device, sketch.dtype)
        return {"seconds": round(seconds, 3), "start_seconds": None, "machine": describe_machine(), "measured": None}
    known = rates(file, list(about.files.values()), device, dtype, again, sketch.shelf.reading)
    shapes = [(b, (codec.channels, h // codec.scale, w // codec.scale), s) for b, w, h, s in known.points]
    each = {shape: sample_flops(sketch, model, shape) for shape in {shape for _, shape, _ in shapes}}
    points = [(float(b * each[shape]), seconds) for b, shape, seconds in shapes]
    calls = sum(call_seconds(points, found.flops[call]) * times for call, times in found.all_calls.items())
    runs = sum(found.groups.values())
    seconds = runs * known.bind + calls + pictures * plan.width * plan.height * known.decode
    return {
        "seconds": round(seconds, 3),
        "start_seconds": round(known.start, 3),
        "machine": known.machine,
        "measured": time.strftime("%Y-%m-%d %H:%M", time.localtime(known.at)),
    }


def _lines(facts: dict[str, Any]) -> list[str]:
    count, each = facts["pictures"], facts["seconds"] / facts["pictures"]
    many = f", {each:.2f} s each" if count > 1 else ""
    pictures = f"{count} of {facts['width']}x{facts['height']}" if count > 1 else f"{facts['width']}x{facts['height']}"
    about = "" if facts["steps"] else " (about: the sampler chooses its steps)"
    where = f"{facts['dtype']} on {facts['device']}"
    rows = {
        "model": f"{facts['model']}, {facts['parameters'] / 1e6:.1f} M parameters, {where}",
        "pictures" if count > 1 else "picture": pictures,
        "sampler": " ".join(filter(None, (facts["sampler"], facts["spacing"]))),
        "guidance": facts["guidance"],
        "calls": f"{facts['calls']:,} of the network, {facts['evaluations']:,} samples{about}",
        "arithmetic": f"{facts['flops'] / 1e9:,.1f} GFLOP",
        "memory": f"{facts['peak_bytes'] / 2**20:,.0f} MiB at the most, {_held(facts['memory'])}",
        "time": f"{facts['seconds']:.2f} s{many}{_start(facts['start_seconds'])}",
        "measured": f"{facts['measured'] or _UNMEASURED}, {facts['machine']}",
    }
    width = max(map(len, rows))
    levels = [f"  {k:>4}  {t:.4f}  {a:.4f}  {s:.4f}" for k, (t, a, s) in enumerate(facts["levels"])]
    return [*(f"{name.ljust(width)}  {text}" for name, text in rows.items()), "levels  t, alpha, sigma", *levels]


def _held(memory: dict[str, int]) -> str:
    weights = (
        f"{memory['weights'] / 2**20:,.0f} MiB of it weights" if memory["weights"] else "weights stay in their file"
    )
    return f"{weights}; mapped files aside"


def _start(seconds: float | None) -> str:
    return "" if seconds is None else f", and {seconds:.1f} s to start"
