"""What each family's files state in other programs' layouts, beside tensors: pipelines, schedulers, names."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from types import ModuleType
from typing import Any

from unnoise.core.error import Refused
from unnoise.families import flux, sd1, sd2, sd3, sdxl
from unnoise.families._slots import VAE
from unnoise.families._source import Slot, Source
from unnoise.families._tokens import END, ZERO
from unnoise.weights.maps import flux as flux_names
from unnoise.weights.maps import ldm_unet, mmdit


@dataclass(frozen=True, kw_only=True)
class Layout:
    """Args:
    slots: the networks, the diffusion network first.
    maps: the file of weights/maps for it.
    usual: by a slot's name, settings that no single file states.
    pipelines: diffusers' class, by the channels beside the sample.
    settings: of model_index.json.
    empty: parts of the pipeline that are left out.
    scheduler: scheduler_config.json, as it was published.
    tokenizers: by folder, the slot that it is for, and what fills its windows up.
    needed: slots that the pipeline cannot do without, beside those that the model cannot.
    renamed: what stands before a slot's names in a single file, where that is not the slot's first prefix.
    bare: whether the network alone is published without anything before its names.
    spare: the text encoder has one layer more in single files, which is never used.
    spec, spec_of_v: ModelSpec's name of the architecture; where it is another for networks that predict v, that.
    implementation: where the architecture was published, as ModelSpec asks.
    gguf: what GGUF's readers call it.
    """

    slots: tuple[Slot, ...]
    maps: ModuleType
    usual: Mapping[str, Mapping[str, Any]]
    pipelines: Mapping[int, str]
    scheduler: Mapping[str, Any]
    tokenizers: Mapping[str, tuple[str, str]]
    spec: str
    implementation: str
    gguf: str
    spec_of_v: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict[str, Any])
    empty: tuple[str, ...] = ()
    needed: tuple[str, ...] = ()
    renamed: Mapping[str, str] = field(default_factory=dict[str, str])
    bare: bool = False
    spare: bool = False


BETAS: Mapping[str, Any] = {
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "num_train_timesteps": 1000,
    "prediction_type": "epsilon",
    "steps_offset": 1,
    "trained_betas": None,
}
PNDM = {"_class_name": "PNDMScheduler", **BETAS, "skip_prk_steps": True, "set_alpha_to_one": False}
DDIM = {"_class_name": "DDIMScheduler", **BETAS, "set_alpha_to_one": False, "clip_sample": False}
EULER = {"_class_name": "EulerDiscreteScheduler", **BETAS, "timestep_spacing": "leading"}
STRAIGHT = {"_class_name": "FlowMatchEulerDiscreteScheduler", "num_train_timesteps": 1000}
BY_SIZE = {"base_shift": 0.5, "max_shift": 1.15, "base_image_seq_len": 256, "max_image_seq_len": 4096}
NO_POOLED = {"projection": 0}
OPEN_CLIP = {"activation": "gelu"}

SD1 = Layout(
    slots=sd1.SLOTS,
    maps=ldm_unet,
    usual={VAE.name: sd1.LATENTS, sd1.TEXT.name: NO_POOLED},
    pipelines={
        0: "StableDiffusionPipeline",
        4: "StableDiffusionInstructPix2PixPipeline",
        5: "StableDiffusionInpaintPipeline",
    },
    settings={"requires_safety_checker": False},
    empty=("safety_checker", "feature_extractor", "image_encoder"),
    scheduler=PNDM,
    tokenizers={"tokenizer": (sd1.TEXT.name, END)},
    spec="stable-diffusion-v1",
    implementation="https://github.com/CompVis/stable-diffusion",
    gguf="sd1",
)
SD2 = replace(
    SD1,
    slots=sd2.SLOTS,
    usual={VAE.name: sd2.LATENTS, sd2.TEXT.name: NO_POOLED | OPEN_CLIP},
    scheduler=DDIM,
    tokenizers={"tokenizer": (sd2.TEXT.name, ZERO)},
    spare=True,
    spec="stable-diffusion-v2-512",
    spec_of_v="stable-diffusion-v2-768-v",
    implementation="https://github.com/Stability-AI/stablediffusion",
)
SDXL = Layout(
    slots=sdxl.BASE,
    maps=ldm_unet,
    usual={VAE.name: sdxl.LATENTS, sdxl.CLIP_L.name: NO_POOLED, sdxl.CLIP_G.name: OPEN_CLIP},
    pipelines={
        0: "StableDiffusionXLPipeline",
        4: "StableDiffusionXLInstructPix2PixPipeline",
        5: "StableDiffusionXLInpaintPipeline",
    },
    settings={"force_zeros_for_empty_prompt": True},
    scheduler=EULER,
    tokenizers={"tokenizer": (sdxl.CLIP_L.name, END), "tokenizer_2": (sdxl.CLIP_G.name, ZERO)},
    spec="stable-diffusion-xl-v1-base",
    implementation="https://github.com/Stability-AI/generative-models",
    gguf="sdxl",
)
REFINER = replace(
    SDXL,
    slots=sdxl.REFINER,
    usual={VAE.name: sdxl.LATENTS, sdxl.CLIP_G.name: OPEN_CLIP},
    pipelines={0: "StableDiffusionXLImg2ImgPipeline"},
    settings={"force_zeros_for_empty_prompt": False, "requires_aesthetics_score": True},
    empty=("text_encoder", "tokenizer"),
    tokenizers={"tokenizer_2": (sdxl.CLIP_G.name, ZERO)},
    spec="stable-diffusion-xl-v1-refiner",
)
SD3 = Layout(
    slots=sd3.SLOTS,
    maps=mmdit,
    usual={VAE.name: sd3.LATENTS, sd3.CLIP_G.name: OPEN_CLIP},
    pipelines={0: "StableDiffusion3Pipeline"},
    scheduler=STRAIGHT | {"shift": 3.0},
    tokenizers={
        "tokenizer": (sd3.CLIP_L.name, END),
        "tokenizer_2": (sd3.CLIP_G.name, ZERO),
        "tokenizer_3": (sd3.T5XXL.name, ""),
    },
    needed=(sd3.CLIP_L.name, sd3.CLIP_G.name),
    spec="stable-diffusion-3",
    implementation="https://github.com/Stability-AI/sd3-ref",
    gguf="sd3",
)
DEV = Layout(
    slots=flux.SLOTS,
    maps=flux_names,
    usual={VAE.name: flux.LATENTS, flux.CLIP_L.name: NO_POOLED},
    pipelines={0: "FluxPipeline"},
    scheduler=STRAIGHT | BY_SIZE | {"shift": 3.0, "use_dynamic_shifting": True},
    tokenizers={"tokenizer": (flux.CLIP_L.name, END), "tokenizer_2": (flux.T5XXL.name, "")},
    renamed={VAE.name: "vae."},
    bare=True,
    spec="flux-1-dev",
    implementation="https://github.com/black-forest-labs/flux",
    gguf="flux",
)
SCHNELL = replace(
    DEV, scheduler=STRAIGHT | BY_SIZE | {"shift": 1.0, "use_dynamic_shifting": False}, spec="flux-1-schnell"
)


def _of_sdxl(source: Source) -> Layout:
    return REFINER if sdxl.slots_of(source) is sdxl.REFINER else SDXL


def _of_flux(source: Source) -> Layout:
    return DEV if flux.usual_of(source) is flux.DEV else SCHNELL


LAYOUTS: Mapping[str, Callable[[Source], Layout]] = {
    "sd1": lambda _: SD1,
    "sd2": lambda _: SD2,
    "sdxl": _of_sdxl,
    "sd3": lambda _: SD3,
    "flux": _of_flux,
}
"""By a family's name, its layout as a source has it."""


