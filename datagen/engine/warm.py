"""A process made ready to generate: machine code on disk, pools and quantiles in memory.

Compiling takes some 60 MB that a process does not give back, so another one does it, once a machine.
"""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from contextlib import suppress

import numpy as np

from datagen.engine.blocks import Shard, binary_block, blocks
from datagen.engine.compiled import on_disk
from datagen.engine.plan import Plan
from datagen.engine.streams import below

_ON_DISK: set[str] = set()
"""Data sets of which this process has seen to the loops."""


def warm_up(plan: Plan) -> None:
    """Fill pools and tables of quantiles once, before several threads ask for the same ones."""
    compile_apart(plan)
    _generate_one_each(plan)


def compile_apart(plan: Plan) -> None:
    """Have loops that are not on disk compiled by a process of their own; this one will if that fails."""
    data = plan.data
    if data.name in _ON_DISK:
        return
    _ON_DISK.add(data.name)
    data.tables()  # its modules may have loops of their own
    if on_disk():
        return
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command, sent = [sys.executable, "-m", __name__], pickle.dumps(data.plan())
    with suppress(OSError):
        subprocess.run(command, input=sent, env=environment, capture_output=True, check=False)


def _generate_one_each(plan: Plan) -> None:
    for table, count in plan.rows.items():
        for block in blocks(plan, Shard(table, 0, min(count, 1))):
            for _ in binary_block(block):
                pass


if __name__ == "__main__":
    _generate_one_each(pickle.load(sys.stdin.buffer))
    below(np.zeros(1, np.uint64), np.ones(1, np.uint64))  # a bound per row: the loader of any schema alone
