"""What tensors are made of in a pickle by torch: storages, runs of numbers in the file, and views into them."""

from dataclasses import dataclass
from functools import partial
from math import prod
from pathlib import Path
from typing import Any, cast

from unnoise.weights.entry import BITS, Entry, proper
from unnoise.weights.pickled import Makers, Name, Unreadable


@dataclass(frozen=True)
class Storage:
    """A run of numbers in the file. `dtype` is empty where tensors say theirs."""

    dtype: str
    span: tuple[int, int]


def reference(said: Any) -> tuple[str, str, int]:
    """What a pickle says of a storage: its key, the type of its numbers and their count."""
    match said:
        case ("storage", Name() as kind, str(key), _, int(count), *view) if count >= 0 and view in ([], [None]):
            if kind in _STORAGES:
                return key, _STORAGES[kind], count
            raise Unreadable(f"its storage {key[:40]!r} is of the unknown type {kind.name[:40]}")
        case _:
            raise Unreadable("it refers to something that is no storage")


def class_of(said: Any) -> Name | None:
    """The name of a class where streams refer to one together with its source."""
    match said:
        case ("module", Name() as kind, *_):
            return kind
        case _:
            return None


def storage(dtype: str, first: int, count: int, last: int) -> Storage:
    after = first + count * BITS[dtype or "U8"] // 8
    if after > last:
        raise Unreadable(f"it is cut short: a storage ends {after - last:,} bytes after its place")
    return Storage(dtype, (first, after))


def makers(path: Path) -> Makers:
    """The names that tensors are made of, and what stands for them."""
    tensor, typed = partial(_tensor, path), partial(_typed, path)
    known: dict[Name, Any] = {
        Name("torch._utils", "_rebuild_tensor"): tensor,
        Name("torch._utils", "_rebuild_tensor_v2"): tensor,
        Name("torch._utils", "_rebuild_tensor_v3"): typed,
        Name("torch._utils", "_rebuild_parameter"): _parameter,
        Name("torch._utils", "_rebuild_parameter_with_state"): _parameter,
        **{Name("torch._utils", f"_rebuild_{kind}"): partial(_unread, kind) for kind in _UNREAD},
        Name("torch.nn.modules.container", "ParameterDict"): dict,
        Name("torch", "Size"): _sizes,
        Name("collections", "OrderedDict"): _ordered,
    }

    def of_class(of: Any, _: Any, args: Any, *__: Any) -> Any:
        return known[of](*args)

    return {**known, Name("torch._tensor", "_rebuild_from_type_v2"): of_class}


def _unread(kind: str, *_: Any) -> None:
    raise Unreadable(f"a tensor is of a kind that we do not read ({kind})")


def _parameter(data: Any, *_: Any) -> Any:
    return data


def _sizes(sizes: Any = ()) -> tuple[Any, ...]:
    return tuple(sizes)


def _ordered(pairs: Any = ()) -> dict[Any, Any]:
    if not all(isinstance(k, str) for k, _ in pairs):
        raise Unreadable("its table has keys that are no names")
    return dict(pairs)


def _typed(path: Path, storage: Any, offset: Any, shape: Any, strides: Any, *more: Any) -> Entry:
    """A tensor whose storage is bytes and who says its type itself."""
    dtype = _DTYPES.get(more[2].name if len(more) > 2 and isinstance(more[2], Name) else "")
    if dtype is None:
        raise Unreadable("a tensor is of a type that we do not read")
    return _tensor(path, Storage(dtype, storage.span), offset, shape, strides, *more[:2], *more[3:])


def _tensor(path: Path, storage: Any, offset: Any, shape: Any, strides: Any, *more: Any) -> Entry:
    """A view into a storage, which has to lie within it, each number at a place of its own."""
    if any(more[2:]):
        raise Unreadable("a tensor's numbers are to be negated or conjugated when they are read")
    if not isinstance(storage, Storage) or not storage.dtype or not isinstance(shape, tuple):
        raise Unreadable("a tensor is a view of no storage")
    numbers = (offset, *cast(Any, shape), *strides)
    if len(shape) != len(strides) or not all(type(n) is int and 0 <= n < 2**60 for n in numbers) or not proper(shape):
        raise Unreadable("a tensor has no proper shape")
    width = BITS[storage.dtype] // 8
    first, reach = storage.span[0] + offset * width, 1
    for step, length in sorted((step, n) for step, n in zip(strides, shape, strict=True) if n > 1):
        if step < reach:
            raise Unreadable(f"a tensor of shape {list(shape)[:6]} repeats its numbers")
        reach += step * (length - 1)
    if not prod(shape):
        return Entry(storage.dtype, shape, (first, first), path)
    if first + reach * width > storage.span[1]:
        raise Unreadable(f"a tensor of shape {list(shape)[:6]} is larger than its storage")
    plain = all(step == prod(shape[i + 1 :]) for i, step in enumerate(strides) if shape[i] > 1)
    return Entry(storage.dtype, shape, (first, first + reach * width), path, None if plain else tuple(strides))


_STORAGES = {
    **{
        Name("torch", f"{kind}Storage"): dtype
        for kind, dtype in {
            "Double": "F64",
            "Float": "F32",
            "Half": "F16",
            "BFloat16": "BF16",
            "Long": "I64",
            "Int": "I32",
            "Short": "I16",
            "Char": "I8",
            "Byte": "U8",
            "Bool": "BOOL",
            "ComplexFloat": "C64",
        }.items()
    },
    Name("torch.storage", "UntypedStorage"): "",
}
_DTYPES = {
    "uint16": "U16",
    "uint32": "U32",
    "uint64": "U64",
    "float8_e4m3fn": "F8_E4M3",
    "float8_e5m2": "F8_E5M2",
    "float8_e8m0fnu": "F8_E8M0",
    "float8_e4m3fnuz": "F8_E4M3FNUZ",
    "float8_e5m2fnuz": "F8_E5M2FNUZ",
}
_UNREAD = (
    "qtensor",
    "sparse_tensor",
    "nested_tensor",
    "wrapper_subclass",
    "meta_tensor_no_storage",
    "device_tensor_from_numpy",
    "device_tensor_from_cpu_tensor",
)
"""Other kinds of tensors. Taken for objects of some program, they would only seem to be missing."""
