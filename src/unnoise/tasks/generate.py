"""Make pictures from words."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from unnoise.core.description import Description
from unnoise.core.event import Event
from unnoise.tasks import _plan as check
from unnoise.tasks._adapt import check_adapters, check_embeddings
from unnoise.tasks._control import check_controls
from unnoise.tasks._guidance import check_guidance
from unnoise.tasks._plan import Plan
from unnoise.tasks._start import check_start

if TYPE_CHECKING:
    from unnoise.core.model import Library


@dataclass(frozen=True, kw_only=True)
class Generate:
    """Make pictures from words.

    Args:
        prompt: What to draw.
        model: A model's name or file.
        negative: What to stay away from.
        steps: How many steps to take; more is finer and slower. The model's own number by default.
        guidance: How closely to follow the prompt: a number (1 is not at all strengthened), or NAME:option=value,...
        sampler: The sampling method, NAME:option=value,...
        spacing: How steps are laid along the noise, NAME:option=value,...
        width: In pixels; the model's own by default.
        height: In pixels; the model's own by default.
        seed: The first picture's seed; the next ones count up from it. Random by default.
        count: How many pictures.
        upscale: Make each this many times as large in the end: 2, 3, 4, 8, 12 or 16.
        lora: An adapter to put on, FILE[:WEIGHT] or FILE:network=1,text=0.5; may be given again.
        embedding: A learnt word to read in prompts, by its file; may be given again.
        control: A ControlNet and the picture it looks at, FILE:image=PICTURE,weight=1,start=0,end=1; may be
            given again.
        start: The sha256 of a paused run that the library holds, to go on from.
    """

    prompt: str
    model: str = "emoji"
    negative: str = ""
    steps: int | None = None
    guidance: str | float | None = None
    sampler: str | None = None
    spacing: str | None = None
    width: int | None = None
    height: int | None = None
    seed: int | None = None
    count: int = 1
    upscale: int | None = None
    lora: tuple[str, ...] = field(default=(), metadata={"metavar": "FILE[:WEIGHT]", "repeated": True})
    embedding: tuple[str, ...] = field(default=(), metadata={"metavar": "FILE", "repeated": True})
    control: tuple[str, ...] = field(default=(), metadata={"metavar": "FILE:image=PICTURE", "repeated": True})
    start: str | None = None

    def plan(self, model: Description) -> Plan:
        """What would run on this model, without running it.

        Raises:
            Refused: a field cannot be honoured; the message says what would do.
        """
        check.check_text(self.prompt, "prompt")
        negative = check.check_text(self.negative, "negative")
        default = int(model.defaults.get("steps", 20))
        steps = default if self.steps is None else self.steps
        sampler, spacing = check.check_sampler(self.sampler, self.spacing, model)
        width = check.check_side(self.width, model.width, model, "width")
        height = check.check_side(self.height, model.height, model, "height")
        return Plan(
            prompt=check.check_class(self.prompt, model),
            negative=check.check_class(negative, model),
            steps=check.check_number(steps, 1, check.MOST_STEPS, "steps"),
            sampler=sampler,
            spacing=spacing,
            guidance=check_guidance(self.guidance, negative, model, sampler),
            width=width,
            height=height,
            seeds=check.check_seeds(self.seed, self.count),
            upscale=1 if self.upscale is None else check.check_enlarged(width, height, self.upscale, "upscale"),
            lora=check_adapters(self.lora, "lora"),
            embedding=check_embeddings(self.embedding),
            control=check_controls(self.control),
        )

    def run(self, library: "Library") -> Iterator[Event]:
        """Progress after each step and a Result for each picture, in order.

        Raises:
            Refused: as `plan`, before anything heavy is loaded.
        """
        description = library.describe(self.model)
        plan = self.plan(description)
        start = None if self.start is None else check_start(library.state(self.start), plan, description)
        from unnoise.tasks._sample import sample

        yield from sample(plan, self, library, start)


task = Generate
