"""Pools: every string that a row can hold, filled once and kept as bytes of the wire.

Rows differ by combination: 2,000 last names times 64 business words give 130,000 companies.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from functools import cache
from hashlib import sha256

import numpy as np

from datagen.engine.columns import Block
from datagen.engine.compiled import compiled
from datagen.engine.streams import Hashes, Ints, below, hash_rows, long_tailed, stream_key
from datagen.engine.values import Pool
from datagen.engine.words import BUSINESS_WORDS, Vocabulary, ascii_slug, read_vocabularies

NORMAL, UPPER, LOWER, SPACED = range(4)
"""Spellings of a company's name: a pool of names holds each of its elements four times, in this order."""

_AT_SIGNS = ("@", "@", "@@", "@", " at ")
FLAWS = len(_AT_SIGNS) - 1
DOMAINLESS = 1
"""The flaw of an address that ends with its at sign."""
_FREE_MAIL = (
    "gmail.com",
    "yahoo.com",
    "hotmail.com",
    "gmx.de",
    "mail.ru",
    "web.de",
    "outlook.com",
    "aol.com",
)
_ODD_TAILS = {
    "wildcard_text": (" 100%", "_old", " \\", "%", " 50%_off"),
    "emoji_text": (" 🚀", " ✅ hot lead 🔥", "👩‍💻"),
    "rtl_text": (" \u202eמגרבולג\u202c", " شركة", " (\u200fחברה)"),
    "long_text": tuple(" " + (word * 60)[:199] for word in ("holding ", "Unternehmensgruppe ", "группа ")),
}
"""What dirty company texts end with, by kind of dirt."""


@dataclass(frozen=True, slots=True)
class LocalPool:
    """A pool of which every locale has one stretch."""

    pool: Pool
    starts: Ints
    counts: Ints

    def draw(self, locales: Ints, hashes: Hashes) -> Ints:
        """Index of one element of each row's locale."""
        return _drawn(self.starts, self.counts, locales, hashes)


@compiled
def _drawn(starts: Ints, counts: Ints, places: Ints, hashes: Hashes) -> Ints:
    """One of ``counts[place]`` numbers from ``starts[place]`` on, from a hash's upper 32 bits."""
    out = np.empty(len(hashes), dtype=np.int64)
    for row in range(len(hashes)):
        place = places[row]
        drawn = (hashes[row] >> np.uint64(32)) * np.uint64(counts[place]) >> np.uint64(32)
        out[row] = starts[place] + np.int64(drawn)
    return out


@dataclass(frozen=True, slots=True)
class Pools:
    """All pools of the CRM."""

    first_names: LocalPool
    first_slugs: Pool
    """ASCII form of each first name, for addresses; a second time in capitals, like ``last_slugs``."""
    last_names: LocalPool
    """In four spellings, see :data:`NORMAL`; also the first part of a company's name."""
    last_locales: Ints
    """Locale of each last name."""
    last_slugs: Pool
    business_words: LocalPool
    business_slugs: Pool
    company_suffixes: LocalPool
    spaces: Pool
    """What stands between two words, by locale."""
    tlds: Pool
    calling_codes: Pool
    jobs: LocalPool
    cities: LocalPool
    sentences: LocalPool
    descriptions: LocalPool
    """Half below 160 bytes, three in a hundred above 2 kB."""
    summaries: LocalPool
    products: Pool
    generations: Pool
    """What tells companies apart once all combinations are used up: nothing, then 2, 3, …"""
    numbers: Pool
    """The same for their domains."""
    at_signs: Pool
    """A right one, FLAWS that no mail server takes, then those before a public domain, with it."""
    leads: Pool
    """What goes before an address with each of the flaws."""
    odd_tail_kinds: tuple[str, ...]
    odd_tails: LocalPool
    """Endings of dirty texts; the stretches are kinds of dirt, not locales."""

    @property
    def last_count(self) -> int:
        """Last names, each counted once."""
        return len(self.last_locales)

    @property
    def company_capacity(self) -> int:
        """Distinct names of companies before generations are needed."""
        return self.last_count * BUSINESS_WORDS

    def sha256(self) -> str:
        """Hash of every element of every pool."""
        digest = sha256()
        for field in fields(self):
            value = getattr(self, field.name)
            pool = value.pool if isinstance(value, LocalPool) else value
            if isinstance(pool, Pool):
                digest.update(f"{field.name}\0".encode())
                digest.update("\0".join(pool.texts).encode())
        return digest.hexdigest()


def pools_of(block: Block) -> Pools:
    """Those of the block's seed."""
    return build_pools(block.plan.seed)


