"""Models carried from diffusers' folders to single files and back: the same tensors, and the same pictures there."""

import warnings

import pytest
import torch
from safetensors.torch import load_file, save_file

from parity.pipes import Run, clip, clip_tokenizer, peers, randomised, t5, t5_tokenizer, theirs, unet, vae
from unnoise.cli.main import main

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")  # diffusers' own

TABLE = {"beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012, "steps_offset": 1}
LINEAR = {"attention_head_dim": (1, 1), "block_out_channels": (64, 64), "use_linear_projection": True}
WIDE = {"projects": True, "hidden_act": "gelu", "hidden_size": 128, "projection_dim": 128, "num_attention_heads": 2}
"""The second text encoder: as in the published ones, its width tells it from the first."""
BARE = {"use_quant_conv": False, "use_post_quant_conv": False}
NO_CHECKER = {"safety_checker": None, "feature_extractor": None, "requires_safety_checker": False}


def sd1(library, folder, shared):
    return library.StableDiffusionPipeline(
        vae=randomised(vae(), 1),
        text_encoder=randomised(clip(), 2),
        tokenizer=clip_tokenizer(folder / "words"),
        unet=randomised(unet(attention_head_dim=8), 3),
        scheduler=library.PNDMScheduler(**TABLE, skip_prk_steps=True),
        **NO_CHECKER,
    )


def sd2(library, folder, shared):
    return library.StableDiffusionPipeline(
        vae=randomised(vae(), 1),
        text_encoder=randomised(clip(hidden_act="gelu"), 2),
        tokenizer=clip_tokenizer(folder / "words", "!"),
        unet=randomised(unet(**LINEAR), 3),
        scheduler=library.DDIMScheduler(
            **TABLE, prediction_type="v_prediction", clip_sample=False, set_alpha_to_one=False
        ),
        **NO_CHECKER,
    )


def xl(count):
    told = {"addition_embed_type": "text_time", "addition_time_embed_dim": 8}
    levels = {"down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D")}
    levels |= {"up_block_types": ("CrossAttnUpBlock2D", "UpBlock2D"), "transformer_layers_per_block": (1, 2)}
    width = 64 + 128 if count == 6 else 128
    return unet(
        **LINEAR, **told, **levels, cross_attention_dim=width, projection_class_embeddings_input_dim=128 + count * 8
    )


def sdxl(library, folder, shared):
    return library.StableDiffusionXLPipeline(
        vae=randomised(vae(scaling_factor=0.13025), 1),
        text_encoder=randomised(clip(), 2),
        text_encoder_2=randomised(clip(**WIDE), 4),
        tokenizer=clip_tokenizer(folder / "words"),
        tokenizer_2=clip_tokenizer(folder / "more words", "!"),
        unet=randomised(xl(6), 3),
        scheduler=library.EulerDiscreteScheduler(**TABLE, timestep_spacing="leading"),
        add_watermarker=False,
    )


def refiner(library, folder, shared):
    return library.StableDiffusionXLImg2ImgPipeline(
        vae=randomised(vae(scaling_factor=0.13025), 1),
        text_encoder=None,
        text_encoder_2=randomised(clip(**WIDE), 4),
        tokenizer=None,
        tokenizer_2=clip_tokenizer(folder / "more words", "!"),
        unet=randomised(xl(5), 3),
        scheduler=library.EulerDiscreteScheduler(**TABLE, timestep_spacing="leading"),
        requires_aesthetics_score=True,
        force_zeros_for_empty_prompt=False,
        add_watermarker=False,
    )


