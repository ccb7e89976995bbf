"""The probe of production run on the rehearsal's server, to set the two machines against each other."""

from __future__ import annotations

import json

import psycopg
from psycopg.rows import TupleRow

from bench.analyse.forecast.production import Production, read_production
from bench.pg.catalog import load_query
from bench.pg.server import Server


def probe(conn: psycopg.Connection[TupleRow]) -> Production:
    """What the script says of the database that a connection is to; it leaves no transaction open.

    Raises psycopg.Error where the server refuses.
    """
    cursor = conn.execute(load_query("production", conn.info.server_version).encode())
    while cursor.description is None and cursor.nextset():
        pass
    row = cursor.fetchone()
    return read_production(json.dumps(row[0]) if row else "", "the probe script")


def calibrate_as_probe(server: Server) -> float | None:
    """Seconds that the script's piece of work takes here: the median of its tries."""
    with server.connect(application_name="pgrehearse probe") as conn:
        return probe(conn).calibration_s
