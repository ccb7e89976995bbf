"""The machine that the harness runs on."""

from __future__ import annotations

import os
import platform
from pathlib import Path

import psutil

from bench.model.run import HostInfo


def read_host() -> HostInfo:
    """Operating system, processor, cores that this process may use, memory."""
    affinity = getattr(os, "sched_getaffinity", None)
    return HostInfo(
        os=platform.platform(),
        cpu=_cpu_model() or platform.processor() or platform.machine(),
        cores=len(affinity(0)) if affinity else os.cpu_count() or 1,
        memory_bytes=psutil.virtual_memory().total,
    )


def _cpu_model() -> str | None:
    """The model's name where Linux tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return None
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), None)