@cache
def build_pools(seed: int) -> Pools:
    """Fill the pools, in well under a second; the same for one seed and one version of Faker."""
    vocabularies = read_vocabularies()
    names = _distinct_names(vocabularies)
    slugs = _distinct_slugs([name for group in names for name in group])
    firsts = [v.first_names for v in vocabularies]
    english_words = [ascii_slug(word) for word in vocabularies[0].business_words]
    return Pools(
        first_names=_local(firsts),
        first_slugs=_shoutable([_slug_or_alias(n, firsts[0], i) for i, n in enumerate(_chain(firsts))]),
        last_names=_spelled(names),
        last_locales=np.repeat(np.arange(len(names)), [len(group) for group in names]).astype(np.int64),
        last_slugs=_shoutable(slugs),
        business_words=_spelled([[v.space + word for word in v.business_words] for v in vocabularies], "  "),
        business_slugs=Pool(tuple("-" + word for word in english_words)),
        company_suffixes=_spelled(
            [[v.space + s for s in v.company_suffixes] for v in vocabularies], after=" "
        ),
        spaces=Pool(tuple(v.space for v in vocabularies)),
        tlds=Pool(tuple("." + v.tld for v in vocabularies)),
        calling_codes=Pool(tuple(v.calling_code + " " for v in vocabularies)),
        jobs=_local([v.jobs for v in vocabularies]),
        cities=_local([v.cities for v in vocabularies]),
        sentences=_prose(seed, "sentences", vocabularies, 45, 30, 400),
        descriptions=_prose(seed, "descriptions", vocabularies, 160, 75, 9000),
        summaries=_prose(seed, "summaries", vocabularies, 600, 60, 12000),
        products=Pool(_products(vocabularies[0])),
        generations=Pool(("", *(f" {n}" for n in range(2, 4097)))),
        numbers=Pool(("", *(f"{n}" for n in range(2, 4097)))),
        at_signs=Pool((*_AT_SIGNS, *("@" + domain for domain in _FREE_MAIL))),
        leads=Pool(("", "", "", "  ", "")),
        odd_tail_kinds=tuple(_ODD_TAILS),
        odd_tails=_local(list(_ODD_TAILS.values())),
    )


def _chain(groups: Iterable[Sequence[str]]) -> list[str]:
    return [text for group in groups for text in group]


def _local(groups: Sequence[Sequence[str]], pool: Pool | None = None) -> LocalPool:
    counts = np.array([len(group) for group in groups], dtype=np.int64)
    return LocalPool(pool or Pool(tuple(_chain(groups))), np.cumsum(counts) - counts, counts)


def _spelled(groups: Sequence[Sequence[str]], before: str = "", after: str = "") -> LocalPool:
    """The four spellings one after another; ``before`` replaces the leading blank of the spaced one."""
    texts = _chain(groups)
    spaced = [(before + text[1:] if before and text.startswith(" ") else text) + after for text in texts]
    spellings = (*texts, *(text.upper() for text in texts), *(text.lower() for text in texts), *spaced)
    return _local(groups, Pool(spellings))


def _shoutable(texts: Sequence[str]) -> Pool:
    return Pool((*texts, *(text.upper() for text in texts)))


def _distinct_names(vocabularies: Sequence[Vocabulary]) -> list[list[str]]:
    """Last names by locale, none twice but for case, none the beginning of another where no blank follows."""
    taken: set[str] = set()
    groups = []
    for vocabulary in vocabularies:
        names = vocabulary.last_names
        if not vocabulary.space:
            names = tuple(n for n in names if not any(n != other and n.startswith(other) for other in names))
        groups.append([name for name in names if name.lower() not in taken])
        taken |= {name.lower() for name in names}
    return groups


def _distinct_slugs(names: Sequence[str]) -> tuple[str, ...]:
    """An ASCII label per name, all different; a name in another script, or taken, gets a numbered one."""
    taken: dict[str, None] = {}
    for number, name in enumerate(names):
        slug = ascii_slug(name)
        taken[slug if len(slug) > 1 and slug not in taken else f"{slug[:1] or 'x'}{number}"] = None
    return tuple(taken)


def _slug_or_alias(name: str, aliases: Sequence[str], number: int) -> str:
    """ASCII form of a first name; people whose script has none use an English one in addresses."""
    return ascii_slug(name) or ascii_slug(aliases[number % len(aliases)])


def _prose(
    seed: int,
    purpose: str,
    vocabularies: Sequence[Vocabulary],
    median: int,
    spread_percent: int,
    longest: int,
) -> LocalPool:
    """256 texts per locale of long-tailed length in bytes."""
    sizes = long_tailed(median, spread_percent, 12, longest).knots[8::16]
    groups = []
    for vocabulary in vocabularies:
        key = stream_key(seed, "pools", f"{purpose}/{vocabulary.locale}")
        picks = below(
            hash_rows(key, np.arange(int(sizes.sum()) // 2, dtype=np.uint64)), len(vocabulary.prose)
        )
        groups.append(_texts(vocabulary, [int(size) for size in sizes], picks.tolist()))
    return _local(groups)


def _texts(vocabulary: Vocabulary, sizes: Sequence[int], picks: Sequence[int]) -> list[str]:
    texts, position = [], 0
    for size in sizes:
        words, length = [], 0
        while length < size:
            word = vocabulary.prose[picks[position % len(picks)]]
            position += 1
            words.append(word)
            length += len(word.encode()) + len(vocabulary.space)
        text = vocabulary.space.join(words)
        texts.append(text[:1].upper() + text[1:] + ".")
    return texts


def _products(english: Vocabulary) -> tuple[str, ...]:
    kinds = ("rollout", "renewal", "licence", "pilot", "migration", "support plan", "audit", "expansion")
    return tuple(f" – {word} {kind}" for word in english.business_words for kind in kinds)
