"""ComfyUI: the graph that ran, as JSON in `prompt`: {node: {"class_type": ..., "inputs": {name: value or [node, k]}}}.

A graph has no field for what we want to know, so it is walked: from what is saved upwards to the nearest sampler, and
from that sampler's inputs upwards to the nearest node that holds a text, a size, a seed or a checkpoint.
"""

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from unnoise.media.foreign._told import Told, inner, real, side, table, whole, words

_TEXTS = ("text", "text_g", "t5xxl", "clip_l", "prompt", "string", "value")
_SETTINGS = ("noise", "sigmas", "sampler", "guider", "seed", "noise_seed", "steps", "cfg", "sampler_name", "scheduler")
_FILES = ("ckpt_name", "unet_name", "model_name")


@dataclass(frozen=True)
class _Graph:
    """Nodes' inputs and kinds by name."""

    inputs: Mapping[str, Mapping[str, Any]]
    kinds: Mapping[str, str]

    def linked(self, value: Any) -> str | None:
        """The node an input comes from; None where it is a value."""
        name = str(value[0]) if isinstance(value, list) and len(value) == 2 and isinstance(value[0], str | int) else ""
        return name if name in self.inputs else None

    def upwards(self, starts: list[str], only: tuple[str, ...] = ()) -> Iterator[str]:
        """These nodes and all above them, the nearest first, each once.

        Where a node has inputs of the names in `only`, no other of it is followed: a node with a positive and a
        negative input hands on both.
        """
        waiting, seen = deque(starts), set(starts)
        while waiting:
            node = waiting.popleft()
            yield node
            mine = self.inputs[node]
            names = [name for name in only if name in mine] or list(mine)
            for above in filter(None, (self.linked(mine[name]) for name in names)):
                if above not in seen:
                    seen.add(above)
                    waiting.append(above)

    def from_input(self, node: str, names: tuple[str, ...], only: tuple[str, ...] = ()) -> Iterator[Mapping[str, Any]]:
        """The inputs of the nodes above these inputs of a node."""
        starts = [above for name in names if (above := self.linked(self.inputs[node].get(name)))]
        return (self.inputs[above] for above in self.upwards(list(dict.fromkeys(starts)), only))

    def value(self, given: Any, names: tuple[str, ...]) -> Any:
        """An input's value: itself, or where it is linked, the nearest value of these names above it."""
        if (above := self.linked(given)) is None:
            return given
        held = (self.inputs[node][name] for node in self.upwards([above]) for name in _held(self, node, names))
        return next(held, None)


def _held(graph: _Graph, node: str, names: tuple[str, ...]) -> list[str]:
    mine = graph.inputs[node]
    return [name for name in (*names, "value") if name in mine and graph.linked(mine[name]) is None]


def reader(texts: Mapping[str, str]) -> Told | None:
    nodes = {name: inner(node) for name, node in table(texts.get("prompt")).items()}
    kinds = {name: words(node.get("class_type")) for name, node in nodes.items()}
    if not any(kinds.values()):
        return None
    graph = _Graph({name: inner(node.get("inputs")) for name, node in nodes.items()}, kinds)
    node = _sampler(graph)
    return Told(program="ComfyUI") if node is None else _told(graph, node)


def _sampler(graph: _Graph) -> str | None:
    """The sampler nearest to what is saved."""
    used = {above for mine in graph.inputs.values() for value in mine.values() if (above := graph.linked(value))}
    ends = [name for name in graph.inputs if name not in used]
    saved = [name for name in ends if "save" in graph.kinds[name].lower()]
    wanted = {"positive", "guider"}
    starts = saved or ends or list(graph.inputs)
    return next((n for n in graph.upwards(starts) if _samples(graph, n) and wanted & graph.inputs[n].keys()), None)


def _samples(graph: _Graph, node: str) -> bool:
    return bool({"latent_image", "latent", "sampler_name", "sigmas"} & graph.inputs[node].keys())


def _told(graph: _Graph, node: str) -> Told:
    mine = graph.inputs[node]
    settings = [mine, *graph.from_input(node, _SETTINGS, _SETTINGS)]

    def setting(*names: str) -> Any:
        found = ((inputs, name) for inputs in settings for name in names if name in inputs)
        return next((graph.value(inputs[name], names) for inputs, name in found), None)

    positive = ("positive", "conditioning") if "positive" in mine else ("guider",)
    sizes = [s for s in graph.from_input(node, ("latent_image", "latent")) if side(s.get("width"))]
    models = graph.from_input(node, ("model", "guider"))
    return Told(
        program="ComfyUI",
        prompt=_text(graph, node, positive, ("positive", "conditioning")),
        negative=_text(graph, node, ("negative",) if "negative" in mine else ("guider",), ("negative",)),
        sampler=words(setting("sampler_name")),
        schedule=words(setting("scheduler")),
        steps=whole(setting("steps")),
        guidance=real(setting("cfg", "guidance")),
        seed=whole(setting("seed", "noise_seed")),
        model=next((found for m in models for key in _FILES if (found := words(m.get(key)))), ""),
        width=side(sizes[0].get("width")) if sizes else None,
        height=side(sizes[0].get("height")) if sizes else None,
        strength=_strength(real(setting("denoise"))),
    )


def _text(graph: _Graph, node: str, names: tuple[str, ...], only: tuple[str, ...]) -> str:
    """The nearest text above these inputs; none for a negative prompt where the guider takes none."""
    if names == ("guider",):
        guider = graph.linked(graph.inputs[node].get("guider"))
        if guider is None or not set(only) & graph.inputs[guider].keys():
            return ""
        node, names = guider, only
    above = graph.from_input(node, names, (*only, *_TEXTS))
    return next((found for inputs in above for key in _TEXTS if (found := words(inputs.get(key)))), "")


def _strength(denoise: float | None) -> float | None:
    """Below 1, the sampler began from a picture."""
    return denoise if denoise is not None and 0 <= denoise < 1 else None