def sd3(library, folder, shared):
    sizes = {"sample_size": 16, "patch_size": 2, "in_channels": 16, "num_layers": 2, "attention_head_dim": 64}
    widths = {"num_attention_heads": 1, "joint_attention_dim": 192, "caption_projection_dim": 64}
    more = {"pooled_projection_dim": 192, "out_channels": 16, "pos_embed_max_size": 24, "qk_norm": "rms_norm"}
    network = library.SD3Transformer2DModel(**sizes, **widths, **more, dual_attention_layers=(0,))
    return library.StableDiffusion3Pipeline(
        vae=randomised(vae(16, scaling_factor=1.5305, shift_factor=0.0609, **BARE), 1),
        text_encoder=randomised(clip(projects=True), 2),
        text_encoder_2=randomised(clip(**WIDE), 4),
        text_encoder_3=randomised(t5(d_model=192), 5),
        tokenizer=clip_tokenizer(folder / "words"),
        tokenizer_2=clip_tokenizer(folder / "more words", "!"),
        tokenizer_3=t5_tokenizer(shared),
        transformer=randomised(network, 3),
        scheduler=library.FlowMatchEulerDiscreteScheduler(shift=3.0),
    )


def flux(library, folder, shared):
    sizes = {"in_channels": 64, "num_layers": 1, "num_single_layers": 2, "attention_head_dim": 128}
    widths = {"num_attention_heads": 1, "joint_attention_dim": 64, "pooled_projection_dim": 64}
    network = library.FluxTransformer2DModel(**sizes, **widths, guidance_embeds=True)
    return library.FluxPipeline(
        vae=randomised(vae(16, scaling_factor=0.3611, shift_factor=0.1159, **BARE), 1),
        text_encoder=randomised(clip(), 2),
        text_encoder_2=randomised(t5(), 5),
        tokenizer=clip_tokenizer(folder / "words"),
        tokenizer_2=t5_tokenizer(shared),
        transformer=randomised(network, 3),
        scheduler=library.FlowMatchEulerDiscreteScheduler(shift=3.0, use_dynamic_shifting=True),
    )


MAKERS = {"sd1": sd1, "sd2": sd2, "sdxl": sdxl, "refiner": refiner, "sd3": sd3, "flux": flux}
NETWORKS = ("unet", "transformer", "vae", "text_encoder", "text_encoder_2", "text_encoder_3")


@pytest.fixture(scope="module", params=MAKERS)
def there(request, tmp_path_factory, shared):
    """A pipeline, the folder that it saved itself to, our single file of that, and our folder of the single file."""
    folder = tmp_path_factory.mktemp(request.param)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pipeline = MAKERS[request.param](peers()[0], folder, shared)
        pipeline.save_pretrained(folder / "theirs")
    tokens = ["--part", f"tokenizer={shared / 'fixtures' / 'tokenizers' / 't5_tokenizer.json'}"]
    convert(folder / "theirs", folder / "single.safetensors")
    convert(folder / "single.safetensors", folder / "ours", *tokens * (request.param in ("sd3", "flux")))
    return pipeline, folder


def convert(*words):
    assert main(["convert", *map(str, words)]) == 0


