"""Where the published layouts have the networks that several families share, and what is left over in their files."""

from unnoise.families._source import Slot
from unnoise.weights.keymap import Drop, KeyMap

CLIP = ("CLIPTextModel", "CLIPTextModelWithProjection")
T5 = ("T5EncoderModel", "T5ForConditionalGeneration", "UMT5EncoderModel")

UNET = Slot(
    name="unet",
    kind="network",
    folder="unet",
    classes=("UNet2DConditionModel",),
    prefixes=("model.diffusion_model.", ""),
)
VAE = Slot(
    name="vae",
    kind="vae",
    folder="vae",
    classes=("AutoencoderKL",),
    prefixes=("first_stage_model.", "vae."),
)
CLIP_L = Slot(
    name="clip_l",
    kind="clip",
    folder="text_encoder",
    classes=CLIP,
    prefixes=("text_encoders.clip_l.transformer.",),
    width=768,
)
T5XXL = Slot(
    name="t5",
    kind="t5",
    folder="text_encoder_3",
    classes=T5,
    prefixes=("text_encoders.t5xxl.transformer.",),
    width=4096,
)
TRANSFORMER = Slot(
    name="transformer",
    kind="network",
    folder="transformer",
    classes=("FluxTransformer2DModel", "SD3Transformer2DModel"),
    prefixes=("model.diffusion_model.", ""),
)

_TABLES = "a table that the noise schedule makes again"
LEFT = KeyMap(
    (),
    (
        Drop("model_ema", "the average of training, beside the weights that were chosen"),
        *(Drop(name, _TABLES) for name in ("betas", "alphas_cumprod", "alphas_cumprod_prev", "denoiser.sigmas")),
        *(Drop(f"sqrt_{name}", _TABLES) for name in ("alphas_cumprod", "one_minus_alphas_cumprod")),
        *(Drop(f"sqrt_{name}_alphas_cumprod", _TABLES) for name in ("recip", "recipm1")),
        *(Drop(f"posterior_{name}", _TABLES) for name in ("variance", "log_variance_clipped", "mean_coef1")),
        *(Drop(name, _TABLES) for name in ("posterior_mean_coef2", "log_one_minus_alphas_cumprod")),
        *(Drop(name, "of training") for name in ("logvar", "lvlb_weights", "scale_factor", "global_step")),
        *(Drop(name, "a marker, which was read") for name in ("v_pred", "ztsnr")),
        Drop("text_encoders.{}.logit_scale", "for comparing texts with pictures"),
    ),
)
"""Tensors of a single file that belong to no network, and why they are not needed."""
