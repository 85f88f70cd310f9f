"""Settings and shapes of text encoders and autoencoders from strangers: read, or refused in one line; never a bomb."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unnoise.core.error import Refused
from unnoise.weights.maps import clip, kl, t5, taesd

SETTINGS = {
    clip: ("vocab_size", "hidden_size", "num_hidden_layers", "hidden_act", "architectures", "eos_token_id"),
    t5: ("feed_forward_proj", "d_model", "num_layers", "num_heads", "dense_act_fn", "layer_norm_epsilon"),
    kl: ("block_out_channels", "layers_per_block", "down_block_types", "latents_mean", "scaling_factor", "act_fn"),
    taesd: ("latent_channels", "encoder_block_out_channels", "act_fn"),
}
SHAPES = {
    clip: (
        *("text_model.embeddings.token_embedding.weight", "text_model.embeddings.position_embedding.weight"),
        *("text_model.encoder.layers.0.mlp.fc1.weight", "text_model.encoder.layers.9999999.mlp.fc1.weight"),
        *("positional_embedding", "token_embedding.weight", "transformer.resblocks.0.mlp.c_fc.weight"),
        *("text_projection", "text_projection.weight", "transformer.resblocks.x.mlp.c_fc.weight"),
    ),
    t5: (
        *("shared.weight", "token_embd.weight", "encoder.embed_tokens.weight"),
        "encoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight",
        *(f"encoder.block.{n}.layer.0.SelfAttention.q.weight" for n in (0, 1, 9999999)),
        *(f"encoder.block.{n}.layer.1.DenseReluDense.wi_0.weight" for n in (0, 1)),
    ),
    kl: (
        *("encoder.conv_in.weight", "decoder.conv_in.weight", "quant_conv.weight"),
        *(f"encoder.down.{level}.block.{n}.conv1.weight" for level in range(3) for n in range(2)),
    ),
}
values = st.none() | st.booleans() | st.integers(-2, 2**40) | st.floats() | st.text(max_size=5)
values = values | st.lists(values, max_size=3) | st.sampled_from(["gelu", "silu", "gated-gelu", [32, 64], [64], 768])
shapes = st.lists(st.integers(0, 4), max_size=4).map(tuple)


@pytest.mark.parametrize("maps", SETTINGS, ids=lambda m: m.__name__.rsplit(".", 1)[-1])
@given(st.data())
def test_settings_are_read_or_refused(maps, data):
    config = data.draw(st.dictionaries(st.sampled_from(SETTINGS[maps]), values))
    try:
        fields = maps.from_diffusers(config)
    except Refused as error:
        assert "\n" not in str(error)
    else:
        assert all(fields.get(name, 1) < 1000 for name in ("depth", "blocks"))


@pytest.mark.parametrize("maps", SHAPES, ids=lambda m: m.__name__.rsplit(".", 1)[-1])
@given(st.data())
def test_shapes_are_read_or_refused(maps, data):
    found = data.draw(st.dictionaries(st.sampled_from(SHAPES[maps]), shapes))
    try:
        fields = maps.from_original(found)
    except Refused as error:
        assert "\n" not in str(error)
    else:
        assert fields.get("depth", 1) <= len(found) and fields.get("blocks", 1) <= len(found)
