"""``bench explain`` as a user runs it, with the pages, documents and exit codes that come of it."""

from __future__ import annotations

import json
from pathlib import Path

from command_line import bench
from explaining import MIGRATION, small_suite


def test_a_suite_is_explained_compared_and_drawn_again(tmp_path: Path) -> None:
    """On a server of its own, which is restarted for the cold cache before PostgreSQL 17."""
    suite = small_suite(tmp_path)
    brief = ("explain", str(suite), "--server", "embedded", "--no-load", "--no-indexes")
    done = bench(*brief, "--out", "one", "--json", "-", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    by_name = {each["name"]: each for each in document["queries"]}
    assert {way["cache"] for way in by_name["by_state"]["ways"]} == {"warm", "cold"}
    assert "public.open_orders" in done.stderr
    page = (tmp_path / "one" / "report.html").read_text()
    assert "custom plan" in page
    assert "my orders" in (tmp_path / "one" / "report.md").read_text()
    (suite / "001_orders.sql").write_text(MIGRATION + "DROP INDEX orders_open;\n")
    again = bench(*brief, "--out", "two", "--no-cold", cwd=tmp_path)
    assert again.returncode == 0, again.stderr
    worse = bench("compare", "one", "two", cwd=tmp_path)
    assert worse.returncode == 1, worse.stdout + worse.stderr
    assert "public.open_orders" in worse.stdout
    (tmp_path / "one" / "report.html").unlink()
    drawn = bench("report", "one", cwd=tmp_path)
    assert drawn.returncode == 0, drawn.stderr
    assert (tmp_path / "one" / "report.html").read_text() == page
    assert bench("explain", "nowhere", cwd=tmp_path).returncode == 2
