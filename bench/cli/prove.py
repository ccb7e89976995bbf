"""``bench prove``: the way back, crash points, second runs and access, proved on clones."""

from __future__ import annotations

import argparse
from typing import Any

from bench.cli.options import add_fail_option, add_former_name, add_pending_options, duration
from bench.cli.rehearsing import Given, add_given_options, choose, opened

EPILOG = """\
Everything is tried for real on copies of one prepared database: each migration and its rollback, alone and
all in reverse, also after an application wrote in between. Schema (every catalog object) and contents
(every row) are compared with the state before. Every new constraint is tried with values, every new function
and table as every role, the CRM's suites on each kind of dirty data. Then each migration is cut off at every
statement boundary and run again.
validation.md in the run's directory sums up what was measured, and what was not.

examples:
  bench prove crm --scale 0.1                        the CRM suite on 10 k deals
  bench prove db/migrations --base schema.sql --fill your own migrations, on rows that the schema demands
  bench prove db/migrations --from-dump shop.dump    or on a copy of production
  bench prove db/migrations --draft-rollback         also draft the rollbacks that are missing, and prove them
  bench prove crm --scale 0.02 --json - | jq '.proofs.rollback[] | {migrations, scope, outcome}'
"""


def add_parser(commands: Any) -> None:
    """Add the command to the parser of all commands."""
    parser = commands.add_parser(
        "prove",
        description="Rehearse a suite once, then prove on clones what its rollbacks bring back, "
        "what a crash leaves, what a second run does and who may reach what.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_given_options(parser)
    parser.add_argument(
        "--draft-rollback",
        action="store_true",
        help="draft the rollbacks that are missing from what changed in the catalog, into drafts/ of the "
        "run's directory, and prove the drafts",
    )
    parser.add_argument(
        "--within",
        type=duration,
        default=180.0,
        metavar="TIME",
        help="how long crash points may take, for example 90s or 10m; those left untried are counted "
        "(default: 3m)",
    )
    add_former_name(parser, "--budget", "within", type=duration)
    parser.add_argument(
        "--no-dirt",
        dest="dirty",
        action="store_false",
        help="do not apply a suite with generated data to each kind of dirty data",
    )
    parser.add_argument(
        "--allow-roles",
        action="store_true",
        help="on a server that runs already, let migrations make, change and drop its roles; those that they "
        "made are dropped again",
    )
    add_pending_options(parser)
    add_fail_option(parser)
    parser.set_defaults(command=prove)


def prove(
    *, given: Given, draft_rollback: bool, allow_roles: bool, dirty: bool, within: float, fail_on: str
) -> int:
    """Prove a suite, on a dump where one is named; returns the exit code."""
    from bench.analyse.conclude import conclude
    from bench.cli.run import present
    from bench.run.prove.session import ProofOptions
    from bench.run.prove.session import prove as run_proofs

    with choose(given) as chosen:
        drafts = chosen.path / "drafts" if draft_rollback else None
        options = ProofOptions(within, drafts, allow_roles, dirty)
        with opened(chosen.spec, chosen.out, quiet=chosen.output.quiet) as on:
            proved = run_proofs(
                on.server, chosen.suite, options, chosen.data,
                run_id=chosen.run_id, save=on.directory.save, progress=on.progress,
            )  # fmt: skip
    concluded = conclude(proved)
    on.directory.save(concluded.run)
    return present(concluded, on.directory.path, chosen.output.json, fail_on=fail_on)
