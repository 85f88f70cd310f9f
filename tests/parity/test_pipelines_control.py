"""ControlNets from the command line to the picture, beside diffusers' pipelines for Stable Diffusion 1 and XL."""

import numpy
import pytest
import torch
from PIL import Image

from parity import pipes
from parity.pipes import TABLE, Run, agree, ours, peers, randomised, theirs, vae

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")  # diffusers' own
HINT = (4, 8, 12, 16)
WIDE = Run(width=128, height=64, steps=4)


def codec(**changes):
    """An autoencoder of four levels: ControlNets look at 8 pixels a cell."""
    kinds = {"down_block_types": ("DownEncoderBlock2D",) * 4, "up_block_types": ("UpDecoderBlock2D",) * 4}
    return randomised(vae(block_out_channels=(32,) * 4, **kinds, **changes), 1)


def net(network, seed):
    """A ControlNet for a U-Net, whose findings are something and depend on the picture."""
    kind = peers()[0].ControlNetModel
    made = kind.from_unet(network, conditioning_embedding_out_channels=HINT, load_weights_from_unet=False)
    randomised(made, seed, 0.5)
    with torch.no_grad():
        for layer in (*made.controlnet_cond_embedding.blocks, made.controlnet_cond_embedding.conv_out):
            layer.weight *= 6.0
    return made


def picture(folder, name, size, seed):
    """Blobs of colour in a file."""
    small = numpy.random.default_rng(seed).integers(0, 256, (6, 9, 3), dtype=numpy.uint8)
    Image.fromarray(small).resize(size, Image.Resampling.BICUBIC).save(folder / name)
    return folder / name


@pytest.fixture(scope="module")
def sd1(tmp_path_factory):
    scheduler = peers()[0].DDIMScheduler(**TABLE, clip_sample=False, set_alpha_to_one=False)
    folder = tmp_path_factory.mktemp("control")
    plain, _ = pipes.saved_in(folder / "model", pipes.sd1(vae=codec(), scheduler=scheduler))
    nets = [net(plain.unet, seed) for seed in (5, 6, 7)]
    nets[2].register_to_config(global_pool_conditions=True)
    for k, each in enumerate(nets):
        each.save_pretrained(folder / f"net{k}")

    def pipeline(*which):
        chosen = [nets[k] for k in which]
        control = chosen[0] if len(chosen) == 1 else chosen
        return pipes.assembled(
            "StableDiffusionControlNetPipeline", **plain.components, requires_safety_checker=False, controlnet=control
        )

    return folder, pipeline


def given(path):
    return Image.open(path).convert("RGB")


def changed(*runs):
    """Runs that all lead to other latents, so that what they differ in matters."""
    latents = [run[0] for run in runs]
    return all((a - b).abs().max() > 1e-3 for i, a in enumerate(latents) for b in latents[:i])


def test_one_controlnet_with_and_without_guidance(sd1, tmp_path):
    folder, pipeline = sd1
    image = picture(tmp_path, "one.png", (128, 64), 1)
    more = {"image": given(image), "controlnet_conditioning_scale": 0.7}
    runs = []
    for guidance, negative in ((5.0, WIDE.negative), (1.0, "")):
        run = Run(width=128, height=64, steps=4, guidance=guidance, negative=negative, more=more)
        runs.append(ours(tmp_path, folder / "model", run, "--control", f"{folder}/net0:image={image},weight=0.7"))
        agree(runs[-1], theirs(pipeline(0), run))
    other = picture(tmp_path, "other.png", (128, 64), 2)
    looked = ours(tmp_path, folder / "model", WIDE, "--control", f"{folder}/net0:image={other},weight=0.7")
    assert changed(*runs, looked, ours(tmp_path, folder / "model", WIDE))


@pytest.mark.parametrize(("start", "end"), [(0.25, 1.0), (0.0, 0.5), (0.3, 0.8)])
def test_it_acts_in_a_part_of_the_run_only(sd1, tmp_path, start, end):
    folder, pipeline = sd1
    image = picture(tmp_path, "one.png", (128, 64), 1)
    more = {"image": given(image), "control_guidance_start": start, "control_guidance_end": end}
    run = Run(width=128, height=64, steps=5, more=more)
    made = ours(tmp_path, folder / "model", run, "--control", f"{folder}/net0:image={image},start={start},end={end}")
    agree(made, theirs(pipeline(0), run))
    assert changed(made, ours(tmp_path, folder / "model", run, "--control", f"{folder}/net0:image={image}"))


