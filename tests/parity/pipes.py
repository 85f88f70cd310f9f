"""Tiny random pipelines as diffusers saves them, run there and by our command line from the same noise."""

import gzip
import json
import warnings
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy
import pytest
import torch
from safetensors.torch import load_file

PROMPT, NEGATIVE = "a red fox in the snow, oil painting", "blurry, a blue whale"
SIZES = ((32, 32), (48, 32))
"""Width and height, in pixels."""


def peers() -> tuple[ModuleType, ModuleType]:
    """diffusers and transformers."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # their imports warn of optional packages
        reason = "the library compared with is not installed"
        return pytest.importorskip("diffusers", reason=reason), pytest.importorskip("transformers", reason=reason)


def unet(**changes: Any) -> Any:
    """A U-Net of two levels, as SD 1's."""
    sizes: dict[str, Any] = {
        "block_out_channels": (32, 64),
        "down_block_types": ("CrossAttnDownBlock2D", "DownBlock2D"),
        "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D"),
        "layers_per_block": 1,
        "cross_attention_dim": 64,
        "sample_size": 16,
    }
    return peers()[0].UNet2DConditionModel(**sizes | changes)


def vae(channels: int = 4, **changes: Any) -> Any:
    """An autoencoder of two levels, so that a latent's cell is two pixels wide."""
    kinds = {"down_block_types": ("DownEncoderBlock2D",) * 2, "up_block_types": ("UpDecoderBlock2D",) * 2}
    sizes = {"block_out_channels": (32, 64), "latent_channels": channels, "sample_size": 32}
    return peers()[0].AutoencoderKL(**kinds | sizes | changes)


def clip(projects: bool = False, **changes: Any) -> Any:
    """A CLIP text encoder of two layers."""
    library = peers()[1]
    sizes = {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 1}
    ends = {"bos_token_id": 49406, "eos_token_id": 49407, "pad_token_id": 49407, "vocab_size": 49408}
    config = library.CLIPTextConfig(**sizes | ends | {"projection_dim": 64} | changes)
    return (library.CLIPTextModelWithProjection if projects else library.CLIPTextModel)(config)


def t5(**changes: Any) -> Any:
    """A T5 encoder of two layers."""
    library = peers()[1]
    sizes = {"d_model": 64, "d_kv": 16, "d_ff": 96, "num_layers": 2, "num_heads": 2, "vocab_size": 32100}
    return library.T5EncoderModel(library.T5Config(**sizes | changes, feed_forward_proj="gated-gelu"))


def clip_tokenizer(folder: Path, pad: str = "<|endoftext|>") -> Any:
    """transformers' tokenizer of OpenAI's byte pairs."""
    from unnoise.text._clip_files import MERGES, clip_words

    packed = Path(str(files("unnoise") / "text" / "bpe_simple_vocab_16e6.txt.gz"))
    folder.mkdir(parents=True, exist_ok=True)
    lines = gzip.decompress(packed.read_bytes()).decode().split("\n")[1 : 1 + MERGES]
    (folder / "merges.txt").write_text("\n".join(["#version: 0.2", *lines, ""]), encoding="utf-8")
    (folder / "vocab.json").write_text(json.dumps(clip_words(packed).tokenizer.get_vocab()), encoding="utf-8")
    return peers()[1].CLIPTokenizer.from_pretrained(folder, pad_token=pad, model_max_length=77)


def t5_tokenizer(shared: Path) -> Any:
    """transformers' tokenizer of T5's pieces."""
    source = shared / "fixtures" / "tokenizers" / "t5_tokenizer.json"
    if not source.is_file():
        pytest.skip("T5's tokenizer is not in the folder 'shared'")
    return peers()[1].T5Tokenizer(tokenizer_file=str(source))


def randomised(module: Any, seed: int, scale: float = 1.0) -> Any:
    """A module with numbers in it that matter: biases and norms too, which a fresh one has at 0 and 1."""
    draw = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for value in module.parameters():
            spread = scale / max(value[0].numel(), 1) ** 0.5 if value.ndim > 1 else 0.1
            noise = torch.randn(value.shape, generator=draw) * spread
            value.copy_(noise if value.ndim > 1 else value + noise)
    return module.eval()


@dataclass(frozen=True)
class Run:
    """One picture asked of both.

    Args:
        steps, guidance, width, height, seed: of the request.
        negative: the negative prompt; empty for none.
        more: what their pipeline takes besides.
    """

    steps: int = 6
    guidance: float | str = 5.0
    width: int = 32
    height: int = 32
    seed: int = 3
    negative: str = NEGATIVE
    more: dict[str, Any] = field(default_factory=dict)


