"""A comparison on the terminal."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table
from rich.text import Text

from bench.analyse.compare.result import Comparison, Outcome
from bench.report.comparison.words import BY, LABEL, footer, headline, place, rows

_STYLE: dict[Outcome, str] = {
    "fail": "bold red", "inconclusive": "bold yellow", "warn": "yellow", "improved": "cyan", "pass": "dim",
}  # fmt: skip


def print_comparison(comparison: Comparison, console: Console) -> None:
    """Everything that is not a plain pass, worst first, then the verdict."""
    listed = rows(comparison)
    if listed:
        table = Table(box=None, pad_edge=False, header_style="bold")
        table.add_column("Outcome", no_wrap=True)
        table.add_column("By", no_wrap=True)
        table.add_column("Where", overflow="fold")
        table.add_column("What", overflow="fold")
        for row in listed:
            label = Text(LABEL[row.gate.outcome], style=_STYLE[row.gate.outcome])
            table.add_row(label, BY[row.gate.level], Text(f"{place(row)}{row.what}"), Text(row.sentence))
        console.print(table)
        console.print()
    for line in footer(comparison):
        console.print(line, markup=False, highlight=False)
    console.print()
    verdict = Text("Verdict   ", style="bold")
    verdict.append(headline(comparison), style=_STYLE[comparison.outcome])
    console.print(verdict)
