"""What is known of this machine's noise: one file for each key of a machine, in its state directory."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import msgspec

from bench.analyse.compare.key import machine_digest
from bench.model.noise import Noise
from bench.pg.lease import state_directory
from bench.store.results import write_atomic


def save_noise(noise: Noise) -> Path:
    """Keep what was learnt in place of what was known; returns the file."""
    path = state_directory("noise") / f"{noise.machine}.json"
    write_atomic(path, msgspec.json.format(msgspec.json.encode(noise), indent=2) + b"\n")
    return path


def load_noise(machine: Mapping[str, str]) -> Noise | None:
    """What is known of a machine; None where nothing is, or what there is cannot be read."""
    path = state_directory("noise") / f"{machine_digest(machine)}.json"
    try:
        return msgspec.json.decode(path.read_bytes(), type=Noise)
    except (FileNotFoundError, msgspec.DecodeError, UnicodeDecodeError):
        return None
