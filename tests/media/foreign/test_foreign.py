"""Pictures of other programs tell what they tell, in plain fields; hostile texts tell nothing and cost nothing."""

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin

from unnoise.core.error import Refused
from unnoise.media.embed import read_metadata
from unnoise.media.foreign import READERS, told
from unnoise.media.foreign._told import Told


def expected(shared):
    listed = json.loads((shared / "fixtures" / "metadata" / "expected.json").read_text())["files"]
    return [entry for entry in listed if "generator" in entry]


def test_the_pictures_of_other_programs(shared):
    entries = expected(shared)
    assert {entry["generator"] for entry in entries} == {"AUTOMATIC1111", "ComfyUI", "Fooocus", "InvokeAI"}
    for entry in entries:
        found = told(read_metadata(shared / "fixtures" / "metadata" / entry["file"]))
        assert found is not None, entry["file"]
        (wanted,) = entry["samplers"]
        settings = wanted["parameters"]
        assert found.program == entry["generator"]
        assert found.sampler == wanted["name"]
        assert found.schedule == settings.get("scheduler", "")
        assert found.model == wanted["model"]["name"]
        assert found.prompt == wanted["prompts"][0]["value"]
        assert found.negative == (wanted.get("negative_prompts") or [{"value": ""}])[0]["value"]
        assert found.steps == int(settings["steps"])
        assert found.seed == int(settings["seed"])
        assert found.guidance == float(settings["cfg_scale"])
        assert found.strength == settings.get("denoise")


@pytest.mark.parametrize(
    ("file", "size"),
    [
        ("AUTOMATIC1111/automatic1111_cropped.png", (512, 400)),
        ("AUTOMATIC1111/automatic1111_cropped.jpg", (512, 400)),
        ("Fooocus/fooocus1_cropped.png", (768, 1280)),
        ("InvokeAI/invokeai_imeta1.png", (1024, 1024)),
        ("ComfyUI/img2img_cropped.png", (None, None)),  # it began from a picture, whose size the graph does not tell
    ],
)
def test_sizes(shared, file, size):
    found = told(read_metadata(shared / "fixtures" / "metadata" / file))
    assert (found.width, found.height) == size


def test_a_picture_that_tells_nothing(shared):
    assert told(read_metadata(shared / "fixtures" / "metadata" / "bad_images" / "empty_image.png")) is None
    with pytest.raises(Refused, match=r"empty_file\.png"):
        read_metadata(shared / "fixtures" / "metadata" / "bad_images" / "empty_file.png")


def test_a_request_holds_what_is_ours_to_understand(shared):
    found = told(read_metadata(shared / "fixtures" / "metadata" / "Fooocus" / "fooocus1_cropped.png"))
    assert found.request() == {
        "prompt": "a smiling goldfish",
        "steps": 30,
        "guidance": 4.0,
        "seed": 6952411511246973023,
        "width": 768,
        "height": 1280,
        "sampler": "dpmpp_2m_sde",
        "spacing": "karras",
    }
    assert Told(program="ComfyUI", sampler="sample_lms", schedule="normal").request() == {"sampler": "lms"}


def test_the_older_forms_of_invokeai():
    second = {
        "model_weights": "sd15",
        "image": {"prompt": [{"prompt": "a [dull] fox", "weight": 1}], "sampler": "k_lms", "steps": 9, "seed": 3,
                  "cfg_scale": 7.5, "width": 512, "height": 768},
    }  # fmt: skip
    wanted = {
        "program": "InvokeAI",
        "prompt": "a fox",
        "negative": "dull",
        "sampler": "k_lms",
        "steps": 9,
        "guidance": 7.5,
        "seed": 3,
        "width": 512,
        "height": 768,
    }
    assert told({"sd-metadata": json.dumps(second)}).values() == {**wanted, "model": "sd15"}
    assert told({"Dream": '"a [dull] fox" -s 9 -S3 -W 512 -H 768 -C 7.5 -A k_lms'}).values() == wanted


