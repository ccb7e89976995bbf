"""Stateless randomness: every value is a function of seed, table, column and row number.

A column's key is a BLAKE2b hash of its address; the value of a row is SplitMix64 of key plus row times the
golden ratio (Steele, Lea, Flood 2014). There is no state to carry, so any row can be computed at any time, by
any worker. No floating point lies on the way to a value: libm differs in the last bit between processors.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Context, Decimal
from functools import cache
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

Hashes = NDArray[np.uint64]
Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)
_KNOTS = 4096
_CONTEXT = Context(prec=18)


@cache
def stream_key(seed: int, table: str, column: str) -> np.uint64:
    """The 64-bit key of one column's stream."""
    digest = blake2b(f"{seed}/{table}/{column}".encode(), digest_size=8).digest()
    return np.uint64(int.from_bytes(digest, "little"))


def hash_rows(key: np.uint64, rows: Hashes) -> Hashes:
    """64 random bits per row; two rows of one stream never share a value (SplitMix64 is a bijection)."""
    # In place: half the time goes into fresh memory otherwise.
    z = rows * _GOLDEN
    z += key
    shifted = z >> np.uint64(30)
    z ^= shifted
    z *= _MIX_1
    z ^= np.right_shift(z, np.uint64(27), out=shifted)
    z *= _MIX_2
    z ^= np.right_shift(z, np.uint64(31), out=shifted)
    return z


def below(hashes: Hashes, bound: int | Hashes) -> Ints:
    """Whole numbers in [0, bound), from the upper 32 bits; ``bound`` (one, or one per row) 1 to 2**32."""
    return ((hashes >> np.uint64(32)) * np.asarray(bound, dtype=np.uint64) >> np.uint64(32)).astype(np.int64)


def chance(hashes: Hashes, share: float) -> Mask:
    """True in ``share`` (0 to 1) of the rows, from the lower 32 bits: independent of :func:`below`."""
    # A double times a power of two is exact, so the threshold is the same everywhere.
    return (hashes & np.uint64(0xFFFFFFFF)) < np.uint64(int(share * 2**32))


def pick(hashes: Hashes, weights: tuple[int, ...]) -> Ints:
    """Positions in ``weights``, each with a chance in proportion to its weight."""
    limits = np.cumsum(np.asarray(weights, dtype=np.int64))
    return np.searchsorted(limits, below(hashes, int(limits[-1])), side="right").astype(np.int64)


@dataclass(frozen=True, slots=True)
class Quantiles:
    """A distribution as its inverse in 4,096 equal steps, with integer interpolation between two knots."""

    knots: Ints

    def draw(self, hashes: Hashes) -> Ints:
        """One value per hash, from its upper 32 bits."""
        index = (hashes >> np.uint64(52)).astype(np.int64)
        fraction = ((hashes >> np.uint64(32)) & np.uint64(0xFFFFF)).astype(np.int64)
        low = self.knots[index]
        # The product stays below 2**63 for values up to 2**43.
        return low + ((self.knots[index + 1] - low) * fraction >> 20)


@cache
def _logits() -> tuple[Decimal, ...]:
    """Logit of each knot's share, half a step inwards at both ends, where it is infinite."""
    shares = (Decimal(min(max(2 * step, 1), 2 * _KNOTS - 1)) / (2 * _KNOTS) for step in range(_KNOTS + 1))
    return tuple(_CONTEXT.ln(share / (1 - share)) for share in shares)


@cache
def long_tailed(median: int, spread_percent: int, low: int, high: int) -> Quantiles:
    """Log-logistic values: half below ``median``, a long tail above, cut to [low, high].

    ``spread_percent`` is the scale of the logarithm: 50 puts a tenth of the values above three medians.
    """
    spread = Decimal(spread_percent) / 100
    values = (median * _CONTEXT.exp(spread * logit) for logit in _logits())
    return Quantiles(np.array([min(max(int(value), low), high) for value in values], dtype=np.int64))


@cache
def _zipf_knots(n: int, exponent_percent: int) -> Quantiles:
    """Inverse of the bounded Pareto distribution on [1, n + 1), in units of 1/1024."""
    power = 1 - Decimal(exponent_percent) / 100
    top = _CONTEXT.ln(Decimal(n + 1))
    steps = (Decimal(step) / _KNOTS for step in range(_KNOTS + 1))
    if power == 0:
        ranks = [_CONTEXT.exp(share * top) for share in steps]
    else:
        span = _CONTEXT.exp(power * top) - 1
        ranks = [_CONTEXT.exp(_CONTEXT.ln(1 + share * span) / power) for share in steps]
    return Quantiles(np.array([int(rank * 1024) for rank in ranks], dtype=np.int64))


def zipf_ranks(hashes: Hashes, n: int, exponent_percent: int = 80) -> Ints:
    """Ranks in [0, n), rank r drawn in proportion to (r + 1) ** -exponent; n from 1 to 2**32."""
    ranks = (_zipf_knots(n, exponent_percent).draw(hashes) >> 10) - 1
    inside: Ints = np.minimum(np.maximum(ranks, 0), n - 1)
    return inside


def permute(values: Ints, n: int, key: np.uint64) -> Ints:
    """A bijection of [0, n) that depends on ``key``: n from 1 to 2**62.

    Three rounds of multiply and xor-shift, each invertible modulo the next power of two; what lands outside
    [0, n) walks on along its cycle, at most one extra round on average.
    """
    bits = max((n - 1).bit_length(), 2)
    mask = np.uint64((1 << bits) - 1)
    shift = np.uint64((bits + 1) // 2)
    constants = hash_rows(key, np.arange(1, 7, dtype=np.uint64)) | np.uint64(1)

    def scramble(x: Hashes) -> Hashes:
        x = x.copy()
        for factor, addend in zip(constants[:3], constants[3:], strict=True):
            x *= factor
            x += addend
            x &= mask
            x ^= x >> shift
        return x

    result = scramble(values.astype(np.uint64))
    outside = np.flatnonzero(result >= np.uint64(n))
    while outside.size:
        result[outside] = scramble(result[outside])
        outside = outside[result[outside] >= np.uint64(n)]
    return result.astype(np.int64)
