"""From a path to a `Source`: a file, a diffusers pipeline's folder, or one network's folder.

model_index.json is data: the classes it names are looked up in the tables here, and never imported.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from unnoise.core.error import Refused
from unnoise.families._source import Reading, Source, Stored, stored
from unnoise.families._stated import own_source
from unnoise.weights.header import read_header
from unnoise.weights.sharded import weights_in
from unnoise.weights.table import read_table

PIPELINES = (
    "StableDiffusionPipeline",
    "StableDiffusionImg2ImgPipeline",
    "StableDiffusionInpaintPipeline",
    "StableDiffusionInstructPix2PixPipeline",
    "StableDiffusionXLPipeline",
    "StableDiffusionXLImg2ImgPipeline",
    "StableDiffusionXLInpaintPipeline",
    "StableDiffusionXLInstructPix2PixPipeline",
    "StableDiffusion3Pipeline",
    "StableDiffusion3Img2ImgPipeline",
    "StableDiffusion3InpaintPipeline",
    "FluxPipeline",
    "FluxImg2ImgPipeline",
    "FluxInpaintPipeline",
)
NETWORKS: Mapping[str, tuple[str, ...]] = {
    "unet": ("UNet2DConditionModel",),
    "transformer": ("SD3Transformer2DModel", "FluxTransformer2DModel"),
    "vae": ("AutoencoderKL",),
    "text_encoder": ("CLIPTextModel", "CLIPTextModelWithProjection"),
    "text_encoder_2": ("CLIPTextModel", "CLIPTextModelWithProjection", "T5EncoderModel"),
    "text_encoder_3": ("T5EncoderModel",),
}
"""The folders that hold tensors, and the classes that each may be of."""
_CLIP, _T5 = ("CLIPTokenizer", "CLIPTokenizerFast"), ("T5Tokenizer", "T5TokenizerFast")
TOKENIZERS: Mapping[str, tuple[str, ...]] = {
    "tokenizer": _CLIP,
    "tokenizer_2": _CLIP + _T5,
    "tokenizer_3": _T5,
}
UNUSED = ("safety_checker", "feature_extractor", "image_encoder")
"""Folders that have no part in a picture made from words."""


def read_source(path: Path, reading: Reading | None = None) -> Source:
    """What there is to read a model from, and the parts that are given beside it.

    Raises:
        Refused: a file cannot be read, or a folder is none that we know.
    """
    reading = reading or Reading()
    if path.is_dir():
        found = _pipeline(path) if (path / "model_index.json").exists() else _one(path)
    else:
        found = own_source(Source(path=path, whole=stored(path)), reading)
    given: dict[str, Sequence[Source]] = {}
    for role, paths in reading.parts.items():
        given[role] = [_tokens(p) if role == "tokenizer" else read_source(p) for p in paths]
    return replace(found, given=given, reading=reading)


def _one(path: Path) -> Source:
    """One network's folder."""
    if not (path / "config.json").exists():
        what = f"{path} is a folder without a model_index.json or a config.json"
        raise Refused(what, "name a model's file, or a folder as diffusers saves it", "model")
    return Source(path=path, folders={"": stored(path)})


def _tokens(path: Path) -> Source:
    return Source(path=path, tokenizers={path.name: path})


def _pipeline(path: Path) -> Source:
    index = read_table(path / "model_index.json")
    _check_class("model_index.json", index.get("_class_name"), PIPELINES)
    folders: dict[str, Stored] = {}
    tokenizers: dict[str, Path] = {}
    scheduler = None
    for name, said in index.items():
        if name.startswith("_") or not isinstance(said, list):
            _check_setting(name, said)
        elif (named := _class(name, cast(list[Any], said))) is None or name in UNUSED:
            continue
        elif name in NETWORKS:
            _check_class(f"model_index.json, {name}", named, NETWORKS[name])
            folders[name] = _network(path / name, named)
        elif name in TOKENIZERS:
            _check_class(f"model_index.json, {name}", named, TOKENIZERS[name])
            tokenizers[name] = path / name
        elif name == "scheduler":
            scheduler = read_table(path / name / "scheduler_config.json")
        else:
            raise Refused(f"model_index.json names a part {name[:60]!r}", _NO_PLACE, "model")
    return Source(path=path, folders=folders, index=index, scheduler=scheduler, tokenizers=tokenizers)


_NO_PLACE = "no model that we know has such a part"
SETTINGS = ("force_zeros_for_empty_prompt", "requires_safety_checker", "requires_aesthetics_score", "add_watermarker")
"""What a pipeline says of itself beside its parts."""


def _check_setting(name: str, said: Any) -> None:
    """See that what is no part is a note or a setting that we know."""
    if name.startswith("_") or (name in SETTINGS and isinstance(said, bool | None)):
        return
    if said is None and (name in UNUSED or name in NETWORKS or name in TOKENIZERS):
        return
    raise Refused(f"model_index.json has {name[:60]!r}: {str(said)[:40]!r}", "no such setting is known", "model")


def _class(name: str, said: list[Any]) -> str | None:
    """The class of a part; None where it was left out."""
    if len(said) != 2 or not all(word is None or isinstance(word, str) for word in said):
        raise Refused(f"model_index.json does not name the class of {name[:60]!r}", "the file is damaged", "model")
    if said[1] is None and name == "scheduler":
        raise Refused("model_index.json names no scheduler", "the folder is not complete", "model")
    return said[1]


def _check_class(where: str, named: Any, known: Sequence[str]) -> None:
    if named not in known:
        what = f"{where} names the class {str(named)[:60]!r}"
        raise Refused(what, f"known are {', '.join(known)}", "model")


def _network(folder: Path, named: str) -> Stored:
    """A part of a pipeline.

    Raises:
        Refused: it is missing, or its config is of another class than the index says.
    """
    if not folder.is_dir():
        raise Refused(f"the folder {folder} is missing", "the model is not complete; download it", "model")
    config = read_table(folder / "config.json")
    found = Stored(read_header(weights_in(folder)), "", config)
    if found.kind and found.kind != named:
        what = f"{folder / 'config.json'} is of the class {found.kind[:60]!r}"
        raise Refused(what, f"model_index.json says {named}", "model")
    return found
