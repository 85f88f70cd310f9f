"""T5's encoder: the names of transformers' files and of llama.cpp's, and its sizes."""

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

from unnoise.core.error import Refused
from unnoise.weights.keymap import Drop, KeyMap, Rule
from unnoise.weights.maps._settings import bad, layers, number, one_of, row, whole

if TYPE_CHECKING:
    from unnoise.networks.t5 import T5Config

_BLOCK = "encoder.block.{}.layer."
_LAYERS = (
    *(Rule(f"{_BLOCK}0.SelfAttention.{part}", f"blocks.{{}}.attention.{part}") for part in "qkvo"),
    Rule(f"{_BLOCK}0.layer_norm", "blocks.{}.attention_norm"),
    *(Rule(f"{_BLOCK}1.DenseReluDense.{part}", f"blocks.{{}}.mlp.{part}") for part in ("wi_0", "wi_1", "wo")),
    Rule(f"{_BLOCK}1.layer_norm", "blocks.{}.mlp_norm"),
    Rule("encoder.block.0.layer.0.SelfAttention.relative_attention_bias", "positions"),
    Rule("encoder.final_layer_norm", "norm"),
)
_DROPS = (
    Drop("decoder", "prompts are read, not written"),
    Drop("lm_head", "prompts are read, not written"),
    Drop("spiece_model", "the tokenizer, which is read apart from the weights"),
    Drop("logit_scale", "of no use in T5: some programs put it into every text encoder's file"),
)
_AGAIN = "the words again"
_SHARED = KeyMap((Rule("shared", "words"), *_LAYERS), (*_DROPS, Drop("encoder.embed_tokens", _AGAIN)))
_EMBEDDED = KeyMap((Rule("encoder.embed_tokens", "words"), *_LAYERS), _DROPS)
_LLAMA = KeyMap(
    (
        Rule("token_embd", "words"),
        Rule("enc.blk.0.attn_rel_b", "positions"),
        *(Rule(f"enc.blk.{{}}.attn_{part}", f"blocks.{{}}.attention.{part}") for part in "qkvo"),
        Rule("enc.blk.{}.attn_norm", "blocks.{}.attention_norm"),
        Rule("enc.blk.{}.ffn_gate", "blocks.{}.mlp.wi_0"),
        Rule("enc.blk.{}.ffn_up", "blocks.{}.mlp.wi_1"),
        Rule("enc.blk.{}.ffn_down", "blocks.{}.mlp.wo"),
        Rule("enc.blk.{}.ffn_norm", "blocks.{}.mlp_norm"),
        Rule("enc.output_norm", "norm"),
    )
)


def diffusers(config: "T5Config", names: Collection[str] = ()) -> KeyMap:
    """transformers' names.

    Args:
        config: of any sizes.
        names: the file's: some have the words under `encoder.embed_tokens` alone, most under `shared` or both.
    """
    alone = "encoder.embed_tokens.weight" in names and "shared.weight" not in names
    return _EMBEDDED if alone else _SHARED


def original(config: "T5Config", names: Collection[str] = ()) -> KeyMap:
    """A single file's names, which are transformers', or llama.cpp's where `names` says so (GGUF)."""
    return _LLAMA if "token_embd.weight" in names else diffusers(config, names)


def from_diffusers(config: Mapping[str, Any]) -> dict[str, Any]:
    """Fields of a `T5Config` from transformers' config.json.

    Raises:
        Refused: it describes another network.
    """
    one_of(config, "feed_forward_proj", ("gated-gelu",), "relu")
    if config.get("dense_act_fn", "gelu_new") != "gelu_new":
        raise bad("dense_act_fn", config["dense_act_fn"], "gelu_new")
    return {
        "vocabulary": whole(config, "vocab_size", 32128),
        "width": whole(config, "d_model", 512),
        "depth": layers(config, "num_layers", 6),
        "heads": whole(config, "num_heads", 8),
        "head_width": whole(config, "d_kv", 64),
        "hidden": whole(config, "d_ff", 2048),
        "buckets": whole(config, "relative_attention_num_buckets", 32, least=4),
        "distance": whole(config, "relative_attention_max_distance", 128, least=2),
        "eps": number(config, "layer_norm_epsilon", 1e-6),
    }


def from_original(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Any]:
    """Fields of a `T5Config` from a single file's shapes, in transformers' names or llama.cpp's.

    Raises:
        Refused: the shapes are no text encoder's.
    """
    table = _LLAMA if "token_embd.weight" in shapes else _SHARED if "shared.weight" in shapes else _EMBEDDED
    spots = {spot.name: shape for name, shape in shapes.items() if (spot := table.spot(name)) is not None}
    try:
        vocabulary, width = spots["words.weight"]
        buckets, heads = spots["positions.weight"]
        depth = row(spots, "blocks.")
        inner, _ = spots[f"blocks.{depth - 1}.attention.q.weight"]
        hidden, _ = spots[f"blocks.{depth - 1}.mlp.wi_0.weight"]
        sizes = {"vocabulary": vocabulary, "width": width, "depth": depth, "heads": heads, "head_width": inner // heads}
    except (KeyError, ValueError, ZeroDivisionError):
        raise Refused("the file's T5 encoder is damaged, or not of version 1.1", "name another file", "model") from None
    return sizes | {"hidden": hidden, "buckets": buckets}


def to_diffusers(fields: Mapping[str, Any]) -> dict[str, Any]:
    """transformers' config.json from all fields of a `T5Config`."""
    return {
        "architectures": ["T5EncoderModel"],
        "model_type": "t5",
        "feed_forward_proj": "gated-gelu",
        "dense_act_fn": "gelu_new",
        "is_gated_act": True,
        "vocab_size": fields["vocabulary"],
        "d_model": fields["width"],
        "num_layers": fields["depth"],
        "num_heads": fields["heads"],
        "d_kv": fields["head_width"],
        "d_ff": fields["hidden"],
        "relative_attention_num_buckets": fields["buckets"],
        "relative_attention_max_distance": fields["distance"],
        "layer_norm_epsilon": fields["eps"],
        "tie_word_embeddings": False,
        "decoder_start_token_id": 0,
        "pad_token_id": 0,
        "eos_token_id": 1,
    }
