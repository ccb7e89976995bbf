"""The processes of a cluster: how they are found by their data directory, and how they are stopped."""

from __future__ import annotations

import ctypes
import os
import signal
import time
from contextlib import suppress
from pathlib import Path

import psutil

STOP_TIMEOUT_S = 10.0
"""For an immediate shutdown; what still runs afterwards is killed."""
KILL_TIMEOUT_S = 10.0
_SEGMENTS = Path("/proc/sysvipc/shm")
_KEY_BITS = 0xFFFFFFFF
_REMOVE = 0
"""IPC_RMID of shmctl(2)."""


def find_processes(data: Path) -> list[psutil.Process]:
    """Return the ``postgres`` and ``initdb`` that were started with a data directory.

    The directory's name is random, so that an argument equal to it tells them from everybody else's, also
    before the server has written its postmaster.pid.
    """
    found = []
    for process in psutil.process_iter():
        try:
            if str(data) in process.cmdline() and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except psutil.Error:
            continue
    return found


def stop_processes(data: Path) -> bool:
    """Stop what runs on a data directory; tell whether there was a server."""
    postmaster = False
    for process in find_processes(data):
        with suppress(psutil.NoSuchProcess, ProcessLookupError):
            if process.name() == "postgres":
                postmaster = True
                stop_postmaster(process)
            else:
                os.killpg(process.pid, signal.SIGKILL)  # initdb leads a group of its own
                _ended(process, KILL_TIMEOUT_S)
    return postmaster


def stop_postmaster(postmaster: psutil.Process | None) -> None:
    """Stop a postmaster, and the backends that a kill leaves; None, or one that is gone, is no error.

    Its data are thrown away, so that it need not write them: a shutdown that ends with a checkpoint takes
    long, and never ends on a full disk.
    """
    if postmaster is None:
        return
    try:
        postmaster.send_signal(signal.SIGQUIT)
        if _ended(postmaster, STOP_TIMEOUT_S):
            return
        left = [postmaster, *postmaster.children(recursive=True)]
    except psutil.NoSuchProcess:
        return
    for process in left:
        with suppress(psutil.NoSuchProcess):
            process.kill()
            _ended(process, KILL_TIMEOUT_S)


def _ended(process: psutil.Process, timeout_s: float) -> bool:
    """Wait until a process is gone, or a zombie that its parent has not collected yet."""
    deadline = time.monotonic() + timeout_s
    while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def remove_shared_memory(data: Path) -> None:
    """Remove the System V segment of a postmaster that was killed, named by the seventh line of its pid file.

    A server removes it when it stops, and otherwise when it starts on the same data again, which ours never
    does. https://www.postgresql.org/docs/current/kernel-resources.html#SYSVIPC
    """
    try:
        line = (data / "postmaster.pid").read_text(encoding="utf-8", errors="replace").splitlines()[6]
        key, number = (int(word) for word in line.split())
        segments = _SEGMENTS.read_text(encoding="ascii").splitlines()[1:]
    except (OSError, IndexError, ValueError):
        return  # shut down in order, or no such segments on this system
    fields = (segment.split() for segment in segments)
    if any(int(each[0]) & _KEY_BITS == key & _KEY_BITS and int(each[1]) == number for each in fields):
        ctypes.CDLL(None).shmctl(number, _REMOVE, None)
