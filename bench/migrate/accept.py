"""What a migration's author accepts: ``-- bench: accept <code> because <reason>`` in its comments.

In the comments above a statement, inside it or at its end it means that statement; so does a comment right
below its last line, if a blank line follows. ``accept-file`` means every statement of the file, wherever it
stands. What is written in quotes, dollar quotes included, or in ``/* */`` is no such comment.
"""

from __future__ import annotations

import difflib
import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from postgast import PgQueryError, scan
from postgast import pg_query_pb2 as tree

from bench.migrate.pieces import Piece, split_script
from bench.model.finding import Acceptance

_WORDS = re.compile(r"--+\s*bench:\s*(.*)", re.DOTALL)
_ACCEPT = re.compile(
    r"(?P<verb>\S+)(?:\s+(?P<code>(?!because\b)\S+))?(?:\s+on\s+(?P<relation>\S+))?"
    r"(?:\s+because\b\s*(?P<because>.*))?(?P<rest>.*)",
    re.DOTALL,
)
_VERBS = ("accept", "accept-file")


@dataclass(frozen=True, slots=True)
class _Comment:
    first_line: int
    last_line: int
    text: str


@dataclass(frozen=True, slots=True)
class _Span:
    """The lines of a statement's code."""

    first_line: int
    last_line: int


def read_acceptances(text: str, migration: str, file: str) -> tuple[Acceptance, ...]:
    """The acceptances in a migration's text, in order; those with wrong words have a ``problem``.

    ``migration`` is its id and ``file`` its path, as findings have them. Files that it includes are not read.
    """
    if "bench:" not in text:
        return ()
    pieces = split_script(text)
    spans = [_span(piece) for piece in pieces if piece.kind == "statement"]
    comments = [
        comment for piece in pieces if piece.kind in ("statement", "space") for comment in _comments(piece)
    ]
    acceptances: list[Acceptance] = []
    for position, comment in enumerate(comments):
        words = _WORDS.fullmatch(comment.text.strip())
        if words is not None:
            span = _meant(comments, position, spans)
            acceptances.append(_acceptance(words[1].strip(), migration, f"{file}:{comment.first_line}", span))
    return tuple(acceptances)


def _acceptance(words: str, migration: str, place: str, span: _Span | None) -> Acceptance:
    parsed = _ACCEPT.fullmatch(words)
    verb = parsed["verb"] if parsed else ""
    code = (parsed["code"] if parsed else None) or ""
    because = " ".join(((parsed["because"] if parsed else None) or "").split())
    problem = None
    if verb not in _VERBS:
        near = difflib.get_close_matches(verb, _VERBS, n=1)
        hint = f', did you mean "{near[0]}"?' if near else ""
        problem = f'"bench: {words}" is not understood{hint}'
    elif not code:
        problem = "it does not say which finding is accepted"
    elif not because:
        problem = f'no reason is given why "{code}" is accepted'
    elif verb == "accept" and span is None:
        problem = f'"{code}" is accepted for a statement, but there is none here'
    return Acceptance(
        code=code,
        because=because,
        place=place,
        migration=migration,
        line=span.first_line if span and verb == "accept" else None,
        relation=parsed["relation"] if parsed else None,
        problem=problem,
    )


def _span(piece: Piece) -> _Span:
    end = piece.text.rstrip()
    return _Span(
        piece.line + piece.text.count("\n", 0, piece.code),
        piece.line + end.count("\n"),
    )


def _comments(piece: Piece) -> Iterator[_Comment]:
    """The comments of a piece; only those before its code where its text is none of PostgreSQL's."""
    text = piece.text
    try:
        tokens = scan(text).tokens
    except PgQueryError:
        text = text[: piece.code] if piece.kind == "statement" else ""
        try:
            tokens = scan(text).tokens
        except PgQueryError:
            return
    source = text.encode()
    for token in tokens:
        if token.token in (tree.SQL_COMMENT, tree.C_COMMENT):
            comment = source[token.start : token.end].decode()
            first = piece.line + source.count(b"\n", 0, token.start)
            yield _Comment(first, first + comment.count("\n"), comment)


def _meant(comments: Sequence[_Comment], position: int, spans: Sequence[_Span]) -> _Span | None:
    """The statement that a comment is about: around it, else below it, else right above it."""
    line = comments[position].first_line
    around = [span for span in spans if span.first_line <= line <= span.last_line]
    if around:
        return around[-1]
    following = bisect_right([span.first_line for span in spans], line)
    above = spans[following - 1] if following else None
    below = spans[following] if following < len(spans) else None
    first, last = _block(comments, position)
    touches_above = above is not None and first == above.last_line + 1
    touches_below = below is not None and last + 1 == below.first_line
    if touches_above and not touches_below:
        return above
    return below


def _block(comments: Sequence[_Comment], position: int) -> tuple[int, int]:
    """First and last line of the comments that follow each other without a blank line."""
    first, last = comments[position].first_line, comments[position].last_line
    for comment in reversed(comments[:position]):
        if comment.last_line < first - 1:
            break
        first = min(first, comment.first_line)
    for comment in comments[position + 1 :]:
        if comment.first_line > last + 1:
            break
        last = max(last, comment.last_line)
    return first, last
