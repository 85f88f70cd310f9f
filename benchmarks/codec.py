"""How much of a picture codecs keep: decibels on held-out emoji, ours beside published tiny autoencoders.

    python benchmarks/codec.py DATA [--ours FILE ...] [--tiny ENCODER DECODER] [--size 128] [--split heldout]

DATA is a folder of pictures as training takes it. Each picture is encoded, decoded, clamped and compared in RGB; the
figure is the mean of the pictures' PSNR, peak 255, in float32 and without rounding. The noise column adds a deviation
of 0.1 to latents of unit variance before decoding. `numbers` are the latent's, as a share of the picture's.
"""

import argparse
from pathlib import Path

import torch
from torch import Tensor, nn

from machine import describe
from unnoise.catalogue import place
from unnoise.data.pictures import load
from unnoise.data.source import open_source
from unnoise.networks import CODECS
from unnoise.networks.taesd import TAESD, TAESDConfig
from unnoise.weights.parts import read_part
from unnoise.weights.store import read_tensors


def decibels(made: Tensor, media: Tensor) -> Tensor:
    """The PSNR (N,) of pictures (N, C, H, W) in [-1, 1]."""
    return 10 * torch.log10(4 / (made.clamp(-1, 1) - media).square().flatten(1).mean(1))


def tiny(encoder: Path, decoder: Path) -> nn.Module:
    """A published tiny autoencoder, its kind told by its shapes."""
    halves = [{k: v.float() for k, v in read_tensors(path).items()} for path in (encoder, decoder)]
    pooled = any("pool" in name for name in halves[0])
    codec = TAESD(TAESDConfig(channels=halves[1]["1.weight"].shape[1], pooled=pooled))
    codec.encoder.load_state_dict(halves[0])
    codec.decoder.load_state_dict(halves[1])
    return codec.eval()


@torch.no_grad()
def row(codec: nn.Module, images: Tensor) -> str:
    kept, noisy = [], []
    for some in images.split(32):
        media = some.float() / 127.5 - 1
        sample = codec.encode(media)
        spread = sample.std((0, 2, 3), keepdim=True)
        jitter = 0.1 * spread * torch.randn(sample.shape, generator=torch.Generator().manual_seed(0))
        kept.append(decibels(codec.decode(sample), media))
        noisy.append(decibels(codec.decode(sample + jitter), media))
    share = codec.channels / codec.scale**2 / images.shape[1]
    millions = sum(p.numel() for p in codec.parameters()) / 1e6
    every = torch.cat(kept)
    worst = float(every.quantile(0.05))
    return f"{millions:.1f} M | 1/{1 / share:.0f} | {every.mean():.2f} | {worst:.2f} | {torch.cat(noisy).mean():.2f}"


def main() -> None:
    parser = argparse.ArgumentParser(description="Codecs on held-out pictures")
    parser.add_argument("data", type=Path)
    parser.add_argument("--ours", type=Path, nargs="*", default=[])
    parser.add_argument("--tiny", type=Path, nargs=2, action="append", default=[])
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--split", default="heldout")
    asked = parser.parse_args()
    images = load(open_source(asked.data, asked.split, captionless=True), asked.size).images
    print("| codec | weights | numbers | dB, mean | dB, 5 of 100 are below | dB, with noise |")
    print("| --- | --- | --- | --- | --- | --- |")
    for path in asked.ours:
        print(f"| {path.stem} | {row(read_part(path, 'codec', CODECS, place('cpu')), images)} |")
    for encoder, decoder in asked.tiny:
        print(f"| {encoder.stem.removesuffix('_encoder')} | {row(tiny(encoder, decoder), images)} |")
    print(f"\n{len(images)} pictures of {asked.size} pixels, split {asked.split}. {describe()}")


if __name__ == "__main__":
    main()
