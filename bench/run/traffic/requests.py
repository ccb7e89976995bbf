"""The application's requests on the state before the migrations and after them."""

from __future__ import annotations

from collections.abc import Sequence

from bench.model.load import ComparedRequest
from bench.pg.server import Server
from bench.workload.choose import mix_for
from bench.workload.compare import compare_requests
from bench.workload.draw import draw_parameters
from bench.workload.spec import TrafficMix


def compared_requests(
    server: Server,
    before: str,
    after: str,
    given: TrafficMix | None,
    seed: int,
    *,
    touched: Sequence[str],
) -> tuple[ComparedRequest, ...]:
    """Send every class to both databases with the same parameters; empty where there is no traffic.

    ``touched``: the tables that the deploy locks; where traffic is derived, they come first.

    UsageError for a class that does not work on the state before.
    """
    with (
        server.connect(before, application_name="pgrehearse requests", kind="application") as old,
        server.connect(after, application_name="pgrehearse requests", kind="application") as new,
    ):
        mix = mix_for(old, given, touched=touched)
        if mix is None:
            return ()
        return compare_requests(old, new, mix.classes, draw_parameters(old, mix, seed), seed)
