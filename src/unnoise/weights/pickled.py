"""Pickles read as data: nothing is imported, nothing is called, nothing is executed.

A pickle is a program for a small machine with a stack. The standard library's machine looks up whatever names the
program says and calls it; this one knows plain values, and for the few names that tensors are made of, functions of
ours. Any other name stays a name, and what the program would have called stays a note of it (`Opaque`).

All it makes is bounded by the number of steps: a value is never copied, and what is nested is never walked.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, BinaryIO, cast

STEPS = 500_000
"""The most steps a pickle may take; a checkpoint of Stable Diffusion with its averages and optimizer takes 125,000."""


class Unreadable(ValueError):
    """A pickle that is damaged, or does what no file of weights does."""


@dataclass(frozen=True)
class Name:
    """What a pickle would import."""

    module: str
    name: str


@dataclass(eq=False, repr=False)  # printed, what holds itself many times over would have no end
class Opaque:
    """What a pickle would have made by calling a name that we do not: a note, inert.

    Args:
        of: the name.
        args: what it would have been called with.
        state: what the pickle would have set on it.
        items: what it would have put into it.
    """

    of: Any
    args: Any = ()
    state: Any = None
    items: dict[Any, Any] = field(default_factory=dict[Any, Any])


Makers = Mapping[Name, Callable[..., Any]]


def unpickled(file: BinaryIO, makers: Makers, stored: Callable[[Any], Any]) -> Any:
    """The value of the pickle that begins where the file stands; afterwards the file stands behind it.

    Args:
        makers: what may be called, by the name the pickle has for it.
        stored: what a persistent id, which stands for something outside the pickle, becomes.

    Raises:
        Unreadable: the pickle is damaged or too long.
    """
    from pickletools import genops  # which takes a while to load

    machine = _Machine(makers, stored)
    try:
        for step, (op, arg, _) in enumerate(genops(file)):
            if step >= STEPS:
                raise Unreadable(f"its pickle takes more than {STEPS:,} steps")
            machine.take(op.name, arg)
        (value,) = machine.stack
        return value
    except Unreadable:
        raise
    except RecursionError:
        raise Unreadable("its pickle is nested too deeply") from None
    except Exception as error:  # a program by a stranger fails in any way it likes
        raise Unreadable(f"its pickle is damaged ({type(error).__name__}: {str(error)[:80]})") from None


class _Machine:
    """The stack, the values above each mark, and what was put aside."""

    def __init__(self, makers: Makers, stored: Callable[[Any], Any]) -> None:
        self.makers, self.stored = makers, stored
        self.stack: list[Any] = []
        self.below: list[list[Any]] = []
        self.memo: dict[int, Any] = {}

    def take(self, op: str, arg: Any) -> None:
        """One step."""
        if op in _LITERALS:
            self.stack.append(arg)
        elif op in _VALUES:
            self.stack.append(_VALUES[op]())
        elif op in ("PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"):
            self.memo[len(self.memo) if arg is None else int(arg)] = self.stack[-1]
        elif op in ("GET", "BINGET", "LONG_BINGET"):
            self.stack.append(self.memo[int(arg)])
        elif op == "MARK":
            self.below.append(self.stack)
            self.stack = []
        elif op in _STEPS:
            _STEPS[op](self, arg)
        elif op not in ("PROTO", "FRAME", "STOP"):
            raise Unreadable(f"its pickle does what no file of weights does ({op})")

    def push(self, value: Any) -> None:
        self.stack.append(value)

    def above(self) -> list[Any]:
        """What was put on the stack since the last mark."""
        found, self.stack = self.stack, self.below.pop()
        return found

    def drop(self) -> None:
        """Take a value off, or the mark where nothing is above it."""
        self.stack.pop() if self.stack else self.above()

    def drop_above(self) -> None:
        self.above()

    def call(self, of: Any, args: Any) -> None:
        known = self.makers.get(of) if isinstance(of, Name) else None
        if not isinstance(args, tuple):
            raise Unreadable("its pickle calls something with no arguments")
        self.stack.append(known(*args) if known else Opaque(of, args))

    def reduce(self, _: Any) -> None:
        args, of = self.stack.pop(), self.stack.pop()
        self.call(of, args)

    def reduce_with_names(self, _: Any) -> None:
        """As `reduce`, with arguments by name, which nothing that we know takes."""
        named, args, of = self.stack.pop(), self.stack.pop(), self.stack.pop()
        self.call(of, (*args, named) if named else args)

    def build(self, _: Any) -> None:
        """A state set on a thing: kept on a note, of no use on a value, but for a table of parameters."""
        state, on = self.stack.pop(), self.stack[-1]
        if isinstance(on, Opaque):
            on.state = state
        elif isinstance(on, dict) and isinstance(state, dict):
            inner = cast(dict[Any, Any], state).get("_parameters")
            cast(dict[Any, Any], on).update(cast(dict[Any, Any], inner) if isinstance(inner, dict) else {})

    def put(self, pairs: list[Any]) -> None:
        """Keys and values, in turn, into the table on top."""
        on = self.stack[-1]
        table = on.items if isinstance(on, Opaque) else on
        if not isinstance(table, dict) or len(pairs) % 2:
            raise Unreadable("its pickle fills a table that is none")
        for key, value in zip(pairs[::2], pairs[1::2], strict=True):
            cast(dict[Any, Any], table)[_key(key)] = value

    def extend(self, values: list[Any]) -> None:
        on = self.stack[-1]
        if isinstance(on, list):
            cast(list[Any], on).extend(values)
        elif not isinstance(on, Opaque):
            raise Unreadable("its pickle fills a list that is none")

    def pair(self) -> list[Any]:
        value, key = self.stack.pop(), self.stack.pop()
        return [key, value]

    def some(self, count: int) -> None:
        """The last values as one tuple."""
        if len(self.stack) < count:
            raise Unreadable("its pickle takes values that are not there")
        self.stack[len(self.stack) - count :] = [tuple(self.stack[len(self.stack) - count :])]

    def named(self) -> None:
        name, module = self.stack.pop(), self.stack.pop()
        self.stack.append(Name(str(module), str(name)))


def _key(key: Any) -> Any:
    """A table's key. Large numbers and tuples could be chosen to make a table of any size slow."""
    if key is None or isinstance(key, str | bytes | Name | Opaque) or (isinstance(key, int) and abs(key) < 2**32):
        return key
    raise Unreadable("its pickle has a table with keys that are no names")


