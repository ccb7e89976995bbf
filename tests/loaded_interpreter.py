"""An interpreter that has loaded bench, which takes longer than most commands, and forks for each of them.

Run as a program with the number of its socket: a message is a JSON object with ``arguments``, ``cwd`` and
``environment``, beside three descriptors (input, output, errors); the answer is the exit code.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import pkgutil
import socket
import sys
import tempfile
from typing import Any

import bench.cli
import bench.report.html

HEAVY = (
    "bench.plugin",
    "bench.report.figures",
    "bench.analyse.frames",
    "bench.pg.container",
    "bench.__main__",
)
"""What few commands load."""
LONGEST_MESSAGE = 200_000


def load() -> None:
    for module in pkgutil.walk_packages(bench.__path__, "bench."):
        if not module.name.startswith(HEAVY):
            importlib.import_module(module.name)
    pages = bench.report.html.templates()
    for page in pages.list_templates(["j2"]):
        pages.get_template(page)


def serve(connection: socket.socket) -> dict[str, Any] | None:
    """Returns in each child what it shall do, and None in the parent when nobody asks any more."""
    while True:
        message, descriptors, _, _ = socket.recv_fds(connection, LONGEST_MESSAGE, 3)
        if not message:
            return None
        if (child := os.fork()) == 0:
            connection.close()
            for number, descriptor in enumerate(descriptors):
                os.dup2(descriptor, number)
                os.close(descriptor)
            asked: dict[str, Any] = json.loads(message)
            return asked
        for descriptor in descriptors:
            os.close(descriptor)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        connection.send(str(code).encode())


def become(asked: dict[str, Any]) -> None:
    """Be as a new process that was started like this."""
    os.chdir(asked["cwd"])
    os.environ.clear()
    os.environ.update(asked["environment"])
    tempfile.tempdir = None
    sys.argv = ["bench", *asked["arguments"]]


if __name__ == "__main__":
    load()
    gc.freeze()  # what is loaded is no garbage of any child
    wanted = serve(socket.socket(fileno=int(sys.argv[1])))
    if wanted is not None:
        become(wanted)
        sys.exit(bench.cli.main())
