"""What the recipe `emoji_judge` is made of."""

from itertools import chain
from pathlib import Path

import torch

from unnoise.data.augment import Augment
from unnoise.data.captions import Variants
from unnoise.data.pictures import Pictures, load
from unnoise.data.source import open_source
from unnoise.networks.eye import Eye, EyeConfig
from unnoise.recipes._heads import heads
from unnoise.recipes._heldout import held_out
from unnoise.recipes.emoji_judge import EmojiJudge
from unnoise.text._vocabulary import learn
from unnoise.text.transformer import TransformerConditioner, TransformerConfig
from unnoise.train.objectives.contrastive import Contrastive
from unnoise.train.optimizers import Optimizing
from unnoise.train.run import Every, Run
from unnoise.train.subjects.judge import Judge, things_of

WORDS = 2048

# Keywords carry over to things that were never seen, as names hardly do: "animal" and "fruit" are what an unknown name
# is guessed by.
CAPTIONS = Variants(name=0.45, styled=0.2, detailed=0.2, keywords=0.15)


def run(recipe: EmojiJudge, data: Path, device: str) -> Run:
    sizes = TransformerConfig(
        vocabulary=WORDS, window=32, width=recipe.width, depth=recipe.depth, heads=heads(recipe.width)
    )
    pictures = load(open_source(data, "train+extra" if recipe.extra else "train"), recipe.size)
    heldout = held_out(data, recipe.size)
    torch.manual_seed(recipe.seed)
    media = int(pictures.images.shape[1])
    eye = Eye(EyeConfig(size=recipe.size, media=media, widths=recipe.widths, blocks=recipe.blocks, out=recipe.width))
    text = TransformerConditioner(sizes, learn(_said(pictures), WORDS), Eye.Condition)
    objective = Contrastive(
        eye=eye.to(device), text=text.to(device), augment=Augment(ground=recipe.ground), autocast=torch.bfloat16
    )
    return Run(
        subject=Judge(
            title="which words a picture belongs to",
            objective=objective,
            things=things_of(pictures),
            shown=_shown(heldout or pictures, recipe.previews),
        ),
        pictures=pictures,
        heldout=heldout,
        steps=recipe.steps,
        batch=recipe.batch,
        seed=recipe.seed,
        optimizing=Optimizing(rate=recipe.rate, decay=0.05, warmup=100),
        captions=CAPTIONS,
        flip=0.5,
        every=Every(snapshot=250, heldout=250),
        compiled=recipe.compiled,
        stored=torch.bfloat16,
    )


def _said(pictures: Pictures) -> chain[str]:
    """All that is said of them."""
    told = zip(pictures.captions, pictures.tags, strict=True)
    return chain.from_iterable((*captions, tags.get("keywords", "")) for captions, tags in told)


def _shown(pictures: Pictures, count: int) -> Pictures | None:
    """Some from all over a set; None for none."""
    count = min(count, len(pictures))
    if count < 1:
        return None
    chosen = [k * len(pictures) // count for k in range(count)]
    captions = tuple(pictures.captions[k] for k in chosen)
    tags = tuple(pictures.tags[k] for k in chosen)
    return Pictures(pictures.images[chosen], tuple(pictures.names[k] for k in chosen), captions, tags)