def test_two_controlnets_each_with_its_own_picture_weight_and_part(sd1, tmp_path):
    folder, pipeline = sd1
    images = [picture(tmp_path, f"{k}.png", (64, 128), k) for k in range(2)]
    more = {
        "image": [given(path) for path in images],
        "controlnet_conditioning_scale": [0.8, 0.3],
        "control_guidance_start": [0.0, 0.25],
        "control_guidance_end": [0.75, 1.0],
    }
    run = Run(width=64, height=128, steps=4, more=more)
    first = f"{folder}/net0:image={images[0]},weight=0.8,end=0.75"
    second = f"{folder}/net1:start=0.25,weight=0.3,image={images[1]}"
    made = ours(tmp_path, folder / "model", run, "--control", first, "--control", second)
    agree(made, theirs(pipeline(0, 1), run))


def test_a_picture_of_another_size_is_brought_to_the_right_one_as_theirs(sd1, tmp_path):
    folder, pipeline = sd1
    for size in ((40, 90), (300, 200)):
        image = picture(tmp_path, "odd.png", size, 1)
        run = Run(width=128, height=64, steps=2, more={"image": given(image)})
        made = ours(tmp_path, folder / "model", run, "--control", f"{folder}/net0:image={image}")
        agree(made, theirs(pipeline(0), run))


def test_one_whose_findings_are_averaged_acts_on_the_prompt_alone(sd1, tmp_path):
    folder, pipeline = sd1
    image = picture(tmp_path, "one.png", (128, 64), 1)
    run = Run(width=128, height=64, steps=3, more={"image": given(image)})
    agree(ours(tmp_path, folder / "model", run, "--control", f"{folder}/net2:image={image}"), theirs(pipeline(2), run))


@pytest.mark.parametrize("name", ["diffusers.safetensors", "original.safetensors", "original.pth", "whole.safetensors"])
def test_a_single_file_is_the_same_controlnet(sd1, tmp_path, name):
    """diffusers' tensors without their config.json; the original's names; those beside the model they were made for."""
    from safetensors.torch import load_file, save_file

    from unnoise.networks.controlnet import ControlNetConfig
    from unnoise.weights.maps import controlnet as maps

    folder, _ = sd1
    image = picture(tmp_path, "one.png", (128, 64), 1)
    tensors = load_file(folder / "net0" / "diffusion_pytorch_model.safetensors")
    if not name.startswith("diffusers"):
        settings = ControlNetConfig(**maps.from_shapes({k: v.shape for k, v in tensors.items()}), heads=(8, 8))
        ours_of = maps.diffusers(settings).ours(tensors)
        back = maps.original(settings).theirs({k: ours_of[k] for k in ours_of})
        tensors = {f"control_model.{k}": v.contiguous() for k, v in back.items()}
    if name.startswith("whole"):
        tensors |= {"model.diffusion_model.out.2.bias": torch.ones(3), "betas": torch.ones(2)}
    if name.endswith("pth"):
        torch.save({"state_dict": tensors}, tmp_path / name)
    else:
        save_file(tensors, tmp_path / name)
    options = ["--control", f"{tmp_path / name}:image={image}"]
    made = ours(tmp_path, folder / "model", WIDE, *options)[0]
    expected = ours(tmp_path, folder / "model", WIDE, "--control", f"{folder}/net0:image={image}")[0]
    assert torch.equal(made, expected)


def test_stable_diffusion_xl(tmp_path):
    plain, _ = pipes.saved_in(tmp_path / "model", pipes.sdxl(vae=codec(scaling_factor=0.13025)))
    control = net(plain.unet, 5)
    control.save_pretrained(tmp_path / "net")
    kind = "StableDiffusionXLControlNetPipeline"
    pipeline = pipes.assembled(kind, **plain.components, controlnet=control, add_watermarker=False)
    image = picture(tmp_path, "one.png", (128, 64), 1)
    more = {"image": given(image), "controlnet_conditioning_scale": 0.6, "control_guidance_end": 0.75}
    run = Run(width=128, height=64, steps=4, more=more)
    made = ours(tmp_path, tmp_path / "model", run, "--control", f"{tmp_path}/net:image={image},weight=0.6,end=0.75")
    agree(made, theirs(pipeline, run))
    assert changed(made, ours(tmp_path, tmp_path / "model", WIDE))
