"""Which weights become int8, and what they take. torchao, which quantises them (extra `quant`), is loaded then."""

import logging
from importlib.util import find_spec
from math import prod
from types import ModuleType

import torch
from torch import Tensor, nn

from unnoise.core.denoiser import computed
from unnoise.core.error import Refused
from unnoise.nn.native import HALVES

NAME = "int8"


def check() -> None:
    """See that torchao is there.

    Raises:
        Refused: it is not.
    """
    if find_spec("torchao") is None:
        raise Refused("int8 weights need torchao, which is not installed", "pip install 'unnoise[quant]'", "dtype")


def beside(device: torch.device) -> torch.dtype:
    """What is not int8 is of this type: bfloat16 where a device multiplies it at full pace, float32 elsewhere."""
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float16
    return HALVES[torch.bfloat16] if device.type == "cpu" else torch.float32


def chosen(module: nn.Module) -> frozenset[str]:
    """The weights of a network's linear layers that become int8, by name: those of its blocks.

    What stands before and behind the blocks takes little memory, and its errors are in all that comes after: in a
    model of the recipe `emoji_pixels` the first layer has half a percent of the weights, and a third of the error of
    all blocks.
    """
    within = [name for name, part in module.named_modules() if isinstance(part, nn.ModuleList)]
    linear = ((name, layer) for name, layer in module.named_modules() if isinstance(layer, nn.Linear))
    layers = [name for name, layer in linear if layer.in_features > 1]  # torchao cannot do with one
    return frozenset(f"{layer}.weight" for layer in layers if any(layer.startswith(f"{name}.") for name in within))


def size(shape: tuple[int, ...]) -> int:
    """Bytes of a weight in int8, with its rows' scales."""
    return prod(shape) + 4 * shape[0]


def quantised(weight: Tensor, device: torch.device, dtype: torch.dtype) -> Tensor:
    """A linear layer's weight in int8, for a layer that computes in a type on a device.

    Raises:
        Refused: torchao is not there, or cannot be loaded.
    """
    return _torchao().whole(weight, device, dtype)


def like(weight: Tensor, dtype: torch.dtype) -> Tensor:
    """An int8 weight of a weight's shape and on its device, whose numbers are not set. Raises as `quantised`."""
    return _torchao().unset(tuple(weight.shape), weight.device, dtype)


def _torchao() -> ModuleType:
    """nn/int8.py, loaded.

    Raises:
        Refused: torchao is not there, or cannot be loaded.
    """
    check()
    level = logging.root.manager.disable
    logging.disable(logging.WARNING)  # it tells of kernels for other machines
    try:
        from unnoise.nn import int8
    except Exception as error:  # one that was built for another torch fails in any way it likes
        raise Refused("torchao cannot be loaded", str(error)[:120] or "install it anew", "dtype") from None
    finally:
        logging.disable(level)
    return int8


def stated(network: nn.Module) -> str:
    """The type that a network computes in, as `--dtype` names it."""
    if any(hasattr(parameter, "qdata") for parameter in network.parameters()):
        return NAME
    return str(computed(network)).removeprefix("torch.")
