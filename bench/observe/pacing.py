"""How often to look: finely where something has just happened, and never for more than a known price."""

from __future__ import annotations

FINE_PERIOD_S = 0.002
"""Between looks right after a statement began, or a lock came or went."""
COARSE_PERIOD_S = 0.050
"""Between looks while nothing has changed for long."""
RELATIVE = 0.25
"""In between, a period is this part of the time since something changed: so finely is its end known."""
LOOKS_PER_S = 25.0
"""Looks that may be made in the long run. One costs about 0.4 ms of processor time, in client and server
together: 25 a second are 0.5 % of two cores. Nearly all of it is waking up twice, whatever is read."""
PURSE = 50.0
"""Looks that can be saved up while nothing happens."""
LONGEST_FINE_S = 0.050
"""On a machine whose processors are taken."""
LATE = 3.0
"""A gap between two looks that is longer than so many periods was late."""
LENGTHEN = 2.0
SHORTEN = LENGTHEN ** (-1 / 200)
"""At balance one gap in 200 is late: the steps up and down cancel out."""


class Pace:
    """The period in force, in seconds, at any time.

    A machine whose processors are taken answers late, and finer asking gets no finer answers there. So each
    late gap doubles the finest period, and each punctual one shortens it a little, down to 2 ms.
    """

    def __init__(self, now: float) -> None:
        self._changed = self._filled = now
        self._purse = PURSE
        self._finest = FINE_PERIOD_S

    def changed(self, now: float) -> None:
        """A statement began, or a lock came or went."""
        self._changed = now

    def looked(self, now: float) -> None:
        """Pay for a look."""
        saved = self._purse + (now - self._filled) * LOOKS_PER_S
        self._purse = min(PURSE, saved) - 1
        self._filled = now

    def judge(self, gap_s: float, period_s: float) -> None:
        """Learn from the time between two looks that were to be ``period_s`` apart."""
        finest = self._finest * (LENGTHEN if gap_s > LATE * period_s else SHORTEN)
        self._finest = min(LONGEST_FINE_S, max(FINE_PERIOD_S, finest))

    def period_s(self, now: float) -> float:
        """Time from the look before to the next."""
        wanted = max(self._finest, min(COARSE_PERIOD_S, RELATIVE * (now - self._changed)))
        affordable = max(0.0, 1 - self._purse) / LOOKS_PER_S
        return max(wanted, affordable)
