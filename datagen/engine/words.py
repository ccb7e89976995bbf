"""Word lists of several locales, read straight from Faker's providers.

Asking Faker for one value at a time costs 7 to 40 times more, and weighting repeats the few commonest names.
"""

from __future__ import annotations

import importlib
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

LOCALES = ("en_US", "de_DE", "fr_FR", "es_ES", "ru_RU", "ja_JP", "zh_CN", "ar_AA")

_TLDS = ("com", "de", "fr", "es", "ru", "jp", "cn", "ae")
_CALLING_CODES = ("+1", "+49", "+33", "+34", "+7", "+81", "+86", "+971")
_UNSPACED = ("ja_JP", "zh_CN")
_SUFFIXES = {"ja_JP": ("株式会社", "合同会社", "有限会社"), "ar_AA": ("المحدودة", "وشركاه", "القابضة")}
"""Where Faker's provider has a prefix or nothing at all."""

_CYRILLIC = dict(zip("абвгдеёзийклмнопрстуфыэ", "abvgdeeziyklmnoprstufye", strict=True)) | {
    "ж": "zh", "х": "kh", "ц": "ts", "ч": "ch", "ш": "sh", "щ": "shch", "ъ": "", "ь": "", "ю": "yu", "я": "ya"
}  # fmt: skip
_LIGATURES = {"ß": "ss", "ø": "o", "ł": "l", "æ": "ae", "œ": "oe", "đ": "d"}


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """What one locale's names and texts are made of."""

    locale: str
    first_names: tuple[str, ...]
    last_names: tuple[str, ...]
    business_words: tuple[str, ...]
    """Second part of a company's name; always the same number in every locale."""
    company_suffixes: tuple[str, ...]
    jobs: tuple[str, ...]
    cities: tuple[str, ...]
    prose: tuple[str, ...]
    tld: str
    calling_code: str
    space: str
    """What stands between two words: nothing in Chinese and Japanese."""


BUSINESS_WORDS = 64


def faker_version() -> str:
    """Version of the Faker that the word lists come from."""
    return version("faker")


def read_vocabularies() -> tuple[Vocabulary, ...]:
    """One vocabulary per locale, in the order of :data:`LOCALES`."""
    english = _english_business_words()
    return tuple(
        _vocabulary(locale, tld, code, english)
        for locale, tld, code in zip(LOCALES, _TLDS, _CALLING_CODES, strict=True)
    )


def _vocabulary(locale: str, tld: str, calling_code: str, english: tuple[str, ...]) -> Vocabulary:
    prose = _words("lorem", locale, "word_list")
    latin = locale[:2] in ("en", "de", "fr", "es")
    own_words = tuple(word.capitalize() for word in prose if len(word) > 1)
    cities = _words("address", locale, "cities", "city_names") or _words("person", locale, "last_names")
    return Vocabulary(
        locale=locale,
        first_names=_words("person", locale, "first_names")[:400],
        last_names=_one_word(_words("person", locale, "last_names"))[:500],
        business_words=english if latin else own_words[:BUSINESS_WORDS],
        company_suffixes=_SUFFIXES.get(locale) or _words("company", locale, "company_suffixes"),
        jobs=_words("job", locale, "jobs")[:120],
        cities=cities[:120],
        prose=prose,
        tld=tld,
        calling_code=calling_code,
        space="" if locale in _UNSPACED else " ",
    )


def _english_business_words() -> tuple[str, ...]:
    provider = _provider("company", "en_US")
    candidates: Iterable[str] = (*provider.bsWords[2], *provider.catch_phrase_words[2])
    plain = (word.capitalize() for word in candidates if word.isascii() and word.isalpha() and word.islower())
    return tuple(dict.fromkeys(plain))[:BUSINESS_WORDS]


def _words(kind: str, locale: str, *attributes: str) -> tuple[str, ...]:
    """Distinct, trimmed entries of the first list that the provider has, without those special to LIKE."""
    try:
        provider = _provider(kind, locale)
    except ModuleNotFoundError:
        return ()
    for attribute in attributes:
        entries: Mapping[str, float] | Iterable[str] | None = getattr(provider, attribute, None)
        if entries and not callable(entries):
            trimmed = (" ".join(entry.split()) for entry in entries)
            return tuple(dict.fromkeys(entry for entry in trimmed if entry and not set("%_\\") & set(entry)))
    return ()


def _provider(kind: str, locale: str) -> Any:
    return importlib.import_module(f"faker.providers.{kind}.{locale}").Provider


def _one_word(names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(name for name in names if " " not in name)


def ascii_slug(text: str) -> str:
    """Lower-case ASCII letters and digits of a Latin or Cyrillic text; empty for other scripts."""
    letters = (_CYRILLIC.get(letter, _LIGATURES.get(letter, letter)) for letter in text.lower())
    decomposed = unicodedata.normalize("NFKD", "".join(letters))
    return "".join(letter for letter in decomposed if letter.isascii() and letter.isalnum())
