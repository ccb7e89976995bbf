"""PostgreSQL in a container, by testcontainers and the protocol of the ``postgres`` images.

Run as ``python -m bench.pg.container [IMAGE] [--pull]`` it is the child that :mod:`bench.pg.container` asks.
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg import sql

from bench.errors import ServerError
from bench.pg.endpoint import Endpoint
from bench.pg.lease import Owner, end_lease, orphans, this_process, write_lease
from bench.pg.settings import machine_memory_bytes, managed_settings

if TYPE_CHECKING:
    from testcontainers.core.container import DockerContainer

LABEL = "pgrehearse.owner"
PORT = 5432
ENGINE_TIMEOUT_S = 10.0
SWEEP_TIMEOUT_S = 4.0
START_TIMEOUT_S = 90.0
SHARED_MEMORY = "1g"
"""Size of /dev/shm: Docker's 64 MB is too little for parallel queries and builds."""
LISTS = ("shared_preload_libraries", "session_preload_libraries", "search_path", "temp_tablespaces")
LOOPBACK = ("localhost", "127.0.0.1", "::1")


@contextmanager
def running_container(
    image: str, *, durable: bool, settings: Mapping[str, str], say: Callable[[str], None]
) -> Iterator[Endpoint]:
    """Run a new container, pulled first if need be, and remove it with its volume at the end; ServerError."""
    import docker.errors

    report = ask_engine(image, timeout_s=ENGINE_TIMEOUT_S)
    if report.engine is None:
        raise ServerError(
            report.describe(image, ENGINE_TIMEOUT_S),
            "start Docker, set DOCKER_HOST, or choose --server embedded",
        )
    password = secrets.token_urlsafe(24)
    container = _new_container(image, password)
    lease = write_lease("container", {"image": image})
    try:
        if report.image != "present":
            _pull(container, say)
        container.start()
        endpoint = _await_server(container, password)
        _apply_settings(container, endpoint, durable=durable, settings=settings)
        yield _await_server(container, password)
    except docker.errors.DockerException as error:
        raise ServerError(
            f"the container of {image} cannot run: {_reason(error)}",
            "check `docker info`, the image's name and the disk, or choose --server embedded",
        ) from None
    finally:
        with suppress(docker.errors.NotFound):
            container.stop(force=True, delete_volume=True)
        end_lease(lease)


def _new_container(image: str, password: str) -> DockerContainer:
    from testcontainers.core.config import testcontainers_config
    from testcontainers.core.container import DockerContainer

    testcontainers_config.ryuk_disabled = True  # our leases do its work, without a second image
    container = (
        DockerContainer(image)
        .with_env("POSTGRES_USER", "postgres")
        .with_env("POSTGRES_PASSWORD", password)
        .with_env("POSTGRES_DB", "postgres")
        .with_kwargs(labels={LABEL: json.dumps(asdict(this_process()))}, shm_size=SHARED_MEMORY)
    )
    near = container.get_docker_client().host() in LOOPBACK
    ports: dict[str, Any] = container.ports  # typed without the address to bind, which the engine takes
    ports[f"{PORT}/tcp"] = ("127.0.0.1", None) if near else None
    return container


def _pull(container: DockerContainer, say: Callable[[str], None]) -> None:
    """Pull the image, saying now and then how far it is."""
    say(f"pulling {container.image} …")
    layers: dict[str, tuple[int, int]] = {}
    said_at = time.monotonic()
    repository, _, tag = (
        container.image.rpartition(":") if ":" in container.image else (container.image, "", "")
    )
    api = container.get_docker_client().client.api
    for event in api.pull(repository, tag=tag or "latest", stream=True, decode=True):
        if "error" in event:
            raise ServerError(
                f"the image {container.image} cannot be pulled: {event['error']}",
                "check its name and the network, or choose --server embedded",
            )
        detail = event.get("progressDetail") or {}
        if detail.get("total"):
            layers[event["id"]] = (detail.get("current", 0), detail["total"])
        if layers and time.monotonic() - said_at > 5:
            said_at = time.monotonic()
            done, total = (sum(part) / 1e6 for part in zip(*layers.values(), strict=True))
            say(f"pulling {container.image}: {done:.0f} of {total:.0f} MB")


def _await_server(container: DockerContainer, password: str) -> Endpoint:
    """Return the endpoint that takes a connection; TCP opens only when the image has initialised itself."""
    deadline = time.monotonic() + START_TIMEOUT_S
    wrapped = container.get_wrapped_container()
    reason = "it never listened"
    while time.monotonic() < deadline:
        wrapped.reload()
        if wrapped.status not in ("created", "running", "restarting"):
            reason = f"it is {wrapped.status}"
            break
        for endpoint in _endpoints(container, wrapped.attrs["NetworkSettings"], password):
            try:
                psycopg.connect(endpoint.conninfo(), connect_timeout=2).close()
            except psycopg.OperationalError as error:
                reason = endpoint.scrub(_reason(error))
            else:
                return endpoint
        time.sleep(0.1)
    log = wrapped.logs(tail=5).decode(errors="replace").strip().replace("\n", " | ")
    raise ServerError(
        f"the server in the container of {container.image} did not start: {reason}. Its log ends: {log}",
        "check that the image follows the protocol of the official postgres images",
    )


