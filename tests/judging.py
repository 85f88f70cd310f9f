"""A tiny judge with random weights, its towers wide enough to tell things apart, and its file."""

from pathlib import Path

import torch

from building import reader, stirred
from unnoise.networks.eye import Eye, EyeConfig
from unnoise.weights.parts import export_parts
from unnoise.weights.store import write_tensors


def towers(seed=0):
    torch.manual_seed(seed)
    eye = stirred(Eye(EyeConfig(size=16, patch=2, widths=(8, 12), out=16)), 0.2)
    return eye.requires_grad_(False).eval(), reader(Eye.Condition).requires_grad_(False).eval()


def judge_file(folder: Path, name: str = "judge") -> Path:
    eye, text = towers()
    path = folder / f"{name}.safetensors"
    write_tensors(path, *export_parts({"eye": eye, "text": text}, torch.float32, {"title": "t"}, text.vocabulary))
    return path
