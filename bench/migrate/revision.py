"""A suite as it was in a revision of the git repository that it is in."""

from __future__ import annotations

import io
import os
import re
import subprocess
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from bench.errors import UsageError
from bench.migrate.suite import Suite, find_suite
from bench.migrate.tools.folder import Folder
from bench.pg.lease import leased_directory

GIT_DEADLINE_S = 120.0


@contextmanager
def suite_at(suite: Suite, revision: str) -> Iterator[Suite]:
    """The suite as it was in a revision of its repository; the state before the deploy is today's.

    Raises UsageError: no repository, no such revision, or the suite was not there.
    """
    top = _top_of(suite)
    commit = _git(suite.path, "rev-parse", "--verify", "--end-of-options", f"{revision}^{{commit}}")
    below = suite.path.resolve().relative_to(top.resolve())
    with leased_directory("against") as directory:
        path = directory.resolve() / below
        _unpack(top, commit.decode().strip(), _read_with(suite, top), directory.resolve())
        if not path.is_dir():
            raise UsageError(f"{suite.path} does not exist in {revision}", "there is nothing to compare with")
        runner = suite.runner
        before = find_suite(
            str(path),
            base=suite.base,
            tool=runner.tool,
            transaction=runner.transaction,
            on_data=runner.on_data,
        )
        yield replace(before, name=suite.name, data=suite.data)


_INCLUDED = re.compile(
    r"\\(?:i|ir|include|include_relative)[ \t]+'?([^\s']+)|\\copy\b.*?\bfrom[ \t]+'([^']+)'", re.IGNORECASE
)


def _read_with(suite: Suite, top: Path) -> set[Path]:
    """The suite's directory, and what its migration tool reads elsewhere, below the repository's top."""
    files = {migration.path for migration in suite.migrations} | set(suite.rollbacks)
    elsewhere = [*Folder(suite.path).configuration, *(path.parent for path in files)]
    here, root = suite.path.resolve(), top.resolve()
    directories = {here, *(path.resolve() for path in elsewhere if not path.resolve().is_relative_to(here))}
    return {path.relative_to(root) for path in directories if path.is_relative_to(root)}


def _unpack(top: Path, commit: str, wanted: set[Path], directory: Path) -> None:
    """Bring these paths of a commit, and the files elsewhere in it that their scripts read.

    Nothing else of the repository is asked for: a partial clone would have to fetch it.
    """
    brought: set[Path] = set()
    while wanted:
        for path in sorted(wanted):
            if _git(top, "ls-tree", "-z", commit, "--", str(path)) or path == Path():
                archive = _git(top, "archive", "--format=tar", commit, "--", str(path))
                with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
                    tar.extractall(directory, filter="data")
        brought |= wanted
        wanted = set(_read_elsewhere(directory)) - brought


def _read_elsewhere(directory: Path) -> Iterator[Path]:
    """Files, below the top, that scripts name and that are not there yet."""
    for script in directory.rglob("*.sql"):
        for names in _INCLUDED.findall(script.read_text(encoding="utf-8", errors="replace")):
            for named in filter(None, names):
                target = Path(os.path.normpath(script.parent / named))
                if target.is_relative_to(directory) and not target.exists():
                    yield target.relative_to(directory)


def _top_of(suite: Suite) -> Path:
    """The top of the repository that the suite is in; UsageError where it is in none."""
    try:
        return Path(_git(suite.path, "rev-parse", "--show-toplevel").decode().strip())
    except UsageError as error:
        if "not a git repository" not in error.message:
            raise  # such as a repository of somebody else, which git refuses
        raise UsageError(
            f"{suite.path} is in no git repository, so it has no other revision",
            "run this where the migrations are checked out, with their .git",
        ) from error


def _git(directory: Path, *arguments: str) -> bytes:
    try:
        done = subprocess.run(
            ["git", "-C", str(directory), *arguments],
            capture_output=True, timeout=GIT_DEADLINE_S, check=False,
        )  # fmt: skip
    except FileNotFoundError as error:
        raise UsageError("git is not installed, so no other revision can be read") from error
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        raise UsageError(
            f"git {arguments[0]} {arguments[-1]}: {said[0] if said else 'failed'}",
            "name a commit, branch or tag of the repository that the suite is in; "
            "CI often fetches too little: actions/checkout needs fetch-depth: 0",
        )
    return done.stdout
