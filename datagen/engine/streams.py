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

from datagen.engine.compiled import compiled

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


def hash_rows(key: np.uint64, rows: Hashes | Ints) -> Hashes:
    """64 random bits per row; two rows of one stream never share a value (SplitMix64 is a bijection)."""
    return _hashed(key, _unsigned(rows))


def random_uuids(high: np.uint64, low: np.uint64, rows: Ints) -> tuple[Hashes, Hashes]:
    """Upper and lower halves of version 4 UUIDs, from two streams."""
    return _uuids(high, low, _unsigned(rows))


def below(hashes: Hashes, bound: int | Hashes | Ints) -> Ints:
    """Whole numbers in [0, bound), from the upper 32 bits; ``bound`` (one, or one per row) 1 to 2**32."""
    if isinstance(bound, np.ndarray):
        return _below_each(hashes, _unsigned(bound))
    return _below(hashes, np.uint64(bound))


def chance(hashes: Hashes, share: float) -> Mask:
    """True in ``share`` (0 to 1) of the rows, from the lower 32 bits: independent of :func:`below`."""
    return _chance(hashes, _threshold(share))


def chance_of_rows(key: np.uint64, rows: Hashes | Ints, share: float) -> Mask:
    """What :func:`chance` makes of the rows' random bits, where nothing else needs those."""
    return _chance_of_rows(key, _unsigned(rows), _threshold(share))


def _threshold(share: float) -> np.uint64:
    # A double times a power of two is exact, so the threshold is the same everywhere.
    return np.uint64(int(share * 2**32))


def pick(hashes: Hashes, weights: tuple[int, ...]) -> Ints:
    """Positions in ``weights``, each with a chance in proportion to its weight."""
    return _picked(hashes, _limits(weights))


@cache
def _limits(weights: tuple[int, ...]) -> Hashes:
    return np.cumsum(np.array(weights, dtype=np.uint64))


@dataclass(frozen=True, slots=True)
class Quantiles:
    """A distribution as its inverse in 4,096 equal steps, with integer interpolation between two knots."""

    knots: Ints

    def draw(self, hashes: Hashes) -> Ints:
        """One value per hash, from its upper 32 bits."""
        return _drawn(self.knots, hashes)


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
    return _ranks(_zipf_knots(n, exponent_percent).knots, hashes, n)


def permute(values: Ints, n: int, key: np.uint64) -> Ints:
    """A bijection of [0, n) that depends on ``key``: n from 1 to 2**62.

    Three rounds of multiply and xor-shift, each invertible modulo the next power of two; what lands outside
    [0, n) walks on along its cycle, at most one extra round on average.
    """
    return _permuted(_unsigned(values), np.uint64(n), max((n - 1).bit_length(), 2), _constants(key))


@cache
def _constants(key: np.uint64) -> Hashes:
    """Odd numbers: three to multiply by, three to add."""
    return hash_rows(key, np.arange(1, 7, dtype=np.uint64)) | np.uint64(1)


def _unsigned(values: Hashes | Ints) -> Hashes:
    """The same bits as unsigned numbers, side by side."""
    return np.ascontiguousarray(values).view(np.uint64)


@compiled
def _hashed(key: np.uint64, rows: Hashes) -> Hashes:
    out = np.empty(len(rows), dtype=np.uint64)
    for row in range(len(rows)):
        out[row] = _mixed(key, rows[row])
    return out


@compiled
def _mixed(key: np.uint64, row: np.uint64) -> np.uint64:
    z = row * _GOLDEN + key
    z = (z ^ (z >> np.uint64(30))) * _MIX_1
    z = (z ^ (z >> np.uint64(27))) * _MIX_2
    return z ^ (z >> np.uint64(31))