def layout_of(family: str, source: Source) -> Layout:
    """A family's layout.

    Raises:
        Refused: no other program has one for it.
    """
    if family not in LAYOUTS:
        what = f"{source.path} is in our own format, and no other program knows its networks"
        raise Refused(what, "name a .safetensors file, or --to unnoise", "to")
    return LAYOUTS[family](source)


def scheduled(layout: Layout, source: Source, prediction: str) -> dict[str, Any]:
    """A scheduler_config.json: the source's own where it has one, and else the published with what the source says.

    Args:
        prediction: what the network gives.
    """
    if source.scheduler is not None:
        return dict(source.scheduler)
    said = {"_diffusers_version": VERSION, **layout.scheduler}
    if "prediction_type" in said:
        said["prediction_type"] = {"v": "v_prediction"}.get(prediction, prediction)
    if zero_terminal(source):
        plain = said["_class_name"] == "PNDMScheduler"  # which cannot
        said |= DDIM | {"prediction_type": said["prediction_type"]} if plain else {}
        said |= {"rescale_betas_zero_snr": True, "timestep_spacing": "trailing"}
    return said


VERSION = "0.30.0"
"""The diffusers whose words these are; later ones read them, too."""


def zero_terminal(source: Source) -> bool:
    """Whether the network was trained on betas that end in noise alone."""
    if source.own is not None:
        return source.own.noising.betas.get("zero_terminal_snr") is True
    said = source.scheduler or {}
    return said.get("rescale_betas_zero_snr") is True or (source.whole is not None and "ztsnr" in source.whole.shapes)
