"""GGUF's quantised types as numbers, and Q8_0 from numbers.

A row is cut into blocks of 32 numbers, each with a scale of its own, or of 256 whose 8 or 16 parts have small scales
that are quantised themselves (the K types). The layouts are ggml's (https://github.com/ggml-org/ggml, ggml-common.h);
`value = scale * (quantum - offset)` or `scale * quantum - minimum`.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from unnoise.weights.entry import BLOCKS

AT_ONCE = 2**19
"""So many numbers are computed at once: little memory beside the result, and what is on the way stays in a cache."""


def unpacked(data: Tensor, kind: str, dtype: torch.dtype = torch.float32) -> Tensor:
    """The numbers of blocks, where these are.

    Args:
        data: uint8 (n,), whole blocks.
        kind: a key of `entry.BLOCKS`.
        dtype: of the numbers, which are computed in float32.

    Returns:
        (m,).
    """
    numbers, width = BLOCKS[kind]
    blocks = data.view(-1, width)
    found = torch.empty(len(blocks), numbers, dtype=dtype, device=data.device)
    for some, into in zip(blocks.split(AT_ONCE // numbers), found.split(AT_ONCE // numbers), strict=True):
        into.copy_(_KINDS[kind](some).view(-1, numbers))
    return found.view(-1)


def scales(data: Tensor, kind: str) -> Tensor:
    """The scales and minima of blocks, float16 (m, 1 or 2): numbers are finite where these are."""
    first, last = SCALES[kind]
    return data.view(-1, BLOCKS[kind][1])[:, first:last].contiguous().view(torch.float16)


def all_finite(data: Tensor, kind: str) -> bool:
    """Whether 8-bit floats (n,), as bytes, are numbers all: E4M3 has no infinity, and E5M2's have one exponent."""
    return bool(((data & 0x7F) < (0x7F if kind == "F8_E4M3 scaled" else 0x7C)).all())


CACHED = 2**17
"""So many numbers at once that what is computed on the way stays in the processor's cache."""


