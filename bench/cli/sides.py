"""What a comparison's argument names: a run, a baseline, or a file of either."""

from __future__ import annotations

from bench.model.record import Record


def load_side(which: str) -> Record:
    """The record of a run id, a run's directory or file, ``latest``, a baseline's file, or its suite.

    Raises UsageError: there is no such thing, or it cannot be read.
    """
    from bench.analyse.compare.record import record
    from bench.store.baseline import decode_record, find_baseline
    from bench.store.results import load

    baseline = find_baseline(which)
    if baseline is not None:
        return decode_record(baseline.read_bytes(), str(baseline))
    return record(load(which))