def loaded(folder, **without):
    """The pipeline in a folder, as diffusers loads it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return peers()[0].DiffusionPipeline.from_pretrained(folder, local_files_only=True, **without)


def tensors(pipeline):
    parts = {name: getattr(pipeline, name, None) for name in NETWORKS}
    return {f"{n}.{k}": v for n, module in parts.items() if module is not None for k, v in module.state_dict().items()}


def same(mine, others):
    return mine.keys() == others.keys() and all(
        mine[k].dtype == v.dtype and torch.equal(mine[k], v) for k, v in others.items()
    )


def test_there_and_back_it_is_the_same_pipeline(there):
    pipeline, folder = there
    back = loaded(folder / "ours")
    assert type(back) is type(pipeline)
    assert same(tensors(back), tensors(pipeline))
    for name in pipeline.components:
        if "tokenizer" in name and getattr(pipeline, name) is not None:
            mine, other = (
                getattr(p, name)("A red Fox, in 12 snows!", padding="max_length", max_length=77)
                for p in (back, pipeline)
            )
            assert mine["input_ids"] == other["input_ids"]


def test_there_and_back_it_makes_the_same_picture(there):
    pipeline, folder = there
    back, run = loaded(folder / "ours"), Run(steps=2, width=48)
    if "Flux" in type(pipeline).__name__ or "Img2Img" in type(pipeline).__name__:
        run = Run(steps=2, width=48, negative="")
    if "Img2Img" in type(pipeline).__name__:
        picture = torch.rand(1, 3, 32, 48, generator=torch.Generator().manual_seed(1))
        made = [refined(p, picture) for p in (back, pipeline)]
    else:
        made = [theirs(p, run)[0] for p in (back, pipeline)]
    far = (made[0] - made[1]).abs().max() / made[1].abs().max()
    assert far < 1e-5  # not 0: how fast sums are made, and in which order, depends on where in memory tensors lie


def refined(pipeline, picture):
    pipeline.set_progress_bar_config(disable=True)
    draw = torch.Generator().manual_seed(3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pipeline("a fox", image=picture, num_inference_steps=4, generator=draw, output_type="latent").images


def test_their_own_reader_of_single_files_takes_ours(there):
    pipeline, folder = there
    if "Flux" in type(pipeline).__name__:
        pytest.skip("their reader knows a Flux of the published width alone, which test_flux.py compares")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        read = type(pipeline).from_single_file(
            str(folder / "single.safetensors"), config=str(folder / "theirs"), local_files_only=True
        )
    mine, others = tensors(read), tensors(pipeline)
    if "Diffusion3" in type(pipeline).__name__:  # there they put ones in this one's place, whatever the file has
        mine["text_encoder.text_projection.weight"] = others["text_encoder.text_projection.weight"]
    assert same(mine, others)


@pytest.mark.parametrize("there", ["sd3"], indirect=True)
def test_a_text_encoder_that_projects_nothing_says_so(there, tmp_path):
    """Single files of SD 3 may have CLIP L without its projection; in diffusers' folders it always has one."""
    name = "text_encoders.clip_l.transformer.text_projection.weight"
    held = load_file(there[1] / "single.safetensors")
    held = {k: v for k, v in held.items() if not k.startswith("text_encoders.t5xxl.")}
    wide = held.pop(name).shape[0]
    save_file(held, tmp_path / "less.safetensors")
    convert(tmp_path / "less.safetensors", tmp_path / "folder")
    back = loaded(tmp_path / "folder", text_encoder_3=None, tokenizer_3=None)  # it has to be told even of its own
    assert torch.equal(back.text_encoder.text_projection.weight, torch.eye(wide))


@pytest.mark.parametrize("there", ["sd3"], indirect=True)
def test_a_tokenizer_that_is_missing_is_told_before_anything_is_written(there, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("UNNOISE_HOME", str(tmp_path / "home"))
    assert main(["convert", str(there[1] / "single.safetensors"), str(tmp_path / "folder")]) == 2
    said = capsys.readouterr().err
    assert "has no tokenizer for T5" in said and "--part tokenizer=PATH" in said
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("there", ["sd2"], indirect=True)
def test_a_single_file_of_sd2_has_the_layer_that_is_never_used(there):
    """All that read such files leave the last one out."""
    names = load_file(there[1] / "single.safetensors")
    layers = {n.split(".")[4] for n in names if n.startswith("cond_stage_model.model.transformer.resblocks.")}
    assert len(layers) == there[0].text_encoder.config.num_hidden_layers + 1


@pytest.mark.parametrize("there", ["sd1"], indirect=True)
def test_a_folder_in_another_type_loads_in_that(there, tmp_path):
    """Their own configs name a type, which would be believed."""
    convert(there[1] / "theirs", tmp_path / "folder", "--dtype", "bfloat16")
    encoder = peers()[1].CLIPTextModel.from_pretrained(tmp_path / "folder" / "text_encoder")
    assert encoder.dtype == torch.bfloat16
    mine, others = encoder.state_dict(), there[0].text_encoder.state_dict()
    assert same(mine, {k: v.bfloat16() for k, v in others.items()})