_LITERALS = {
    *("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT"),
    *("STRING", "BINSTRING", "SHORT_BINSTRING", "UNICODE", "SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8"),
    *("BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8"),
}
"""Steps that push what stands beside them."""
_VALUES: dict[str, Callable[[], Any]] = {
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "EMPTY_TUPLE": tuple,
    "EMPTY_LIST": list,
    "EMPTY_DICT": dict,
    "EMPTY_SET": list,  # a list asks for no hashes
}


def _table(machine: _Machine, _: Any) -> None:
    pairs = machine.above()
    machine.stack.append({})
    machine.put(pairs)


_STEPS: dict[str, Callable[[_Machine, Any], None]] = {
    "POP": lambda m, _: m.drop(),
    "POP_MARK": lambda m, _: m.drop_above(),
    "DUP": lambda m, _: m.push(m.stack[-1]),
    "TUPLE": lambda m, _: m.push(tuple(m.above())),
    "TUPLE1": lambda m, _: m.some(1),
    "TUPLE2": lambda m, _: m.some(2),
    "TUPLE3": lambda m, _: m.some(3),
    "LIST": lambda m, _: m.push(m.above()),
    "FROZENSET": lambda m, _: m.push(tuple(m.above())),
    "DICT": _table,
    "SETITEM": lambda m, _: m.put(m.pair()),
    "SETITEMS": lambda m, _: m.put(m.above()),
    "APPEND": lambda m, _: m.extend([m.stack.pop()]),
    "APPENDS": lambda m, _: m.extend(m.above()),
    "ADDITEMS": lambda m, _: m.extend(m.above()),
    "GLOBAL": lambda m, arg: m.push(Name(*str(arg).split(" ", 1))),
    "STACK_GLOBAL": lambda m, _: m.named(),
    "REDUCE": _Machine.reduce,
    "NEWOBJ": _Machine.reduce,
    "NEWOBJ_EX": _Machine.reduce_with_names,
    "BUILD": _Machine.build,
    "BINPERSID": lambda m, _: m.push(m.stored(m.stack.pop())),
    "PERSID": lambda m, arg: m.push(m.stored(arg)),
}
