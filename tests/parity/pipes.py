"""Tiny random pipelines as diffusers saves them, run there and by our command line from the same noise."""

import gzip
import json
import warnings
from dataclasses import dataclass, field
from functools import cache
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


@cache
def _clip_table() -> tuple[dict[str, int], list[tuple[str, ...]]]:
    """OpenAI's byte pairs: their tokens' numbers, and the merges."""
    from unnoise.text._clip_files import MERGES, clip_words

    packed = Path(str(files("unnoise") / "text" / "bpe_simple_vocab_16e6.txt.gz"))
    lines = gzip.decompress(packed.read_bytes()).decode().split("\n")[1 : 1 + MERGES]
    return clip_words(packed).tokenizer.get_vocab(), [tuple(line.split()) for line in lines]


def clip_tokenizer(pad: str = "<|endoftext|>") -> Any:
    """transformers' tokenizer of OpenAI's byte pairs."""
    vocabulary, merges = _clip_table()
    return peers()[1].CLIPTokenizer(vocabulary, merges, pad_token=pad, model_max_length=77)


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


TABLE = {"beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012, "steps_offset": 1}
V = {**TABLE, "prediction_type": "v_prediction"}
UNCHECKED = {"safety_checker": None, "feature_extractor": None, "requires_safety_checker": False}
LINEAR = {"attention_head_dim": (1, 1), "block_out_channels": (64, 64), "use_linear_projection": True}
WIDE = {"projects": True, "hidden_act": "gelu", "hidden_size": 128, "projection_dim": 128, "num_attention_heads": 2}
"""The second text encoder: as in the published ones, its width tells it from the first."""
BARE = {"use_quant_conv": False, "use_post_quant_conv": False}


def assembled(kind: str, **parts: Any) -> Any:
    """One of diffusers' pipelines of these parts."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return getattr(peers()[0], kind)(**parts)


def sd1(kind: str = "StableDiffusionPipeline", **changes: Any) -> Any:
    """A tiny Stable Diffusion 1, with what is given in place of its parts."""
    parts = {
        "vae": randomised(vae(), 1),
        "text_encoder": randomised(clip(), 2),
        "tokenizer": clip_tokenizer(),
        "unet": randomised(unet(attention_head_dim=8), 3),
        "scheduler": peers()[0].PNDMScheduler(**TABLE, skip_prk_steps=True),
    }
    return assembled(kind, **parts | UNCHECKED | changes)


def sd2(**changes: Any) -> Any:
    """A tiny Stable Diffusion 2, which predicts v."""
    parts = {
        "vae": randomised(vae(), 1),
        "text_encoder": randomised(clip(hidden_act="gelu"), 2),
        "tokenizer": clip_tokenizer("!"),
        "unet": randomised(unet(**LINEAR), 3),
        "scheduler": peers()[0].DDIMScheduler(**V, clip_sample=False, set_alpha_to_one=False),
    }
    return assembled("StableDiffusionPipeline", **parts | UNCHECKED | changes)


def xl_unet(told: int = 6) -> Any:
    """SDXL's network, which is told six sizes; the refiner's, which reads one text encoder, is told five."""
    levels = {"down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D")}
    levels |= {"up_block_types": ("CrossAttnUpBlock2D", "UpBlock2D"), "transformer_layers_per_block": (1, 2)}
    sizes = {"addition_time_embed_dim": 8, "projection_class_embeddings_input_dim": 128 + told * 8}
    width = 64 + 128 if told == 6 else 128
    more = {"addition_embed_type": "text_time", "cross_attention_dim": width}
    return randomised(unet(**LINEAR, **levels, **sizes, **more), 3)


def sdxl(kind: str = "StableDiffusionXLPipeline", **changes: Any) -> Any:
    """A tiny Stable Diffusion XL."""
    parts = {
        "vae": randomised(vae(scaling_factor=0.13025), 1),
        "text_encoder": randomised(clip(), 2),
        "text_encoder_2": randomised(clip(**WIDE), 4),
        "tokenizer": clip_tokenizer(),
        "tokenizer_2": clip_tokenizer("!"),
        "unet": xl_unet(),
        "scheduler": peers()[0].EulerDiscreteScheduler(**TABLE, timestep_spacing="leading"),
        "add_watermarker": False,
    }
    return assembled(kind, **parts | changes)


def refiner() -> Any:
    """A tiny refiner of SDXL's pictures."""
    without = {"text_encoder": None, "tokenizer": None, "unet": xl_unet(5)}
    says = {"requires_aesthetics_score": True, "force_zeros_for_empty_prompt": False}
    return sdxl("StableDiffusionXLImg2ImgPipeline", **without, **says)


def sd3_transformer(**changes: Any) -> Any:
    """SD 3's network; its text is as wide as the CLIPs' two together."""
    sizes = {"sample_size": 16, "patch_size": 2, "in_channels": 16, "num_layers": 2, "attention_head_dim": 64}
    widths = {"num_attention_heads": 1, "joint_attention_dim": 192, "caption_projection_dim": 64}
    more = {"pooled_projection_dim": 192, "out_channels": 16, "pos_embed_max_size": 24}
    return randomised(peers()[0].SD3Transformer2DModel(**sizes, **widths, **more, **changes), 3)


def sd3(shared: Path, **changes: Any) -> Any:
    """A tiny Stable Diffusion 3, with T5."""
    parts = {
        "vae": randomised(vae(16, scaling_factor=1.5305, shift_factor=0.0609, **BARE), 1),
        "text_encoder": randomised(clip(projects=True), 2),
        "text_encoder_2": randomised(clip(**WIDE), 4),
        "text_encoder_3": randomised(t5(d_model=192), 5),  # a single file has no projection for its states
        "tokenizer": clip_tokenizer(),
        "tokenizer_2": clip_tokenizer("!"),
        "tokenizer_3": t5_tokenizer(shared),
        "transformer": sd3_transformer(),
        "scheduler": peers()[0].FlowMatchEulerDiscreteScheduler(shift=3.0),
    }
    return assembled("StableDiffusion3Pipeline", **parts | changes)


def flux(shared: Path, guided: bool = True, **changes: Any) -> Any:
    """A tiny FLUX.1: dev, or schnell, which reads no guidance."""
    sizes = {"in_channels": 64, "num_layers": 1, "num_single_layers": 2, "attention_head_dim": 128}
    widths = {"num_attention_heads": 1, "joint_attention_dim": 64, "pooled_projection_dim": 64}
    library = peers()[0]
    network = library.FluxTransformer2DModel(**sizes, **widths, guidance_embeds=guided)
    parts = {
        "vae": randomised(vae(16, scaling_factor=0.3611, shift_factor=0.1159, **BARE), 1),
        "text_encoder": randomised(clip(), 2),
        "text_encoder_2": randomised(t5(), 5),
        "tokenizer": clip_tokenizer(),
        "tokenizer_2": t5_tokenizer(shared),
        "transformer": randomised(network, 3),
        "scheduler": library.FlowMatchEulerDiscreteScheduler(shift=3.0, use_dynamic_shifting=True),
    }
    return assembled("FluxPipeline", **parts | changes)


def saved_in(folder: Path, pipeline: Any) -> tuple[Any, Path]:
    """A pipeline, and the folder that it saved itself to."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pipeline.save_pretrained(folder)
    return pipeline, folder


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