def graph(**nodes):
    made = {name: {"class_type": kind, "inputs": inputs} for name, (kind, inputs) in nodes.items()}
    return {"prompt": json.dumps(made)}


def test_a_graph_of_many_nodes():
    """Two samplers in a row, a number from a node of its own, and a node that hands on both prompts."""
    found = told(
        graph(
            save=("SaveImage", {"images": ["decode", 0]}),
            decode=("VAEDecode", {"samples": ["second", 0]}),
            second=("KSampler", {"seed": ["number", 0], "steps": ["count", 0], "cfg": 5, "sampler_name": "euler",
                                 "scheduler": "karras", "denoise": 0.4, "model": ["lora", 0],
                                 "positive": ["control", 0], "negative": ["control", 1],
                                 "latent_image": ["first", 0]}),
            first=("KSampler", {"seed": 1, "steps": 2, "cfg": 3, "sampler_name": "ddim", "scheduler": "normal",
                                "positive": ["good", 0], "negative": ["bad", 0], "latent_image": ["empty", 0]}),
            control=("ControlNetApplyAdvanced", {"strength": 1, "image": ["empty", 0], "positive": ["good", 0],
                                                 "negative": ["bad", 0]}),
            good=("CLIPTextEncode", {"text": ["typed", 0], "clip": ["lora", 1]}),
            typed=("String", {"value": "a fox\n"}),
            bad=("CLIPTextEncode", {"text": "blurry", "clip": ["lora", 1]}),
            lora=("LoraLoader", {"lora_name": "x", "model": ["file", 0]}),
            file=("CheckpointLoaderSimple", {"ckpt_name": "sd.safetensors"}),
            empty=("EmptyLatentImage", {"width": 640, "height": 384}),
            number=("PrimitiveInt", {"value": 77}),
            count=("PrimitiveInt", {"value": 12}),
        )
    )  # fmt: skip
    assert found == Told(
        program="ComfyUI",
        prompt="a fox",
        negative="blurry",
        sampler="euler",
        schedule="karras",
        steps=12,
        guidance=5.0,
        seed=77,
        model="sd.safetensors",
        width=640,
        height=384,
        strength=0.4,
    )


def test_a_graph_with_a_guider():
    found = told(
        graph(
            save=("SaveImage", {"images": ["sample", 0]}),
            sample=("SamplerCustomAdvanced", {"noise": ["noise", 0], "guider": ["guide", 0], "sampler": ["method", 0],
                                              "sigmas": ["sigmas", 0], "latent_image": ["empty", 0]}),
            noise=("RandomNoise", {"noise_seed": 5}),
            guide=("BasicGuider", {"model": ["file", 0], "conditioning": ["flux", 0]}),
            flux=("FluxGuidance", {"guidance": 3.5, "conditioning": ["text", 0]}),
            text=("CLIPTextEncode", {"text": "a fox", "clip": ["file", 0]}),
            method=("KSamplerSelect", {"sampler_name": "euler"}),
            sigmas=("BasicScheduler", {"scheduler": "simple", "steps": 4, "denoise": 1.0, "model": ["file", 0]}),
            file=("UNETLoader", {"unet_name": "flux.safetensors"}),
            empty=("EmptySD3LatentImage", {"width": 64, "height": 32}),
        )
    )  # fmt: skip
    assert (found.prompt, found.negative, found.sampler, found.schedule) == ("a fox", "", "euler", "simple")
    assert (found.seed, found.steps, found.guidance, found.model) == (5, 4, 3.5, "flux.safetensors")
    assert (found.width, found.height, found.strength) == (64, 32, None)


