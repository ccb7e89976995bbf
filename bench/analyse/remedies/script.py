"""A script of safer statements, as somebody would paste it into psql."""

from __future__ import annotations

from dataclasses import dataclass

from bench.sql.tree import code_of

OWN = "in a transaction of its own"
OUTSIDE = "outside a transaction"
LOCK_TIMEOUT = "2s"


@dataclass(frozen=True, slots=True)
class Remedy:
    """The way out: in a sentence, and in statements where they are known."""

    say: str
    sql: str | None = None


class Script:
    """Statements with a comment above those that need a word."""

    def __init__(self) -> None:
        self._parts: list[str] = []

    def add(self, sql: str, comment: str = "") -> None:
        """Append a statement; a semicolon is added."""
        head = f"-- {comment}\n" if comment else ""
        self._parts.append(f"{head}{sql};")

    def note(self, comment: str) -> None:
        """Append a comment that belongs to no statement."""
        self._parts.append(f"-- {comment}")

    def append(self, other: str) -> None:
        """Append a script."""
        if other:
            self._parts.append(other)

    @property
    def text(self) -> str:
        """The script, one statement after the other; empty where there is none."""
        return "\n".join(self._parts)


def retry(statement: str) -> str:
    """A block that tries a statement again and again, each time for two seconds: nobody queues for longer.

    ``statement`` must be allowed in a function; each attempt that waits too long gives all its locks back.
    """
    body = code_of(statement).replace("\n", "\n            ")
    return f"""\
DO $retry$
BEGIN
    FOR attempt IN 1..30 LOOP
        BEGIN
            SET LOCAL lock_timeout = '{LOCK_TIMEOUT}';
            {body};
            RETURN;
        EXCEPTION WHEN lock_not_available THEN
            RAISE NOTICE 'attempt % gave way to others', attempt;
            PERFORM pg_sleep(2);
        END;
    END LOOP;
    RAISE EXCEPTION 'no lock in 30 attempts';
END $retry$;"""
