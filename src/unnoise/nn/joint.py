"""Attention of several streams of tokens, each with projections of its own, to all of them together.

Esser et al. 2024, section 4; text comes first, as in the published models.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from unnoise.nn.attention import attend
from unnoise.nn.rope import rotate_pairs

Heads = tuple[Tensor, Tensor, Tensor]
"""Queries, keys and values of a stream, each (B, N, H, D)."""


def split(fused: Tensor, heads: int) -> Heads:
    """(B, N, 3 H D) -> queries, keys and values (B, N, H, D)"""
    query, key, value = fused.unflatten(-1, (3, heads, -1)).unbind(2)
    return query, key, value


def attend_together(streams: Sequence[Heads], seen: Tensor | None = None, turns: Tensor | None = None) -> list[Tensor]:
    """What each stream's tokens find, (B, N, H D) for each.

    Args:
        streams: of N, M, ... tokens.
        seen: broadcasts to (B, H, N + M, N + M), True where a key counts.
        turns: (N + M, D / 2, 2), where queries and keys turn by place.
    """
    query, key, value = (torch.cat(parts, 1) for parts in zip(*streams, strict=True))
    if turns is not None:
        query, key = rotate_pairs(query, turns), rotate_pairs(key, turns)
    found = attend(query.transpose(1, 2), key.transpose(1, 2), value.transpose(1, 2), seen)
    return list(found.transpose(1, 2).flatten(2).split([stream[0].shape[1] for stream in streams], 1))


def text_seen(mask: Tensor | None, count: int) -> Tensor | None:
    """Whom all see where text of mask (B, L) comes before `count` cells: (B, 1, 1, L + count), None for everything."""
    return None if mask is None else torch.cat([mask, mask.new_ones(len(mask), count)], 1)[:, None, None]


def blind_cells(seen: Tensor | None, text: int, count: int, device: torch.device) -> Tensor:
    """Whom tokens see where the `count` cells after `text` tokens see the text and, among the cells, themselves alone
    (Ahn et al. 2024): (B or 1, 1, text + count, text + count)."""
    apart = torch.ones(1, 1, text + count, text + count, dtype=torch.bool, device=device)
    apart[..., text:, text:] = torch.eye(count, dtype=torch.bool, device=device)
    return apart if seen is None else apart & seen
