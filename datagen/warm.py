"""A process made ready to generate: machine code on disk, pools and quantiles in memory.

Compiling takes some 60 MB that a process does not give back, so another one does it, once a machine.
"""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import suppress
from functools import cache

import numpy as np

from datagen.blocks import Shard, binary_block, blocks
from datagen.compiled import on_disk
from datagen.spec import Plan, make_plan
from datagen.streams import below


def warm_up(plan: Plan) -> None:
    """Fill pools and tables of quantiles once, before several threads ask for the same ones."""
    compile_apart()
    _generate_one_each(plan)


@cache
def compile_apart() -> None:
    """Have loops that are not on disk compiled by a process of their own; this one will if that fails."""
    if on_disk():
        return
    found = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    with suppress(OSError):
        subprocess.run([sys.executable, "-m", __name__], env=found, capture_output=True, check=False)


def _generate_one_each(plan: Plan) -> None:
    for table, count in plan.rows.items():
        for block in blocks(plan, Shard(table, 0, min(count, 1))):
            for _ in binary_block(block):
                pass


if __name__ == "__main__":
    _generate_one_each(make_plan())
    below(np.zeros(1, np.uint64), np.ones(1, np.uint64))  # a bound per row: the loader of any schema alone
