"""The operating system's account that a server's processes run under: never root."""

from __future__ import annotations

import os
import pwd
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

from bench.errors import ServerError

CANDIDATES = ("postgres", "nobody")


class ProcessAccount(TypedDict, total=False):
    """Keyword arguments of ``subprocess`` that drop privileges; empty for the present user."""

    user: int
    group: int
    extra_groups: list[int]


@dataclass(frozen=True, slots=True)
class Account:
    """An account and how to start processes under it."""

    name: str
    uid: int
    gid: int
    switch: bool
    """Whether privileges must be dropped: True only where we are root."""

    def process(self) -> ProcessAccount:
        if not self.switch:
            return {}
        return {"user": self.uid, "group": self.gid, "extra_groups": []}

    def own(self, path: Path) -> None:
        """Give a path that we created to this account."""
        if self.switch:
            os.chown(path, self.uid, self.gid)

    def can_run(self, program: Path) -> bool:
        """Tell whether this account can execute ``program --version``, shared libraries included."""
        try:
            done = subprocess.run(
                [program, "--version"],
                cwd="/",
                capture_output=True,
                timeout=30,
                check=False,
                **self.process(),
            )
        except (PermissionError, FileNotFoundError, NotADirectoryError):
            return False
        return done.returncode == 0

    def can_enter(self, directory: Path) -> bool:
        """Tell whether this account can reach what lies in a directory."""
        done = subprocess.run(
            ["/bin/sh", "-c", 'cd "$1"', "sh", directory],
            cwd="/",
            capture_output=True,
            timeout=30,
            check=False,
            **self.process(),
        )
        return done.returncode == 0


def server_account() -> Account:
    """Return the account for server processes: ourselves; where we are root ``postgres``, else ``nobody``."""
    if os.geteuid() != 0:
        return Account(str(os.geteuid()), os.geteuid(), os.getegid(), switch=False)
    for name in CANDIDATES:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(name, entry.pw_uid, entry.pw_gid, switch=True)
    raise ServerError(
        "PostgreSQL does not run as root, and there is neither an account postgres nor nobody to run it",
        "create an unprivileged account named postgres, or run as an ordinary user",
    )
