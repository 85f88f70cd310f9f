"""What is said of a model that no family knows: what it seems to be, and what would do."""

from collections.abc import Mapping, Sequence

from unnoise.core.error import Refused
from unnoise.families._source import MARKS, Kind, Source, Stored
from unnoise.weights.parts import holds

OTHERS: Mapping[str, str] = {
    "double_stream_blocks.0.block.attn1.to_k.weight": "HiDream",
    "single_stream_modulation.lin.weight": "Flux.2",
    "distilled_guidance_layer.in_proj.bias": "Chroma",
    "head.modulation": "Wan",
    "patchify_proj.weight": "LTX",
    "txt_in.individual_token_refiner.blocks.0.norm1.weight": "HunyuanVideo",
    "cap_embedder.0.weight": "Lumina 2",
    "layers.0.adaLN_modulation.0.weight": "Z-Image",
    "blocks.0.cross_attn.q_linear.weight": "Sana or PixArt",
    "double_layers.0.attn.w2q.weight": "AuraFlow",
    "net.x_embedder.proj.1.weight": "Cosmos",
    "control_model.time_embed.0.weight": "a ControlNet",
    "controlnet_cond_embedding.conv_in.weight": "a ControlNet",
    "input_hint_block.0.weight": "a ControlNet",
    "3.conv.0.weight": "a tiny autoencoder (TAESD)",
    "decoder.layers.2.conv.0.weight": "a tiny autoencoder (TAESD)",
}
"""Tensors that mark models of other kinds, with or without `model.diffusion_model.` before them."""
STEERS = "give it with --control beside a model"
LORA = (
    ".lora_down.weight",
    ".lora_up.weight",
    ".lora_A.weight",
    ".lora_B.weight",
    ".hada_w1_a",
    ".lokr_w1",
    "_lora.down.weight",
)
PARTS: Mapping[Kind, str] = {"vae": "an autoencoder", "clip": "a CLIP text encoder", "t5": "a T5 text encoder"}


def stranger(source: Source, titles: Sequence[str]) -> Refused:
    """The error about a model of no family we know.

    Args:
        titles: of those that we know.
    """
    networks = [source.folders[name] for name in ("unet", "transformer", "") if name in source.folders]
    stored = source.whole or next(iter(networks), None)
    if stored is None:
        return Refused(f"{source.path} names no diffusion network", "the folder is not complete; download it", "model")
    if parts := holds(stored.header):
        return Refused(f"{source.path} holds {' and '.join(parts)} alone, no whole model", "name a model", "model")
    what, remedy = seems(stored)
    known = f"known families: {', '.join(titles)}"
    return Refused(
        f"{source.path} holds {what or 'no model we know'}", f"{remedy}; {known}" if remedy else known, "model"
    )


def seems(stored: Stored) -> tuple[str, str]:
    """What it seems to be, and what may be done with it; both empty where that cannot be told."""
    names = {name.removeprefix("model.diffusion_model.") for name in stored.shapes}
    for mark, kind in OTHERS.items():
        if mark in names:
            return f"{kind}, which unnoise does not run as a model", STEERS if kind == "a ControlNet" else ""
    if any(name.endswith(LORA) for name in names):
        return "a LoRA and no model", "give it with --lora beside a model"
    for kind, said in PARTS.items():
        if any(name in names for name in MARKS[kind]) or stored.kind in CLASSES.get(kind, ()):
            return (
                f"{said} alone, no whole model",
                f"give it as --part {'vae' if kind == 'vae' else 'text'}=FILE beside one",
            )
    return "", ""


CLASSES: Mapping[Kind, tuple[str, ...]] = {
    "vae": ("AutoencoderKL", "AutoencoderTiny"),
    "clip": ("CLIPTextModel", "CLIPTextModelWithProjection"),
    "t5": ("T5EncoderModel",),
}
