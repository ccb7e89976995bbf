"""A container keeps the contract of servers; ``BENCH_TEST_IMAGE`` names the image (default: postgres:17)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict
from typing import Any

import pytest
from contract import Opener, ServerContract

from bench.errors import ServerError
from bench.pg.choice import choose
from bench.pg.container import LABEL, ask_engine
from bench.pg.lease import read_leases, this_process
from bench.pg.opening import open_server
from bench.pg.server import Server
from bench.pg.spec import DEFAULT_IMAGE, ServerSpec

pytestmark = pytest.mark.container

IMAGE = os.environ.get("BENCH_TEST_IMAGE", DEFAULT_IMAGE)


@pytest.fixture(scope="session")
def docker_client() -> Iterator[Any]:
    """A client of the engine; without an engine and its image the tests have nothing to run on."""
    report = ask_engine(IMAGE, timeout_s=60, pull=True)
    if report.image not in ("present", "pulled"):
        reason = report.describe(IMAGE, 60)
        if "BENCH_TEST_IMAGE" in os.environ:
            pytest.fail(f"BENCH_TEST_IMAGE asks for container tests, but: {reason}")
        pytest.skip(reason)
    import docker

    client = docker.from_env()
    yield client
    client.close()


def containers_of(client: Any, owner: str) -> list[str]:
    listed = client.containers.list(all=True, filters={"label": LABEL})
    return [container.id for container in listed if container.labels[LABEL] == owner]


class TestContainer(ServerContract):
    kind = "container"
    settings = {"work_mem": "7MB", "autovacuum": "off", "jit": "off", "fsync": "off"}  # noqa: RUF012

    @pytest.fixture(scope="class")
    @classmethod
    def opener(cls, docker_client: Any) -> Opener:
        cls.client = docker_client
        spec = ServerSpec("container", image=IMAGE, durable=False, settings={"work_mem": "7MB"})
        return lambda: open_server(spec)

    def traces(self, server: Server) -> Callable[[], list[str]]:
        """List this server's container and its volumes."""
        owner = json.dumps(asdict(this_process()))
        port = server.endpoint.parameters["port"]
        found = [self.client.containers.get(name) for name in containers_of(self.client, owner)]
        ours = [item for item in found if port in json.dumps(item.ports)]
        assert len(ours) == 1
        name = ours[0].id
        volumes = {mount["Name"] for mount in ours[0].attrs["Mounts"] if mount.get("Type") == "volume"}

        def traces() -> list[str]:
            kept = {volume.name for volume in self.client.volumes.list()}
            return [*(item for item in containers_of(self.client, owner) if item == name), *(kept & volumes)]

        return traces

    def test_is_reached_on_loopback_alone(self, opened: Server) -> None:
        assert opened.endpoint.parameters["host"] == "127.0.0.1"

    def test_counts_statements(self, opened: Server) -> None:
        assert opened.capabilities.statement_counters
        assert opened.notes == ()


def test_auto_takes_it_where_the_image_is_here(docker_client: Any) -> None:
    choice = choose(IMAGE)
    assert choice.kind == "container"
    assert IMAGE in choice.reason


def test_an_image_that_does_not_exist_is_an_error(docker_client: Any) -> None:
    spec = ServerSpec("container", image="no-such-image.invalid/postgres:1")
    with pytest.raises(ServerError, match=r"no-such-image\.invalid") as caught, open_server(spec):
        pass
    assert caught.value.hint


def test_an_image_that_is_no_server_shows_its_log(docker_client: Any) -> None:
    """An image whose server cannot start with its settings says why, and leaves no container."""
    spec = ServerSpec("container", image=IMAGE, settings={"shared_preload_libraries": "no_such_library"})
    with pytest.raises(ServerError, match="no_such_library"), open_server(spec):
        pass
    assert containers_of(docker_client, json.dumps(asdict(this_process()))) == []


def test_the_next_run_removes_what_a_killed_one_left(docker_client: Any) -> None:
    """kill -9 leaves the container running; opening any server afterwards finds it by its lease."""
    child = subprocess.Popen(
        [sys.executable, "-c", KILLED, IMAGE], stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    assert child.stdout is not None
    owner = child.stdout.readline().strip()
    child.kill()
    child.communicate()
    assert len(containers_of(docker_client, owner)) == 1
    said: list[str] = []
    with open_server(ServerSpec("embedded", durable=False), said.append):
        assert containers_of(docker_client, owner) == []
    assert [sentence for sentence in said if f"left by process {child.pid}" in sentence]
    assert not [lease for lease in read_leases("container") if lease.owner.pid == child.pid]


KILLED = """
import json, sys, time
from dataclasses import asdict
from bench.pg.lease import this_process
from bench.pg.opening import open_server
from bench.pg.spec import ServerSpec
with open_server(ServerSpec("container", image=sys.argv[1], durable=False)):
    print(json.dumps(asdict(this_process())), flush=True)
    time.sleep(600)
"""
