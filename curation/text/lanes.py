"""Eight bytes of text at a time, for kernels: unaligned loads and stores, and the marks that comparisons leave.

A word holds eight bytes, the first of them lowest; a mark is the highest bit of a byte.
"""

# ruff: noqa: ARG001 (numba passes arguments by name and by place)

from __future__ import annotations

from typing import Any

import numba as nb
import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]
from numba.core import types
from numba.extending import intrinsic

LANES = 8
_intrinsic: Any = intrinsic  # numba types its result as the function that it is given
ONES, MARKS = np.uint64(0x0101010101010101), np.uint64(0x8080808080808080)


@_intrinsic
def load_word(typing: Any, data: Any, at: Any) -> Any:
    """data[at:at + 8] of a contiguous uint8 array as one uint64; no bounds are checked."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return builder.load(_place(context, builder, signature, values), align=1)

    return types.uint64(data, at), generate


@_intrinsic
def store_word(typing: Any, data: Any, at: Any, word: Any) -> Any:
    """Writes the eight bytes of a uint64 to data[at:at + 8], uint8 and contiguous; no bounds are checked."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        builder.store(values[2], _place(context, builder, signature, values), align=1)
        return context.get_dummy_value()

    return types.void(data, at, types.uint64), generate


def _place(context: Any, builder: Any, signature: Any, values: Any) -> Any:
    array = context.make_array(signature.args[0])(context, builder, values[0])
    place = builder.gep(array.data, [values[1]])
    return builder.bitcast(place, context.get_value_type(types.uint64).as_pointer())


@_intrinsic
def first_mark(typing: Any, marks: Any) -> Any:
    """The byte, 0 to 7, of the lowest mark; 8 where there is none."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        never = context.get_constant(types.boolean, False)
        zeros = builder.cttz(values[0], never)
        return builder.lshr(zeros, context.get_constant(types.int64, 3))

    return types.int64(types.uint64), generate


@_intrinsic
def last_mark(typing: Any, marks: Any) -> Any:
    """The byte, 0 to 7, of the highest mark; there must be one."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        never = context.get_constant(types.boolean, False)
        zeros = builder.ctlz(values[0], never)
        return builder.sub(
            context.get_constant(types.int64, 7), builder.lshr(zeros, context.get_constant(types.int64, 3))
        )

    return types.int64(types.uint64), generate


@_intrinsic
def count_bits(typing: Any, word: Any) -> Any:
    """How many bits of a uint64 are set."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return builder.ctpop(values[0])

    return types.int64(types.uint64), generate


@nb.njit(cache=True, nogil=True, inline="always")
def marks_of(word: Any, byte: Any) -> Any:
    """A mark at every byte of a word that equals `byte`."""
    apart = word ^ (ONES * np.uint64(byte))
    return ~(((apart & ~MARKS) + ~MARKS) | apart) & MARKS


@nb.njit(cache=True, nogil=True, inline="always")
def marks_between(word: Any, low: Any, high: Any) -> Any:
    """A mark at every byte of a word that is ASCII and of `low` to `high`, 1 to 126."""
    low_bits = word & ~MARKS
    above = low_bits + ONES * np.uint64(0x80 - low)
    beyond = low_bits + ONES * np.uint64(0x7F - high)
    return above & ~beyond & ~word & MARKS


@_intrinsic
def prefetch(typing: Any, table: Any, row: Any) -> Any:
    """Asks for the first 128 bytes of a row of a contiguous two-dimensional array, so that reading it waits less."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        array = context.make_array(signature.args[0])(context, builder, values[0])
        byte_pointer, number = ir.IntType(8).as_pointer(), ir.IntType(32)
        asked = ir.FunctionType(ir.VoidType(), [byte_pointer, number, number, number])
        ask = builder.module.globals.get("llvm.prefetch.p0") or ir.Function(builder.module, asked, "llvm.prefetch.p0")
        place = builder.bitcast(array.data, byte_pointer)
        start = builder.mul(values[1], builder.extract_value(array.strides, 0))
        for line in (0, 64):
            at = builder.gep(place, [builder.add(start, ir.Constant(ir.IntType(64), line))])
            builder.call(ask, [at, number(0), number(3), number(1)])
        return context.get_dummy_value()

    return types.void(table, types.int64), generate
