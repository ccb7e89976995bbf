"""Which values a column gets: from its type, its checks, and its name."""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal, InvalidOperation
from functools import cache
from typing import Any

from faker import Faker

from datagen.anyschema import values as v
from datagen.anyschema.catalog import Column
from datagen.anyschema.checks import Limits
from datagen.anyschema.values import Values
from datagen.engine.streams import stream_key

_NAMED: tuple[tuple[str, str], ...] = (
    (r"e?mail", "email"), (r"first_?name|given", "first_name"), (r"last_?name|surname|family", "last_name"),
    (r"company|organi[sz]ation|vendor|supplier|customer_?name", "company"),
    (r"phone|mobile|fax", "phone_number"),
    (r"city|town", "city"), (r"street|address", "street_address"), (r"country", "country"),
    (r"zip|post(al)?_?code", "postcode"), (r"state|region|province", "state"), (r"url|link|website", "url"),
    (r"domain|host", "domain_name"), (r"user_?name|login|handle", "user_name"), (r"job|position", "job"),
    (r"colou?r", "color_name"), (r"iban", "iban"), (r"currency", "currency_code"),
    (r"lang|locale", "language_code"),
    (r"title|subject|headline", "sentence"), (r"descr|comment|note|body|content|text|message", "paragraph"),
    (r"name|label", "name"), (r"agent", "user_agent"), (r"sku|code|slug|key|token|hash", "bothify"),
)  # fmt: skip
"""Part of a column's name → Faker's provider; the first that fits counts."""
_POOL = 300
_INTEGERS = {"int2": 2**15 - 1, "int4": 2**31 - 1, "int8": 2**63 - 1, "oid": 2**31 - 1}
_COUNTS = re.compile(r"count|quantity|qty|number|num|position|order|age|rank|score|level|stock|attempt")
_DAYS = 5 * 365


@dataclass(frozen=True, slots=True)
class Override:
    """What the TOML file says of a column."""

    values: tuple[str, ...] | None = None
    faker: str | None = None
    null: float | None = None


class Unknown(ValueError):
    """No values are known for a column; the message says why."""


def values_of(label: str, column: Column, limits: Limits, override: Override | None, seed: int) -> Values:
    """The values of a column of a table; Unknown where there are none that fit."""
    if override is not None and override.values is not None:
        return v.chosen(override.values)
    if limits.values is not None:
        return v.chosen(limits.values)
    if column.labels is not None:
        made = v.chosen(column.labels)
    else:
        made = _by_type(label, column, limits, override, seed)
    return v.arrays(made) if column.array else made


def _by_type(label: str, column: Column, limits: Limits, override: Override | None, seed: int) -> Values:
    name, kind = column.name.lower(), column.type
    if kind in _INTEGERS:
        return _integers(name, kind, limits)
    match kind:
        case "text" | "varchar" | "bpchar" | "citext" | "name":
            return _texts(column, limits, override, seed)
        case "numeric" | "float4" | "float8" | "money":
            return _numbers(column, limits)
        case "date" | "timestamp" | "timestamptz":
            return _times(kind, limits)
        case "bool":
            return v.chosen(("false", "true"))
        case "uuid":
            return v.identifiers(int(stream_key(seed, label, column.name)) * 2**40)
    made = _rarer(kind, column.modifier)
    if made is None:
        raise Unknown(f"type {kind} is not known")
    if limits.low is not None or limits.high is not None:
        raise Unknown(f"a range of type {kind} is not known")
    return made


def _integers(name: str, kind: str, limits: Limits) -> Values:
    top = _INTEGERS[kind]
    low = int(_number(limits.low)) + limits.low_open if limits.low is not None else None
    high = int(_number(limits.high)) - limits.high_open if limits.high is not None else None
    if low is None:
        low = 1 if high is None or high >= 1 else high - 1000
    spread = 100 if _COUNTS.search(name) else 100_000
    return v.whole(low, top if high is None else high, 0 if high is not None else spread)


def _numbers(column: Column, limits: Limits) -> Values:
    digits, top = 2, Decimal(10) ** (5 if column.type == "float4" else 9)
    if column.type == "numeric" and column.modifier >= 4:
        precision, digits = (column.modifier - 4) >> 16 & 0xFFFF, (column.modifier - 4) & 0x7FF
        digits = digits - 2048 if digits >= 1024 else digits
        top = Decimal(10) ** (precision - digits) - Decimal(1).scaleb(-digits)
    unit = Decimal(1).scaleb(-digits)
    low = _number(limits.low) + unit * limits.low_open if limits.low is not None else None
    high = _number(limits.high) - unit * limits.high_open if limits.high is not None else None
    if low is None:
        low = Decimal(0) if high is None or high >= 0 else high - 1000
    return v.decimals(
        low, min(high, top) if high is not None else top, digits, 0 if high is not None else 100_000
    )


