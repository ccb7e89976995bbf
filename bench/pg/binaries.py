"""PostgreSQL's programs on this machine: where ``initdb`` and ``postgres`` are, and their version."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bench.errors import ServerError, UsageError

DEBIAN_ROOT = Path("/usr/lib/postgresql")


@dataclass(frozen=True, slots=True)
class Installation:
    """One directory with PostgreSQL's server programs."""

    bindir: Path
    version: str
    """As the program says it: ``15.12``, ``18.1``, ``19beta1``."""

    @property
    def major(self) -> int:
        return int(re.split(r"\D", self.version, maxsplit=1)[0])


def read_installation(bindir: Path) -> Installation | None:
    """Return the installation in a directory, or None where ``initdb`` or ``postgres`` does not run."""
    if not all((bindir / program).is_file() for program in ("initdb", "postgres")):
        return None
    try:
        done = subprocess.run(
            [bindir / "postgres", "--version"], capture_output=True, text=True, timeout=30, check=False
        )
    except OSError:
        return None
    match = re.search(r"(\d+(?:\.\d+|beta\d+|rc\d+|devel)?)", done.stdout)
    return Installation(bindir, match.group(1)) if done.returncode == 0 and match else None


def _candidates() -> Iterator[Path]:
    on_path = shutil.which("postgres")
    if on_path:
        yield Path(on_path).resolve().parent
    pg_config = shutil.which("pg_config")
    if pg_config:
        done = subprocess.run(
            [pg_config, "--bindir"], capture_output=True, text=True, timeout=30, check=False
        )
        if done.returncode == 0:
            yield Path(done.stdout.strip())
    numbered = [path for path in DEBIAN_ROOT.glob("*/bin") if path.parent.name.isdigit()]
    yield from sorted(numbered, key=lambda path: int(path.parent.name), reverse=True)


def find_installations() -> tuple[Installation, ...]:
    """Return what PATH, ``pg_config`` and Debian's directories offer, in the order of preference."""
    installations: dict[Path, Installation] = {}
    for bindir in _candidates():
        resolved = bindir.resolve()
        if resolved not in installations and (installation := read_installation(resolved)):
            installations[resolved] = installation
    return tuple(installations.values())


def extensions_of(installation: Installation) -> frozenset[str]:
    """Names of the extensions that an installation can create."""
    home = installation.bindir.parent
    places = [home / "share" / "postgresql" / "extension", home / "share" / "extension"]
    pg_config = installation.bindir / "pg_config"
    if pg_config.exists():
        done = subprocess.run(
            [pg_config, "--sharedir"], capture_output=True, text=True, timeout=30, check=False
        )
        places.append(Path(done.stdout.strip() or ".") / "extension")
    else:  # Debian's server package comes without it
        places.append(Path("/usr/share/postgresql") / str(installation.major) / "extension")
    return frozenset(path.stem for place in places for path in place.glob("*.control"))


def choose_installation(pg_bindir: Path | None) -> Installation:
    """Return the named installation, else the preferred one; UsageError or ServerError if there is none."""
    if pg_bindir is not None:
        installation = read_installation(pg_bindir)
        if installation is None:
            raise UsageError(
                f"--pg-bindir {pg_bindir} has no runnable initdb and postgres",
                "name the directory that holds PostgreSQL's server programs, e.g. /usr/lib/postgresql/17/bin",
            )
        return installation
    installations = find_installations()
    if not installations:
        raise ServerError(
            "no PostgreSQL server programs were found on PATH, through pg_config or in /usr/lib/postgresql",
            "install PostgreSQL's server package, or name its programs' directory with --pg-bindir",
        )
    return installations[0]
