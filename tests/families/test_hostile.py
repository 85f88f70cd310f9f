"""Settings of strangers that are damaged, hostile or simply of another kind: one line that names what is wrong."""

import json
import os

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from families.strangers import FLUX, INDEX, MMDIT, SCHEDULER, TEXT, UNET, VAE, folder, put, tensors, unet_shapes
from unnoise.catalogue import describe
from unnoise.core.error import Refused
from unnoise.families._noising import noising
from unnoise.families.sd1 import USUAL

DEEP = "[" * 100_000
CASES = {
    # model_index.json
    "index: no JSON": ("model_index.json", "{", "is no JSON"),
    "index: nested": ("model_index.json", DEEP, "nested too deeply"),
    "index: a list": ("model_index.json", [], "is no table"),
    "index: huge": ("model_index.json", '"' + "x" * 2**21 + '"', "too long"),
    "index: not UTF-8": ("model_index.json", "\udcff", "is no JSON"),
    "index: a name twice": ("model_index.json", '{"unet": 1, "unet": 2}', "stands twice"),
    "index: no class": ("model_index.json", {k: v for k, v in INDEX.items() if k != "_class_name"}, "class 'None'"),
    "index: unknown class": (
        "model_index.json",
        INDEX | {"_class_name": "WanPipeline"},
        "class 'WanPipeline': known are",
    ),
    "index: class a list": ("model_index.json", INDEX | {"_class_name": ["x"]}, "names the class"),
    "index: a module to import": ("model_index.json", INDEX | {"unet": ["os", "system"]}, "class 'system'"),
    "index: remote code": ("model_index.json", INDEX | {"unet": ["my_code", "MyUNet"]}, "class 'MyUNet'"),
    "index: a part too many": (
        "model_index.json",
        INDEX | {"prior": ["diffusers", "PriorTransformer"]},
        "part 'prior'",
    ),
    "index: a path as part": (
        "model_index.json",
        INDEX | {"../../etc": ["diffusers", "AutoencoderKL"]},
        "part '../../etc'",
    ),
    "index: one word": ("model_index.json", INDEX | {"vae": ["AutoencoderKL"]}, "does not name the class of 'vae'"),
    "index: numbers": ("model_index.json", INDEX | {"vae": [1, 2]}, "does not name the class of 'vae'"),
    "index: a text": ("model_index.json", INDEX | {"vae": "AutoencoderKL"}, "has 'vae': 'AutoencoderKL'"),
    "index: unknown setting": ("model_index.json", INDEX | {"trust_remote_code": True}, "trust_remote_code"),
    "index: no scheduler": ("model_index.json", INDEX | {"scheduler": [None, None]}, "names no scheduler"),
    "index: another tokenizer": (
        "model_index.json",
        INDEX | {"tokenizer": ["transformers", "LlamaTokenizer"]},
        "LlamaTokenizer",
    ),
    "index: no network": (
        "model_index.json",
        {k: v for k, v in INDEX.items() if k != "unet"},
        "names no diffusion network",
    ),
    # config.json
    "config: of another class": (
        "unet/config.json",
        UNET | {"_class_name": "UNet3DConditionModel"},
        "UNet3DConditionModel",
    ),
    "config: class a number": ("unet/config.json", UNET | {"_class_name": 7}, "known families"),
    "config: no JSON": ("unet/config.json", "nothing", "is no JSON"),
    "config: a number": ("unet/config.json", "7", "is no table"),
    "config: sample size": ("unet/config.json", UNET | {"sample_size": -1}, "sample_size"),
    "config: sample size a text": ("unet/config.json", UNET | {"sample_size": "64"}, "sample_size"),
    "config: sample size beyond all": ("unet/config.json", UNET | {"sample_size": 2**40}, "sample_size"),
    "config: channels": ("unet/config.json", UNET | {"in_channels": 7}, "3 channels beside its sample"),
    "config: of the vae": ("vae/config.json", VAE | {"block_out_channels": "wide"}, "block_out_channels"),
    "config: empty vae": ("vae/config.json", VAE | {"block_out_channels": []}, "block_out_channels"),
    "config: scale": ("vae/config.json", VAE | {"scaling_factor": "big"}, "scaling_factor"),
    # scheduler_config.json
    "scheduler: unknown": ("scheduler/scheduler_config.json", SCHEDULER | {"_class_name": "os.system"}, "'os.system'"),
    "scheduler: of flows": (
        "scheduler/scheduler_config.json",
        {"_class_name": "FlowMatchEulerDiscreteScheduler"},
        "a table of betas",
    ),
    "scheduler: unknown setting": ("scheduler/scheduler_config.json", SCHEDULER | {"use_magic": True}, "'use_magic'"),
    "scheduler: betas of its own": (
        "scheduler/scheduler_config.json",
        SCHEDULER | {"trained_betas": [0.1]},
        "trained_betas",
    ),
    "scheduler: betas beyond 1": (
        "scheduler/scheduler_config.json",
        SCHEDULER | {"beta_end": 3},
        "betas that are none",
    ),
    "scheduler: rows": (
        "scheduler/scheduler_config.json",
        SCHEDULER | {"num_train_timesteps": 10**9},
        "num_train_timesteps|betas that are none",
    ),
    "scheduler: not finite": (
        "scheduler/scheduler_config.json",
        '{"_class_name": "PNDMScheduler", "beta_end": NaN}',
        "beta_end",
    ),
    "scheduler: prediction": (
        "scheduler/scheduler_config.json",
        SCHEDULER | {"prediction_type": "magic"},
        "prediction_type",
    ),
    "scheduler: curve": ("scheduler/scheduler_config.json", SCHEDULER | {"beta_schedule": ["x"]}, "beta_schedule"),
    "scheduler: thresholding": ("scheduler/scheduler_config.json", SCHEDULER | {"thresholding": True}, "thresholding"),
    "scheduler: two curves": (
        "scheduler/scheduler_config.json",
        SCHEDULER | {"use_karras_sigmas": True, "use_beta_sigmas": True},
        "karras and beta at once",
    ),
    "scheduler: order": (
        "scheduler/scheduler_config.json",
        SCHEDULER | {"_class_name": "DPMSolverMultistepScheduler", "solver_order": 3},
        "solver_order",
    ),
    # weights
    "weights: cut short": ("unet/diffusion_pytorch_model.safetensors", "x", "no whole"),
    "weights: a pickle": (
        "vae/diffusion_pytorch_model.safetensors",
        "cos\nsystem\n(S'true'\ntR.",
        "diffusion_pytorch_model",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_a_folder_that_is_not_sound_is_refused_in_one_line(tmp_path, case):
    name, said, expected = CASES[case]
    path = folder(tmp_path / "model") / name
    if isinstance(said, str) and "\udcff" in said:
        path.write_bytes(b"\xff\xfe{}")
    else:
        put(path, said)
    with pytest.raises(Refused, match=expected) as refused:
        describe(str(tmp_path / "model"))
    assert "\n" not in str(refused.value) and len(str(refused.value)) < 800 and refused.value.remedy


@pytest.mark.parametrize(
    ("gone", "said"),
    [
        ("unet/config.json", "there is no file"),
        ("unet/diffusion_pytorch_model.safetensors", "holds no weights"),
        ("scheduler/scheduler_config.json", "there is no file"),
        ("vae", "is missing"),
    ],
)
def test_what_is_missing_is_named(tmp_path, gone, said):
    (folder(tmp_path) / gone).rename(tmp_path / "elsewhere")
    with pytest.raises(Refused, match=said) as refused:
        describe(str(tmp_path))
    assert gone.split("/")[0] in str(refused.value) and refused.value.remedy


def test_links_and_pipes_are_no_settings(tmp_path):
    folder(tmp_path)
    (tmp_path / "model_index.json").unlink()
    os.mkfifo(tmp_path / "model_index.json")
    with pytest.raises(Refused):
        describe(str(tmp_path))


SHAPES = {
    "u-net without an end": ({k: v for k, v in unet_shapes().items() if k != "out.2.weight"}, "lacks vae"),
    "u-net of odd channels": (unet_shapes(inner=7), "3 channels beside"),
    "u-net of no axes": ({**unet_shapes(), "input_blocks.0.0.weight": ()}, "lacks vae"),
    "mmdit without places": ({k: v for k, v in MMDIT.items() if k != "pos_embed"}, "pos_embed"),
    "mmdit of odd places": (MMDIT | {"pos_embed": (1, 63, 64)}, "do not go together"),
    "mmdit of no axes": (MMDIT | {"x_embedder.proj.weight": (64,)}, "x_embedder"),
    "flux with more channels": (FLUX | {"img_in.weight": (128, 384)}, "Fill, Depth or Canny"),
    "flux with a gap": (FLUX | {"double_blocks.5.img_mlp.0.weight": (1,)}, "double_blocks"),
    "flux of another head": (FLUX | {"double_blocks.0.img_attn.norm.key_norm.scale": (64,)}, "do not go together"),
}


@pytest.mark.parametrize("case", SHAPES)
def test_a_file_of_wrong_shapes_is_refused(tmp_path, case):
    from unnoise import load

    shapes, said = SHAPES[case]
    path = tensors(tmp_path / "x.safetensors", shapes)
    with pytest.raises(Refused, match=said):
        describe(str(path))
        load(str(path), "cpu")


@pytest.mark.parametrize(
    "name", ["model_index.json", "unet/config.json", "vae/config.json", "scheduler/scheduler_config.json"]
)
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_any_setting_is_read_or_refused(tmp_path, name, data):
    base = {"model_index.json": INDEX, "unet/config.json": UNET, "vae/config.json": VAE}.get(name, SCHEDULER)
    plain = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
    value = data.draw(plain | st.lists(plain, max_size=3) | st.dictionaries(st.text(max_size=3), plain, max_size=2))
    key = data.draw(st.sampled_from(sorted(base)) | st.text(max_size=8))
    path = tmp_path / "model"
    put((path if path.exists() else folder(path)) / name, json.dumps({**base, key: value}))
    try:
        assert describe(str(path)).width > 0
    except Refused as refused:
        assert "\n" not in str(refused)


@settings(max_examples=200)
@given(st.data())
def test_any_scheduler_s_setting_is_read_or_refused(data):
    from unnoise.families import _noising as known

    names = (*known.UNIT, *known.MULTISTEP, *known.EXPLODING, known.STRAIGHT)
    said = {"_class_name": data.draw(st.sampled_from(names)) + "Scheduler"}
    values = (
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats()
        | st.sampled_from(
            ["epsilon", "v_prediction", "leading", "linspace", "trailing", "linear", "zero", "sigma_min", "fixed_small"]
        )
    )
    said |= data.draw(st.dictionaries(st.sampled_from(sorted({*known.KNOWN, *known.PLAIN})), values, max_size=4))
    try:
        course = noising(said, USUAL.noising)
        assert course.parts() and course.sampler
    except Refused as refused:
        assert str(refused)


def test_text_config_is_read_when_the_model_is_loaded(tmp_path):
    from unnoise import load

    put(folder(tmp_path) / "text_encoder" / "config.json", TEXT | {"hidden_act": "magic"})
    with pytest.raises(Refused):
        load(str(tmp_path), "cpu")
