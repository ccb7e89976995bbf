"""Loops over rows, compiled to machine code on first use and kept on disk from then on.

They run without the interpreter's lock, so that several streams generate at the same time. A compiled
function calls others of its own module alone: what is on disk is renewed when that module's file changes.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import llvmlite.ir as ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")

AT_ONCE = 32
"""Bytes that :func:`copy_at_once` copies, whether they are wanted or not."""

_COMPILED: list[Any] = []
_OCTET = ir.IntType(8)
_INT = types.int64
_inline: Callable[[Callable[..., Any]], Callable[..., Any]] = intrinsic
"""Numba tells no type of it."""


def compiled(function: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
    """The function as machine code for the types that it is first called with; no division is checked."""
    try:
        made: Callable[Parameters, Result] = njit(nogil=True, error_model="numpy", cache=True)(function)
    except RuntimeError:  # no directory can be written to: compile anew in every process
        made = njit(nogil=True, error_model="numpy")(function)
    _COMPILED.append(made)
    return made


def on_disk() -> bool:
    """Whether machine code newer than its source is kept for every function that can be kept."""
    return all(
        any(kept.stat().st_mtime >= source.stat().st_mtime for kept in Path(directory).glob(names))
        for directory, source, names in map(_kept, _COMPILED)
        if directory is not None
    )


def _kept(function: Any) -> tuple[str | None, Path, str]:
    """Directory, source and the names of the index of what numba keeps of a function."""
    source = Path(function.py_func.__code__.co_filename)
    python = f"py{sys.version_info.major}{sys.version_info.minor}"
    names = f"{source.stem}.{function.py_func.__qualname__}-*.{python}*.nbi"
    return function.stats.cache_path, source, names


@compiled
def address_of(data: Any) -> int:
    """Where an array's elements are in memory; good as long as the array lives."""
    return int(data.ctypes.data)


@_inline
def number_at(_context: Any, _address: Any, _index: Any) -> Any:
    """The int64 number ``index`` of those at an address: columns of any number and kind come as addresses."""
    return _INT(_INT, _INT), _loading(ir.IntType(64))


@_inline
def byte_at(_context: Any, _address: Any, _index: Any) -> Any:
    """Byte ``index`` of those at an address."""
    return types.uint8(_INT, _INT), _loading(_OCTET)


@_inline
def put_8(_context: Any, _address: Any, _value: Any) -> Any:
    """Store a number's last byte at an address."""
    return types.void(_INT, _INT), _storing(8)


@_inline
def put_16(_context: Any, _address: Any, _value: Any) -> Any:
    """Store a number's last two bytes, the higher first."""
    return types.void(_INT, _INT), _storing(16)


@_inline
def put_32(_context: Any, _address: Any, _value: Any) -> Any:
    """Store a number's last four bytes, the highest first."""
    return types.void(_INT, _INT), _storing(32)


@_inline
def put_64(_context: Any, _address: Any, _value: Any) -> Any:
    """Store a number, the highest byte first."""
    return types.void(_INT, _INT), _storing(64)


@_inline
def copy_at_once(_context: Any, _to: Any, _source: Any) -> Any:
    """Copy AT_ONCE bytes from address to address: a third of the time of as many as are wanted."""
    block = ir.VectorType(_OCTET, AT_ONCE).as_pointer()

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        to, source = (builder.inttoptr(address, block) for address in arguments)
        builder.store(builder.load(source, align=1), to, align=1)
        return context.get_dummy_value()

    return types.void(_INT, _INT), generate


@_inline
def copy_bytes(_context: Any, _to: Any, _source: Any, _count: Any) -> Any:
    """Copy ``count`` bytes from address to address, which do not overlap."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        to, source = (builder.inttoptr(address, _OCTET.as_pointer()) for address in arguments[:2])
        cgutils.raw_memcpy(builder, to, source, arguments[2], 1)
        return context.get_dummy_value()

    return types.void(_INT, _INT, _INT), generate


def _loading(kind: Any) -> Callable[..., Any]:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        place = builder.gep(builder.inttoptr(arguments[0], kind.as_pointer()), [arguments[1]])
        return builder.load(place, align=1)

    return generate


def _storing(bits: int) -> Callable[..., Any]:
    kind = ir.IntType(bits)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        value = arguments[1] if bits == 64 else builder.trunc(arguments[1], kind)
        if bits > 8:
            swap = builder.module.declare_intrinsic("llvm.bswap", [kind])
            value = builder.call(swap, [value])
        builder.store(value, builder.inttoptr(arguments[0], kind.as_pointer()), align=1)
        return context.get_dummy_value()

    return generate