def _number(literal: str | None) -> Decimal:
    try:
        return Decimal(literal or "")
    except InvalidOperation:
        raise Unknown(f"{literal} is no number") from None


def _times(kind: str, limits: Limits) -> Values:
    low, high = _second(limits.low), _second(limits.high)
    step = 86400 if kind == "date" else 1
    if low is None:
        low = 0 if high is None or high > 0 else high - _DAYS * step
    if high is None:
        high = low + _DAYS * 86400
    low += step * limits.low_open
    high -= step * limits.high_open
    if kind == "date":
        return v.dates(-(-low // 86400), high // 86400)
    return v.moments(low, high, "+00" if kind == "timestamptz" else "")


def _second(literal: str | None) -> int | None:
    """Seconds from 2020 to a literal's time, with its zone taken as UTC's where it has none."""
    if literal is None:
        return None
    try:
        text = re.sub(r"([+-]\d\d)$", r"\1:00", literal)
        moment = datetime.datetime.fromisoformat(text)
    except ValueError:
        raise Unknown(f"{literal} is no time that is understood") from None
    if moment.tzinfo is not None:
        moment = moment.astimezone(datetime.UTC).replace(tzinfo=None)
    return int((moment - v.EPOCH).total_seconds())


def _texts(column: Column, limits: Limits, override: Override | None, seed: int) -> Values:
    longest = limits.longest
    if column.type == "name":
        longest = min(longest or 63, 63)
    if column.type in ("varchar", "bpchar") and column.modifier > 4:
        longest = min(longest if longest is not None else v.ENDLESS, column.modifier - 4)
    provider = override.faker if override and override.faker else _provider(column.name.lower())
    pool = _pool(provider, seed)
    if provider == "email":
        return v.addressed(pool, longest)
    made = v.worded(pool, longest, limits.shortest)
    if override and override.faker:
        return made
    # A column without a telling name repeats itself, as types and states do.
    return replace(made, spread=20) if provider == "word" else made


def _provider(name: str) -> str:
    return next((provider for part, provider in _NAMED if re.search(part, name)), "word")


@cache
def _pool(provider: str, seed: int) -> Sequence[str]:
    faker = Faker(use_weighting=False)
    faker.seed_instance(seed)
    make: Any = getattr(faker, provider, None)
    if make is None:
        raise Unknown(f"Faker has no provider {provider}")
    return tuple(dict.fromkeys(" ".join(str(make()).split()) for _ in range(_POOL)))


def _rarer(kind: str, modifier: int) -> Values | None:
    bits = max(modifier, 1) if kind == "bit" else 16
    ranged: dict[str, Callable[[int], str]] = {
        "int4range": str, "int8range": str, "numrange": str,
        "daterange": v.dates(0, 10**5).at, "tsrange": v.moments(0, 10**9, "").at,
        "tstzrange": v.moments(0, 10**9, "+00").at,
    }  # fmt: skip
    if kind in ranged:
        of, quote = ranged[kind], '"' if kind.startswith("ts") else ""
        return Values(10**5 - 10, lambda k: f"[{quote}{of(k)}{quote},{quote}{of(k + 7)}{quote})")
    known = {
        "json": Values(v.ENDLESS, lambda k: f'{{"source": "import", "number": {k}}}', spread=1000),
        "jsonb": Values(v.ENDLESS, lambda k: f'{{"source": "import", "number": {k}}}', spread=1000),
        "bytea": Values(v.ENDLESS, lambda k: f"\\x{k:016x}"),
        "inet": Values(2**24, lambda k: f"10.{k >> 16}.{k >> 8 & 255}.{k & 255}"),
        "cidr": Values(2**16, lambda k: f"10.{k >> 8}.{k & 255}.0/24"),
        "macaddr": Values(
            2**40, lambda k: "02:" + ":".join(f"{k >> shift & 255:02x}" for shift in (32, 24, 16, 8, 0))
        ),
        "time": Values(86400, lambda k: f"{k // 3600:02d}:{k // 60 % 60:02d}:{k % 60:02d}"),
        "timetz": Values(86400, lambda k: f"{k // 3600:02d}:{k // 60 % 60:02d}:{k % 60:02d}+00"),
        "interval": Values(10**6, lambda k: f"{k} minutes", spread=5000),
        "bit": Values(2**bits, lambda k: f"{k:0{bits}b}"),
        "varbit": Values(2**bits, lambda k: f"{k:0{bits}b}"),
        "char": Values(26, lambda k: chr(97 + k)),
        "point": Values(10**6, lambda k: f"({k % 1000},{k // 1000})"),
        "tsvector": Values(v.ENDLESS, lambda k: f"word{k}:1", spread=1000),
        "xml": Values(v.ENDLESS, lambda k: f"<n>{k}</n>", spread=1000),
    }
    return known.get(kind)
