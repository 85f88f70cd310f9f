"""CLIP text encoders: the names of transformers' and OpenCLIP's files, and their sizes."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

from unnoise.core.error import Refused
from unnoise.weights.keymap import Drop, KeyMap, Rule
from unnoise.weights.maps._settings import layers, listed, number, one_of, row, whole

if TYPE_CHECKING:
    from unnoise.networks.clip_text import CLIPTextConfig

Variant = Literal["hf", "open_clip"]

_LAYER = "encoder.layers.{}."
_TRANSFORMERS = KeyMap(
    (
        *(Rule(f"{_LAYER}self_attn.{p}_proj", f"{_LAYER}self_attn.qkv", (i, i + 1, 3)) for i, p in enumerate("qkv")),
        Rule(f"{_LAYER}self_attn.out_proj", f"{_LAYER}self_attn.out_proj"),
        *(Rule(_LAYER + part, _LAYER + part) for part in ("layer_norm1", "layer_norm2", "mlp.fc1", "mlp.fc2")),
        Rule("embeddings.token_embedding", "embeddings.token_embedding"),
        Rule("embeddings.position_embedding", "embeddings.position_embedding"),
        Rule("final_layer_norm", "final_layer_norm"),
    ),
    (Drop("embeddings.position_ids", "the numbers of the places, which follow from their count"),),
)
_PROJECTED = Rule("text_projection", "text_projection")
_UNPROJECTED = "the model it conditions takes no pooled vector"


def diffusers(config: "CLIPTextConfig") -> KeyMap:
    """transformers' names: all under `text_model.`, or none of them, as its newer versions write one that projects
    nothing."""
    known = _TRANSFORMERS.inside("text_model.") + _TRANSFORMERS
    scale = Drop("logit_scale", "for comparing texts with pictures")
    if config.projection:
        return known + KeyMap((_PROJECTED,), (scale,))
    return known + KeyMap((), (scale, Drop("text_projection", _UNPROJECTED)))


def original(config: "CLIPTextConfig", variant: Variant) -> KeyMap:
    """A single file's names: transformers' (`hf`: SD 1, and L in all later ones) or OpenCLIP's own (SD 2, SDXL's
    second)."""
    if variant == "hf":
        return diffusers(config)
    block = "transformer.resblocks.{}."
    rules = (
        Rule(f"{block}attn.in_proj_weight", f"{_LAYER}self_attn.qkv.weight"),
        Rule(f"{block}attn.in_proj_bias", f"{_LAYER}self_attn.qkv.bias"),
        Rule(f"{block}attn.out_proj", f"{_LAYER}self_attn.out_proj"),
        Rule(f"{block}ln_1", f"{_LAYER}layer_norm1"),
        Rule(f"{block}ln_2", f"{_LAYER}layer_norm2"),
        Rule(f"{block}mlp.c_fc", f"{_LAYER}mlp.fc1"),
        Rule(f"{block}mlp.c_proj", f"{_LAYER}mlp.fc2"),
        Rule("token_embedding", "embeddings.token_embedding"),
        Rule("positional_embedding", "embeddings.position_embedding.weight"),
        Rule("ln_final", "final_layer_norm"),
    )
    drops = (Drop("logit_scale", "for comparing texts with pictures"), Drop("attn_mask", "follows from the length"))
    if config.projection:
        return KeyMap((*rules, Rule("text_projection", "text_projection.weight", change="transposed")), drops)
    return KeyMap(rules, (*drops, Drop("text_projection", _UNPROJECTED)))


def from_diffusers(config: Mapping[str, Any]) -> dict[str, Any]:
    """Fields of a `CLIPTextConfig` from transformers' config.json.

    Raises:
        Refused: it describes another network.
    """
    width = whole(config, "hidden_size", 512)
    projects = "CLIPTextModelWithProjection" in listed(config, "architectures")
    return {
        "vocabulary": whole(config, "vocab_size", 49408),
        "positions": whole(config, "max_position_embeddings", 77, least=3),
        "width": width,
        "depth": layers(config, "num_hidden_layers", 12),
        "heads": whole(config, "num_attention_heads", 8),
        "hidden": whole(config, "intermediate_size", 2048),
        "activation": one_of(config, "hidden_act", ("quick_gelu", "gelu"), "quick_gelu"),
        "projection": whole(config, "projection_dim", 512) if projects else 0,
        "end": whole(config, "eos_token_id", 49407, least=0),
        "eps": number(config, "layer_norm_eps", 1e-5),
    }


def from_original(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Any]:
    """Fields of a `CLIPTextConfig` from a single file's shapes, in either variant's names.

    Heads are 64 wide in every published one, and only OpenAI's own has the quick activation.

    Raises:
        Refused: the shapes are no text encoder's.
    """
    variant = variant_of(shapes)
    inner = "" if variant == "open_clip" or "embeddings.token_embedding.weight" in shapes else "text_model."
    words, places, first, layer = (
        (
            "embeddings.token_embedding.weight",
            "embeddings.position_embedding.weight",
            "mlp.fc1.weight",
            "encoder.layers.",
        )
        if variant == "hf"
        else ("token_embedding.weight", "positional_embedding", "mlp.c_fc.weight", "transformer.resblocks.")
    )
    depth = row(shapes, inner + layer)
    try:
        vocabulary, width = shapes[inner + words]
        positions, _ = shapes[inner + places]
        hidden, _ = shapes[f"{inner}{layer}{depth - 1}.{first}"]
        projected = shapes["text_projection.weight"][0] if "text_projection.weight" in shapes else 0
        projection = shapes["text_projection"][1] if "text_projection" in shapes else projected
    except (KeyError, ValueError, IndexError):
        raise Refused("the file's text encoder is damaged", "name another file", "model") from None
    return {
        "vocabulary": vocabulary,
        "positions": positions,
        "width": width,
        "depth": depth,
        "heads": max(1, width // 64),
        "hidden": hidden,
        "activation": "quick_gelu" if variant == "hf" and width <= 768 else "gelu",
        "projection": projection,
    }


def variant_of(names: Mapping[str, Any]) -> Variant:
    """Whose names a single file has."""
    return "open_clip" if "positional_embedding" in names else "hf"


def to_diffusers(fields: Mapping[str, Any]) -> dict[str, Any]:
    """transformers' config.json from all fields of a `CLIPTextConfig`."""
    projected = {"projection_dim": fields["projection"]} if fields["projection"] else {}
    return {
        "architectures": ["CLIPTextModelWithProjection" if projected else "CLIPTextModel"],
        "model_type": "clip_text_model",
        "vocab_size": fields["vocabulary"],
        "max_position_embeddings": fields["positions"],
        "hidden_size": fields["width"],
        "num_hidden_layers": fields["depth"],
        "num_attention_heads": fields["heads"],
        "intermediate_size": fields["hidden"],
        "hidden_act": fields["activation"],
        "layer_norm_eps": fields["eps"],
        "bos_token_id": max(0, fields["end"] - 1),
        "eos_token_id": fields["end"],
        "pad_token_id": 1,
        **projected,
    }
