"""Precision and recall of the trace over all cases: ``cd tests; python -m conformance.score [NAME …]``."""

from __future__ import annotations

import argparse
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial

from conformance.casefile import KINDS, Case, all_cases
from conformance.compare import CATEGORIES, Result, judge, traced

from bench.pg.opening import open_server
from bench.pg.server import Server
from bench.pg.spec import parse_server
from bench.run.trace import trace_settings


def attempt(case: Case, server: Server, version: int) -> list[Result] | str:
    try:
        return judge(case, traced(case, server), version)
    except Exception as error:  # a fault in the tool is a result here
        return f"{case.name}: {error!r}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--versions", default="15,18")
    parser.add_argument("--jobs", type=int, default=1)
    options = parser.parse_args()
    cases = [case for case in all_cases() if not options.names or case.name in options.names]
    for version in map(int, options.versions.split(",")):
        began = time.monotonic()
        spec = replace(parse_server(KINDS[version]), durable=False, settings=trace_settings())
        with open_server(spec, print) as server, ThreadPoolExecutor(options.jobs) as pool:
            found = list(pool.map(partial(attempt, server=server, version=version), cases))
        results = [result for each in found if isinstance(each, list) for result in each]
        print(f"PostgreSQL {version}: {len(cases)} cases in {time.monotonic() - began:.0f} s")
        for broken in (each for each in found if isinstance(each, str)):
            print(f"  BROKEN {broken}")
        for result in results:
            if result.missing or result.extra:
                print(f"  {result.case}[{result.step}] {result.category}:")
                for text in sorted(result.missing):
                    print(f"    missing {text}")
                for text in sorted(result.extra):
                    print(f"    extra   {text}")
        for category in CATEGORIES:
            print(line(category, [result for result in results if result.category == category]))


def line(category: str, results: list[Result]) -> str:
    right, missing, extra = (
        sum(len(getattr(result, name)) for result in results) for name in ("right", "missing", "extra")
    )
    exact = {result.case for result in results} - {r.case for r in results if r.missing or r.extra}
    return (
        f"{category:12} precision {ratio(right, right + extra)}  recall {ratio(right, right + missing)}"
        f"  right {right}, missing {missing}, extra {extra}; exact in {len(exact)} cases"
    )


def ratio(part: int, whole: int) -> str:
    return f"{part / whole:.4f}" if whole else "  -   "


if __name__ == "__main__":
    main()
