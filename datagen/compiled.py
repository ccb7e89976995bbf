"""Loops over rows, compiled to machine code on first use and kept on disk from then on.

They run without the interpreter's lock, so that several streams generate at the same time. A compiled
function calls others of its own module alone: what is on disk is renewed when that module's file changes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

import llvmlite.ir as ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


def compiled(function: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
    """The function as machine code for the types that it is first called with."""
    try:
        made: Callable[Parameters, Result] = njit(nogil=True, cache=True)(function)
    except RuntimeError:  # no directory can be written to: compile anew in every process
        made = njit(nogil=True)(function)
    return made


@intrinsic  # type: ignore[untyped-decorator]
def copy_bytes(_context: Any, out: Any, to: Any, data: Any, start: Any, count: Any) -> Any:
    """memcpy of ``count`` bytes from ``data[start:]`` to ``out[to:]``: a loop takes ten times longer."""
    signature = types.void(out, types.int64, data, types.int64, types.int64)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        octet = ir.IntType(8).as_pointer()
        places = []
        for kind, array, offset in ((out, arguments[0], arguments[1]), (data, arguments[2], arguments[3])):
            base = builder.bitcast(context.make_array(kind)(context, builder, array).data, octet)
            places.append(builder.gep(base, [offset]))
        cgutils.raw_memcpy(builder, *places, arguments[4], 1)
        return context.get_dummy_value()

    return signature, generate
