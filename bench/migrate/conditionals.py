"""psql's ``\\if … \\elif … \\else … \\endif`` of one file.

https://www.postgresql.org/docs/current/app-psql.html#PSQL-METACOMMAND-IF
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

Undo = Callable[[], None]


@dataclass(slots=True)
class _Block:
    line: int
    active: bool
    """Whether what stands here now is read."""
    settled: bool
    """Whether no later branch will be read: one has been, or the whole block is skipped."""
    in_else: bool = False
    undo: Undo | None = None
    """Takes back what a skipped branch added to the statement that it stands in."""


class Conditionals:
    """Which branch is read; ``mark`` is called where a skipped one begins, what it returned where it ends.

    Methods raise ValueError, saying why, where a command stands in no block or after ``\\else``.
    """

    def __init__(self, mark: Callable[[], Undo]) -> None:
        self._mark = mark
        self._blocks: list[_Block] = []

    @property
    def active(self) -> bool:
        """Whether what stands here is read, and not skipped."""
        return not self._blocks or self._blocks[-1].active

    @property
    def open_line(self) -> int | None:
        """Line of the innermost ``\\if`` that has no ``\\endif`` yet."""
        return self._blocks[-1].line if self._blocks else None

    def begin(self, line: int, condition: Callable[[], bool]) -> None:
        """``\\if``; the condition is evaluated only where it counts."""
        outer = self.active
        active = outer and condition()
        self._blocks.append(_Block(line, active, active or not outer, undo=None if active else self._mark()))

    def next_branch(self, condition: Callable[[], bool]) -> None:
        """``\\elif``."""
        block = self._block()
        if block.in_else:
            raise ValueError("it stands after \\else")
        self._leave(block)
        self._enter(block, active=not block.settled and condition())

    def last_branch(self) -> None:
        """``\\else``."""
        block = self._block()
        if block.in_else:
            raise ValueError("it stands after \\else")
        block.in_else = True
        self._leave(block)
        self._enter(block, active=not block.settled)

    def end(self) -> None:
        """``\\endif``."""
        self._leave(self._block())
        self._blocks.pop()

    def _block(self) -> _Block:
        if not self._blocks:
            raise ValueError("there is no \\if before it")
        return self._blocks[-1]

    def _leave(self, block: _Block) -> None:
        if block.undo is not None:
            block.undo()

    def _enter(self, block: _Block, *, active: bool) -> None:
        block.active, block.settled = active, block.settled or active
        block.undo = None if active else self._mark()