@compiled
def _uuids(high: np.uint64, low: np.uint64, rows: Hashes) -> tuple[Hashes, Hashes]:
    upper = np.empty(len(rows), dtype=np.uint64)
    lower = np.empty(len(rows), dtype=np.uint64)
    for row in range(len(rows)):
        upper[row] = _mixed(high, rows[row]) & np.uint64(0xFFFFFFFFFFFF0FFF) | np.uint64(0x4000)
        lower[row] = _mixed(low, rows[row]) & np.uint64(0x3FFFFFFFFFFFFFFF) | np.uint64(0x8000000000000000)
    return upper, lower


@compiled
def _below(hashes: Hashes, bound: np.uint64) -> Ints:
    out = np.empty(len(hashes), dtype=np.int64)
    for row in range(len(hashes)):
        out[row] = (hashes[row] >> np.uint64(32)) * bound >> np.uint64(32)
    return out


@compiled
def _below_each(hashes: Hashes, bounds: Hashes) -> Ints:
    out = np.empty(len(hashes), dtype=np.int64)
    for row in range(len(hashes)):
        out[row] = (hashes[row] >> np.uint64(32)) * bounds[row] >> np.uint64(32)
    return out


@compiled
def _chance(hashes: Hashes, threshold: np.uint64) -> Mask:
    out = np.empty(len(hashes), dtype=np.bool_)
    for row in range(len(hashes)):
        out[row] = (hashes[row] & np.uint64(0xFFFFFFFF)) < threshold
    return out


@compiled
def _chance_of_rows(key: np.uint64, rows: Hashes, threshold: np.uint64) -> Mask:
    out = np.empty(len(rows), dtype=np.bool_)
    for row in range(len(rows)):
        out[row] = (_mixed(key, rows[row]) & np.uint64(0xFFFFFFFF)) < threshold
    return out


@compiled
def _picked(hashes: Hashes, limits: Hashes) -> Ints:
    out = np.empty(len(hashes), dtype=np.int64)
    for row in range(len(hashes)):
        place = (hashes[row] >> np.uint64(32)) * limits[-1] >> np.uint64(32)
        position = 0
        for limit in limits:
            position += limit <= place
        out[row] = position
    return out


@compiled
def _drawn(knots: Ints, hashes: Hashes) -> Ints:
    out = np.empty(len(hashes), dtype=np.int64)
    for row in range(len(hashes)):
        out[row] = _interpolated(knots, hashes[row])
    return out


@compiled
def _interpolated(knots: Ints, bits: np.uint64) -> np.int64:
    index = np.int64(bits >> np.uint64(52))
    fraction = np.int64(bits >> np.uint64(32) & np.uint64(0xFFFFF))
    low = knots[index]
    # The product stays below 2**63 for values up to 2**43.
    value: np.int64 = low + ((knots[index + 1] - low) * fraction >> 20)
    return value


@compiled
def _ranks(knots: Ints, hashes: Hashes, n: int) -> Ints:
    out = np.empty(len(hashes), dtype=np.int64)
    for row in range(len(hashes)):
        rank = (_interpolated(knots, hashes[row]) >> 10) - 1
        out[row] = 0 if rank < 0 else n - 1 if rank >= n else rank
    return out


@compiled
def _permuted(values: Hashes, n: np.uint64, bits: int, constants: Hashes) -> Ints:
    out = np.empty(len(values), dtype=np.uint64)
    mask = (np.uint64(1) << np.uint64(bits)) - np.uint64(1)
    shift = np.uint64((bits + 1) // 2)
    # Without the question that follows, several rows are computed at once.
    for row in range(len(values)):
        out[row] = _moved(values[row], mask, shift, constants)
    for row in range(len(values)):
        x = out[row]
        while x >= n:
            x = _moved(x, mask, shift, constants)
        out[row] = x
    return out.view(np.int64)


@compiled
def _moved(x: np.uint64, mask: np.uint64, shift: np.uint64, constants: Hashes) -> np.uint64:
    """Three rounds, written out: a loop would be taken for each row by itself."""
    x = x * constants[0] + constants[3] & mask
    x ^= x >> shift
    x = x * constants[1] + constants[4] & mask
    x ^= x >> shift
    x = x * constants[2] + constants[5] & mask
    return x ^ x >> shift