HOSTILE = {
    "deep": "[" * 100_000,
    "deep object": '{"a":' * 100_000,
    "cut": '{"3": {"inputs": {"seed": 1',
    "a number without end": '{"seed": ' + "9" * 10_000 + "}",
    "no number": '{"steps": NaN, "seed": Infinity, "width": -1, "cfg_scale": 1e999, "base_model": 1}',
    "other types": json.dumps({"base_model": [], "steps": {}, "seed": True, "prompt": 3, "model": "x", "image": []}),
    "a list": "[1, 2]",
    "half a character": '{"base_model": "x", "prompt": "\\ud800\\u0000"}',
    "nodes that are none": '{"1": 1, "2": {"class_type": [], "inputs": 3}, "3": {"class_type": "KSampler"}}',
}


@pytest.mark.parametrize("name", ["parameters", "prompt", "invokeai_metadata", "sd-metadata", "Dream", "comment"])
@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_hostile_texts_tell_nothing_wrong(name, text):
    found = told({name: text})
    assert found is None or all(v is None or v == v for v in found.values().values())
    json.dumps(found and found.values(), allow_nan=False).encode()


def test_a_graph_that_goes_round_in_circles():
    found = told(
        graph(
            a=("KSampler", {"positive": ["b", 0], "negative": ["a", 0], "latent_image": ["b", 0], "seed": ["b", 0]}),
            b=("Reroute", {"positive": ["a", 0], "x": ["b", 0]}),
        )
    )
    assert found == Told(program="ComfyUI")


def chain(length):
    """A graph of 4 MiB: a sampler whose inputs come through a long row of nodes, each linked to many."""
    row = {str(k): {"class_type": "R", "inputs": {n: [str(k + 1), 0] for n in "xyz"}} for k in range(length)}
    ends = {name: ["0", 0] for name in ("positive", "negative", "latent_image", "model", "seed", "steps", "cfg")}
    return json.dumps({"s": {"class_type": "KSampler", "inputs": ends}, **row})


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("parameters", "a" * 4_000_000),
        ("parameters", "Steps: 1, " + " " * 4_000_000),
        ("parameters", "ab:" * 1_300_000),
        ("prompt", chain(50_000)),
        ("sd-metadata", json.dumps({"image": {"prompt": "[" * 4_000_000}})),
        ("Dream", '"' + "[" * 4_000_000),
        ("Dream", '""' + " -s" * 1_300_000),
        ("invokeai_metadata", '{"a":[' + "{}," * 1_300_000 + "0]}"),
    ],
    ids=["letters", "blanks", "colons", "graph", "brackets", "words", "switches", "objects"],
)
def test_four_megabytes_of_anything_are_read_in_seconds(name, text):
    began = time.process_time()
    told({name: text})
    assert time.process_time() - began < 5


def test_a_text_that_unpacks_to_gigabytes_is_refused(tmp_path):
    chunks = PngImagePlugin.PngInfo()
    chunks.add_text("prompt", "a" * 100_000_000, zip=True)
    Image.new("L", (1, 1)).save(tmp_path / "bomb.png", pnginfo=chunks)
    assert (tmp_path / "bomb.png").stat().st_size < 200_000
    with pytest.raises(Refused, match=r"bomb\.png"):
        read_metadata(tmp_path / "bomb.png")


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=8,
)
KEYS = st.sampled_from(
    [
        "base_model",
        "steps",
        "seed",
        "prompt",
        "image",
        "model",
        "inputs",
        "class_type",
        "positive",
        "width",
        "resolution",
    ]
)


@given(st.sampled_from(["parameters", "prompt", "invokeai_metadata", "sd-metadata"]), st.dictionaries(KEYS, VALUES))
def test_any_json_is_read(name, values):
    found = told({name: json.dumps(values)})
    json.dumps(found and found.values(), allow_nan=False).encode()


@given(
    st.sampled_from(["parameters", "Dream", "comment"]), st.text(alphabet=st.characters() | st.sampled_from('"-[]sS '))
)
def test_any_text_is_read(name, text):
    found = told({name: text})
    json.dumps(found and found.values(), allow_nan=False).encode()


def test_every_reader_is_asked():
    assert set(READERS) == {"automatic1111", "comfyui", "fooocus", "invokeai"}