def theirs(pipeline: Any, run: Run) -> tuple[torch.Tensor, torch.Tensor]:
    """The final latents and the pixels, uint8 (H, W, 3)."""
    seen: list[torch.Tensor] = []

    def keep(_pipeline: Any, _step: int, _time: Any, held: dict[str, Any]) -> dict[str, Any]:
        seen.append(held["latents"])
        return held

    pipeline.set_progress_bar_config(disable=True)
    words = {"negative_prompt": run.negative} if run.negative else {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made = pipeline(
            PROMPT,
            num_inference_steps=run.steps,
            guidance_scale=run.guidance,
            width=run.width,
            height=run.height,
            generator=torch.Generator("cpu").manual_seed(run.seed),
            callback_on_step_end=keep,
            output_type="np",
            **words,
            **run.more,
        ).images[0]
    return seen[-1], torch.from_numpy((made * 255).round().astype("uint8"))


def ours(folder: Path, model: Path, run: Run, *options: str) -> tuple[torch.Tensor, torch.Tensor]:
    """The same by our command line."""
    from PIL import Image

    from unnoise.cli.main import main

    words = ["--model", model, "--steps", run.steps, "--seed", run.seed, "--device", "cpu", "--quiet"]
    words += ["--width", run.width, "--height", run.height, "--guidance", run.guidance]
    words += ["--negative", run.negative] if run.negative else []
    words += ["--out", folder / "x.png", "--latents-out", folder / "x.safetensors", *options]
    assert main(["generate", PROMPT, *map(str, words)]) == 0
    pixels = torch.from_numpy(numpy.asarray(Image.open(folder / "x.png").convert("RGB")).copy())
    return load_file(folder / "x.safetensors")["latent"], pixels


def ours_loaded(model: Any, run: Run, sampler: str, spacing: str) -> tuple[torch.Tensor, torch.Tensor]:
    """The same by a model that is loaded."""
    from unnoise import Generate, Result, library

    size = {"width": run.width, "height": run.height, "steps": run.steps, "seed": run.seed}
    ask = {"guidance": run.guidance, "negative": run.negative, "sampler": sampler, "spacing": spacing}
    events = Generate(prompt=PROMPT, model="m", **size, **ask).run(library({"m": model}))
    result = next(event for event in events if isinstance(event, Result))
    assert result.latent is not None
    return result.latent, result.pixels.permute(1, 2, 0)


TABLE = {"beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012, "steps_offset": 1}
TABLED: dict[str, tuple[str, dict[str, Any]]] = {
    "pndm": ("PNDMScheduler", {"skip_prk_steps": True}),
    "euler": ("EulerDiscreteScheduler", {"timestep_spacing": "leading"}),
    "ddim": ("DDIMScheduler", {"clip_sample": False, "set_alpha_to_one": False}),
    "dpmpp_2m": ("DPMSolverMultistepScheduler", {"timestep_spacing": "leading"}),
    "heun": ("HeunDiscreteScheduler", {"timestep_spacing": "leading"}),
    "unipc": ("UniPCMultistepScheduler", {"timestep_spacing": "trailing"}),
}
"""Schedulers of models that were trained on a table of betas."""


def scheduled(pipeline: Any, name: str, options: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Give a pipeline another scheduler; gives what its scheduler_config.json would say."""
    made = getattr(peers()[0], name)(**options | more)
    pipeline.scheduler = made
    return json.loads(made.to_json_string())


FLOW = {"use_flow_sigmas": True, "prediction_type": "flow_prediction"}
STRAIGHT: dict[str, tuple[str, dict[str, Any]]] = {
    "euler": ("FlowMatchEulerDiscreteScheduler", {"shift": 3.0}),
    "heun": ("FlowMatchHeunDiscreteScheduler", {"shift": 3.0}),
    "dpmpp_2m": ("DPMSolverMultistepScheduler", FLOW | {"flow_shift": 3.0}),
    "unipc": ("UniPCMultistepScheduler", FLOW | {"flow_shift": 3.0}),
}
"""Schedulers of models that were trained on straight lines."""


def straight(pipeline: Any, name: str) -> None:
    """Give a pipeline one of these, so that it can run with it and tells its network what is meant.

    Some pipelines hand over sigmas, which not all schedulers take; and the multistep ones cut the times that they tell
    the network to whole numbers, though its x lies between.
    """
    scheduled(pipeline, *STRAIGHT[name])
    scheduler = pipeline.scheduler
    lay = scheduler.set_timesteps

    def set_timesteps(num_inference_steps: Any = None, device: Any = None, sigmas: Any = None, mu: Any = None) -> None:
        lay(num_inference_steps or len(sigmas), device=device)
        if name in ("dpmpp_2m", "unipc"):
            scheduler.timesteps = scheduler.sigmas[:-1] * 1000

    if name != "euler":
        scheduler.set_timesteps = set_timesteps


def listed(scheduler: Any) -> str:
    """The times that a scheduler has laid, as a spacing."""
    times = sorted({float(sigma) for sigma in scheduler.sigmas if sigma > 0}, reverse=True)
    return f"listed:times={' '.join(map(repr, times))},start=unit"


def alike(pipeline: Any, model: Any, config: dict[str, Any], usual: Any, run: Run) -> None:
    """Both run by a scheduler's config, read as a folder's is."""
    from unnoise.families._noising import noising

    course = noising(config, usual)
    agree(ours_loaded(model, run, course.sampler, course.habit or course.spacing), theirs(pipeline, run))


def written(path: Path, parts: dict[str, tuple[Any, Any]], extra: dict[str, torch.Tensor] | None = None) -> Path:
    """A single file of these modules: prefix -> (module, the map of its names).

    The maps run backwards here, from our names to theirs.
    """
    from unnoise.weights.store import write_tensors

    held = dict(extra or {})
    for prefix, (module, names) in parts.items():
        held |= {prefix + name: value for name, value in names.theirs(module.state_dict()).items()}
    write_tensors(path, held, {})
    return path


def agree(mine: tuple[torch.Tensor, torch.Tensor], other: tuple[torch.Tensor, torch.Tensor]) -> None:
    """Latents to 1e-4 of their largest value, pixels to 1 of 255."""
    latent, expected = mine[0].double(), other[0].double().reshape(mine[0].shape)
    assert latent.isfinite().all() and float((latent - expected).abs().max()) <= 1e-4 * float(expected.abs().max())
    assert int((mine[1].int() - other[1].int()).abs().max()) <= 1
    assert float(mine[1].float().std()) > 2  # a picture, not a grey wall that any two agree on