def _endpoints(container: DockerContainer, network: Mapping[str, Any], password: str) -> Iterator[Endpoint]:
    """Yield where the server may be reached: as testcontainers sees it, on loopback, on the engine's network.

    Which of them works depends on whether we run in a container ourselves, and whose engine it is.
    """
    ports = [binding["HostPort"] for binding in network["Ports"].get(f"{PORT}/tcp") or ()]
    addresses = [entry["IPAddress"] for entry in network["Networks"].values() if entry.get("IPAddress")]
    named = container.get_docker_client().host()
    pairs = [(host, port) for host in (named, "127.0.0.1") for port in ports]
    pairs += [(address, str(PORT)) for address in addresses]
    for host, port in dict.fromkeys(
        ("127.0.0.1" if host == "localhost" else host, port) for host, port in pairs
    ):
        user = {"user": "postgres", "password": password, "dbname": "postgres"}
        yield Endpoint({"host": host, "port": port, **user})


def _apply_settings(
    container: DockerContainer, endpoint: Endpoint, *, durable: bool, settings: Mapping[str, str]
) -> None:
    """Write the settings by ALTER SYSTEM, so that they stay changeable, and restart the server with them."""
    with endpoint.connect() as conn:
        library = conn.execute(
            "SELECT EXISTS (SELECT FROM pg_available_extensions WHERE name = 'pg_stat_statements')"
        ).fetchone()
        chosen = managed_settings(
            memory_bytes=machine_memory_bytes(),
            durable=durable,
            statements_library=bool(library and library[0]),
            extra=settings,
        )
        for name, value in chosen.items():
            conn.execute(sql.SQL("ALTER SYSTEM SET {} = {}").format(_setting(name), _value(name, value)))
    container.get_wrapped_container().restart(timeout=30)


def _setting(name: str) -> sql.Composable:
    return sql.SQL(".").join(sql.Identifier(part) for part in name.split("."))


def _value(name: str, value: str) -> sql.Composable:
    """Return the value as SQL: a list element by element, as one literal would be taken for one name."""
    items = value.split(",") if name in LISTS else [value]
    return sql.SQL(", ").join(sql.Literal(item.strip()) for item in items)


def _reason(error: BaseException) -> str:
    """Return what went wrong at the bottom of an engine's error, without the layers of HTTP above it."""
    explanation = getattr(error, "explanation", None)
    if explanation:
        return " ".join(str(explanation).split())
    while cause := error.__cause__ or error.__context__:
        error = cause
    return " ".join(str(error).split())[:300]


def sweep_containers() -> tuple[str, ...]:
    """Have the engine remove the containers of dead owners, if there are leases of such; bounded in time."""
    left = orphans("container")
    if not left:
        return ()
    report = ask_engine(None, timeout_s=SWEEP_TIMEOUT_S, sweep=True)
    if report.engine is not None and report.error is None and not report.timed_out:
        for lease in left:
            end_lease(lease)
    return report.removed


def _tell(**fact: Any) -> None:
    print(json.dumps(fact), flush=True)


def _remove_orphans(client: Any) -> None:
    for container in client.containers.list(all=True, filters={"label": LABEL}):
        try:
            owner = Owner(**json.loads(container.labels[LABEL]))
        except (ValueError, TypeError):
            continue
        if not owner.alive:
            container.remove(force=True, v=True)
            _tell(removed=f"removed container {container.short_id} left by {owner.described}")


def main(arguments: list[str] | None = None) -> int:
    """Tell line by line what the engine says, so that a reader with a deadline has what was known by then."""
    import docker.errors
    import requests
    from testcontainers.core.docker_client import DockerClient

    parser = argparse.ArgumentParser(prog=f"python -m {__spec__.name}")
    parser.add_argument("image", nargs="?")
    parser.add_argument("--pull", action="store_true")
    parser.add_argument("--sweep", action="store_true")
    args = parser.parse_args(arguments)
    try:
        client = DockerClient(timeout=int(ENGINE_TIMEOUT_S)).client
        _tell(engine=client.version()["Version"])
        if args.sweep:
            _remove_orphans(client)
        tags = sorted({tag for image in client.images.list() for tag in image.tags})
        _tell(images=[tag for tag in tags if "postgres" in tag or tag == args.image])
        if args.image is None:
            return 0
        try:
            client.images.get(args.image)
            _tell(image="present")
        except docker.errors.ImageNotFound:
            _tell(image="missing")
            if args.pull:
                client.images.pull(args.image)
                _tell(image="pulled")
    except (docker.errors.DockerException, requests.RequestException, OSError) as error:
        _tell(error=_reason(error))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())


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
