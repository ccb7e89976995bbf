"""Asking the Docker engine with a deadline: a child process asks, and is killed when time is up.

An engine, a proxy or a registry that never answers holds a library call beyond every timeout of its own.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

CHILD = "bench.pg.container"


@dataclass(frozen=True, slots=True)
class EngineReport:
    """What the engine said until the deadline."""

    engine: str | None = None
    """Its version, or None where none answered."""
    image: str | None = None
    """``present``, ``pulled``, ``missing``, or None where that did not become known."""
    error: str | None = None
    removed: tuple[str, ...] = ()
    """One sentence for each container of a dead owner that was removed."""
    images: tuple[str, ...] = ()
    """PostgreSQL images that are here."""
    timed_out: bool = False

    def describe(self, image: str, timeout_s: float) -> str:
        """Return in one line whether a container of the image can run, and why not."""
        late = f"within {timeout_s:.0f} s"
        if self.engine is None:
            why = f"none answered {late}" if self.timed_out else self.error or "none answers"
            return f"no Docker engine: {why}"
        if self.image in ("present", "pulled"):
            return f"Docker engine {self.engine} answers and has the image {image}"
        why = f"could not be pulled {late}" if self.timed_out else f"cannot be pulled: {self.error}"
        return f"Docker engine {self.engine} answers, but the image {image} is not here and {why}"


def ask_engine(
    image: str | None, *, timeout_s: float, pull: bool = False, sweep: bool = False
) -> EngineReport:
    """Ask the engine for its version and an image; with ``sweep``, have it remove dead owners' containers.

    Takes ``timeout_s`` at most, the child's start included. With ``pull``, a missing image is fetched in that
    time. An engine that is absent or silent is an answer, not an error.
    """
    command = [sys.executable, "-m", CHILD, *([image] if image else [])]
    command += [option for option, wanted in (("--pull", pull), ("--sweep", sweep)) if wanted]
    source = str(Path(__file__).resolve().parents[2])
    path = os.pathsep.join(filter(None, (source, os.environ.get("PYTHONPATH"))))
    with subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=os.environ | {"PYTHONPATH": path},
        start_new_session=True,
    ) as child:
        try:
            output, timed_out = child.communicate(timeout=timeout_s)[0], False
        except subprocess.TimeoutExpired:
            child.kill()
            output, timed_out = child.communicate()[0], True
        except BaseException:
            child.kill()
            raise
    return _read_report(output.decode(errors="replace"), timed_out)


def _read_report(output: str, timed_out: bool) -> EngineReport:
    """Put the child's lines together; each is a JSON object with one thing that it learnt."""
    facts: dict[str, str] = {}
    removed: list[str] = []
    images: list[str] = []
    for line in output.splitlines():
        try:
            fact = json.loads(line)
        except ValueError:
            continue  # the last line of a child that was killed
        facts |= {key: fact[key] for key in ("engine", "image", "error") if key in fact}
        removed += [fact["removed"]] if "removed" in fact else []
        images += fact.get("images", [])
    return EngineReport(
        engine=facts.get("engine"),
        image=facts.get("image"),
        error=facts.get("error"),
        removed=tuple(removed),
        images=tuple(images),
        timed_out=timed_out,
    )
