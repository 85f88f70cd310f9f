"""Small sets of pictures whose likeness is known."""

import torch

from unnoise.data.pictures import Pictures


def noise(count, seed=0, size=16, channels=3):
    return torch.randint(0, 256, (count, channels, size, size), generator=torch.Generator().manual_seed(seed)).byte()


def pictures(images, styles=("flat",), word="thing"):
    count = len(images)
    tags = tuple({"name": f"{word} {k}", "style": styles[k % len(styles)]} for k in range(count))
    captions = tuple((f"{word} {k}, {styles[k % len(styles)]} style",) for k in range(count))
    return Pictures(images, tuple(f"{word}-{k}" for k in range(count)), captions, tags)