def packed_q8_0(values: Tensor) -> Tensor:
    """Numbers (n,), n a multiple of 32, as blocks of Q8_0: uint8 (m,). Halves go away from zero, as in ggml."""
    packed = torch.empty(values.numel() // 32, 34, dtype=torch.uint8)
    for some, into in zip(values.split(CACHED), packed.split(CACHED // 32), strict=True):
        into.copy_(_blocks_q8_0(some))
    return packed.flatten()


def _blocks_q8_0(values: Tensor) -> Tensor:
    """The same, as (m, 34)."""
    blocks = values.float().reshape(-1, 32)
    scale = blocks.abs().amax(1, keepdim=True) / 127
    inverse = torch.where(scale == 0, 0, 1 / scale)
    size = (blocks * inverse).abs()
    down = size.floor()
    quanta = torch.copysign(down + (size - down >= 0.5), blocks).to(torch.int8)
    return torch.cat((scale.half().view(torch.uint8), quanta.view(torch.uint8)), 1)


def _half(data: Tensor) -> Tensor:
    """Two bytes as a number: (B, 2) -> (B, 1)."""
    return data.contiguous().view(torch.float16).float()


def _signed(data: Tensor) -> Tensor:
    return data.contiguous().view(torch.int8).float()


def _nibbles(data: Tensor) -> Tensor:
    """(..., n) bytes -> (..., 2, n): the low halves, then the high ones."""
    return torch.stack((data & 15, data >> 4), -2)


def _bits(data: Tensor, count: int) -> Tensor:
    """(..., n) bytes -> (..., 8 / count, n): every byte's bits, `count` at a time from the lowest."""
    shifts = torch.arange(0, 8, count, dtype=torch.uint8, device=data.device)
    return (data.unsqueeze(-2) >> shifts[:, None]) & (2**count - 1)


def _fifths(data: Tensor) -> Tensor:
    """The fifth bit of 32 numbers, which stand one after the other: (B, 4) -> (B, 32), 0 or 16."""
    return _bits(data, 1).transpose(-1, -2).reshape(len(data), 32) << 4


def _q4_0(b: Tensor) -> Tensor:
    return _half(b[:, :2]) * (_nibbles(b[:, 2:]).flatten(1).float() - 8)


def _q4_1(b: Tensor) -> Tensor:
    return _half(b[:, :2]) * _nibbles(b[:, 4:]).flatten(1).float() + _half(b[:, 2:4])


def _q5_0(b: Tensor) -> Tensor:
    return _half(b[:, :2]) * ((_nibbles(b[:, 6:]).flatten(1) | _fifths(b[:, 2:6])).float() - 16)


def _q5_1(b: Tensor) -> Tensor:
    quanta = (_nibbles(b[:, 8:]).flatten(1) | _fifths(b[:, 4:8])).float()
    return _half(b[:, :2]) * quanta + _half(b[:, 2:4])


def _q8_0(b: Tensor) -> Tensor:
    return _half(b[:, :2]) * _signed(b[:, 2:])


def _q2_k(b: Tensor) -> Tensor:
    """16 parts of 16 numbers of 2 bits; scale and minimum of a part share a byte."""
    scales, quanta = b[:, :16], b[:, 16:80]
    scale = _half(b[:, 80:82]) * (scales & 15).float()
    minimum = _half(b[:, 82:84]) * (scales >> 4).float()
    numbers = _bits(quanta.view(-1, 2, 32), 2).reshape(-1, 16, 16).float()
    return scale[..., None] * numbers - minimum[..., None]


def _q3_k(b: Tensor) -> Tensor:
    """16 parts of 16 numbers of 3 bits, the third apart; scales of 6 bits, their upper two apart."""
    thirds, quanta, packed = b[:, :32], b[:, 32:96], b[:, 96:108]
    low = _nibbles(packed[:, :8]).flatten(1)
    high = _bits(packed[:, 8:], 2).flatten(1)
    scale = _half(b[:, 108:110]) * ((low | high << 4).float() - 32)
    numbers = _bits(quanta.view(-1, 2, 32), 2).reshape(-1, 16, 16).float()
    third = _bits(thirds, 1).reshape(-1, 16, 16).float()
    return scale[..., None] * (numbers + 4 * third - 4)


def _scales_and_minima(packed: Tensor) -> tuple[Tensor, Tensor]:
    """Eight of each, of 6 bits, in 12 bytes: four of each whole, with two bits of the others above them; then their
    lower four."""
    first, second, rest = packed[:, :4], packed[:, 4:8], packed[:, 8:]
    scales = torch.cat((first & 63, rest & 15 | first >> 6 << 4), 1)
    minima = torch.cat((second & 63, rest >> 4 | second >> 6 << 4), 1)
    return scales.float(), minima.float()


def _q4_k(b: Tensor) -> Tensor:
    """8 parts of 32 numbers of 4 bits."""
    scales, minima = _scales_and_minima(b[:, 4:16])
    numbers = _nibbles(b[:, 16:].view(-1, 4, 32)).reshape(-1, 8, 32).float()
    return (_half(b[:, :2]) * scales)[..., None] * numbers - (_half(b[:, 2:4]) * minima)[..., None]


def _q5_k(b: Tensor) -> Tensor:
    """8 parts of 32 numbers of 5 bits, the fifth apart."""
    scales, minima = _scales_and_minima(b[:, 4:16])
    low = _nibbles(b[:, 48:].view(-1, 4, 32)).reshape(-1, 8, 32)
    numbers = (low | _bits(b[:, 16:48], 1) << 4).float()
    return (_half(b[:, :2]) * scales)[..., None] * numbers - (_half(b[:, 2:4]) * minima)[..., None]


def _q6_k(b: Tensor) -> Tensor:
    """16 parts of 16 numbers of 6 bits, the upper two apart."""
    low = _nibbles(b[:, :128].view(-1, 2, 64)).reshape(-1, 8, 32)
    high = _bits(b[:, 128:192].view(-1, 2, 32), 2).reshape(-1, 8, 32)
    numbers = (low | high << 4).reshape(-1, 16, 16).float() - 32
    return (_half(b[:, 208:210]) * _signed(b[:, 192:208]))[..., None] * numbers


_UNEVEN = (-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113)
"""What the sixteen quanta of IQ4 stand for."""


def _uneven(quanta: Tensor) -> Tensor:
    return torch.tensor(_UNEVEN, dtype=torch.float32, device=quanta.device)[quanta.int()]


def _iq4_nl(b: Tensor) -> Tensor:
    return _half(b[:, :2]) * _uneven(_nibbles(b[:, 2:]).flatten(1))


def _iq4_xs(b: Tensor) -> Tensor:
    """8 parts of 32 numbers; scales of 6 bits, their upper two in two bytes by themselves."""
    high = _bits(b[:, 2:4], 2).transpose(-1, -2).flatten(1)
    low = _nibbles(b[:, 4:8]).transpose(-1, -2).flatten(1)
    scale = _half(b[:, :2]) * ((low | high << 4).float() - 32)
    return scale[..., None] * _uneven(_nibbles(b[:, 8:].view(-1, 8, 16)).flatten(2))


def _e4m3(data: Tensor) -> Tensor:
    return data.view(torch.float8_e4m3fn).float()


def _e5m2(data: Tensor) -> Tensor:
    return data.view(torch.float8_e5m2).float()


_KINDS: dict[str, Callable[[Tensor], Tensor]] = {
    "Q4_0": _q4_0,
    "Q4_1": _q4_1,
    "Q5_0": _q5_0,
    "Q5_1": _q5_1,
    "Q8_0": _q8_0,
    "Q2_K": _q2_k,
    "Q3_K": _q3_k,
    "Q4_K": _q4_k,
    "Q5_K": _q5_k,
    "Q6_K": _q6_k,
    "IQ4_NL": _iq4_nl,
    "IQ4_XS": _iq4_xs,
    "F8_E4M3 scaled": _e4m3,
    "F8_E5M2 scaled": _e5m2,
}

SCALES = {
    **dict.fromkeys(("Q4_0", "Q5_0", "Q8_0", "IQ4_NL", "IQ4_XS"), (0, 2)),
    **dict.fromkeys(("Q4_1", "Q5_1", "Q4_K", "Q5_K"), (0, 4)),
    "Q2_K": (80, 84),
    "Q3_K": (108, 110),
    "Q6_K": (208, 210),
}
"""Which bytes of a block are halves."""
