"""What ``bench advise`` says: the timeout to set, what it costs behind a reader, the lines to paste."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from bench.analyse.patience import Advice, MigrationAdvice
from bench.analyse.quantity import seconds
from bench.model.deploy import pause_s
from bench.model.run import Run
from bench.report.document import (
    Block,
    Bullets,
    Code,
    Failure,
    Folded,
    Paragraph,
    Section,
    Table,
    Words,
    code,
    columns,
    strong,
)
from bench.report.format import spread_seconds
from bench.run.advise import Outcome, Way

COMPUTED = (
    "Computed from the locks and times of this run, each migration beginning together with the reader. "
    "Blocked: requests stand still, behind its waits and its own holds. Tries: at most, as chance cuts the "
    "pauses."
)
POOLER = (
    "Through a pooler in transaction mode (PgBouncer) neither SET nor PGOPTIONS is kept from one transaction "
    "to the next: write SET LOCAL in the file, or connect the deploy to PostgreSQL itself."
)
_PGOPTIONS = frozenset(
    {"plain", "sqitch", "diesel", "yoyo", "node-pg-migrate", "graphile-migrate", "postgrator"}
)
_URL = frozenset({"goose", "golang-migrate", "dbmate", "atlas", "tern", "sqlx", "prisma", "supabase"})
_JDBC = frozenset({"liquibase", "mybatis", "play"})
_COMMANDS = {
    "plain": "psql -X -v ON_ERROR_STOP=1 -f FILE",
    "flyway": "flyway migrate",
    "liquibase": "liquibase update",
    "goose": "goose up",
    "golang-migrate": "migrate -path DIR -database URL up",
    "dbmate": "dbmate up",
    "prisma": "npx prisma migrate deploy",
    "drizzle": "npx drizzle-kit migrate",
    "sqitch": "sqitch deploy",
    "sqlx": "sqlx migrate run",
    "diesel": "diesel migration run",
    "atlas": "atlas migrate apply",
    "tern": "tern migrate",
    "alembic": "alembic upgrade head",
    "django": "python manage.py migrate",
}
FORMS = ("file", "pgoptions", "role", "url", "jdbc", "flyway", "alembic", "django", "drizzle", "retry")
"""Ways to set it, by their names for ``--form``."""


def form_of(tool: str) -> str:
    """How a migration tool's sessions are told best."""
    if tool in FORMS:
        return tool
    kinds = {"pgoptions": _PGOPTIONS, "url": _URL, "jdbc": _JDBC}
    return next((form for form, tools in kinds.items() if tool in tools), "role")


def blocks(outcome: Outcome, form: str | None, role: str | None) -> Iterator[Block]:
    """The outcome with the lines for the suite's own tool, or for the form that is named, or for ``all``."""
    yield from _answer(outcome)
    if outcome.advice is not None:
        first, rest = _chosen(outcome, form, role)
        yield Section("To paste", (*first, Paragraph(POOLER, "remark")))
        if form is None and rest:
            others = ", ".join(name for name in FORMS if name not in _shown(outcome, form))
            yield Paragraph(f"For others: --form {others}, or all.", "remark")


def proposal(outcome: Outcome, role: str | None) -> Section:
    """For a pull request: the same, and every other way to set it under the fold."""
    first, rest = _chosen(outcome, None, role) if outcome.advice is not None else ((), ())
    parts: list[Block] = list(_answer(outcome))
    if first:
        parts.append(Section("To paste", (*first, Paragraph(POOLER, "remark"))))
        parts.append(Folded("Other ways to set it", rest))
    return Section("The lock timeout to set", tuple(parts))


def _chosen(
    outcome: Outcome, form: str | None, role: str | None
) -> tuple[tuple[Block, ...], tuple[Block, ...]]:
    shown = _shown(outcome, form)
    forms = dict(_forms(outcome, role))
    first = tuple(block for name in FORMS if name in shown for block in forms[name])
    rest = tuple(block for name in FORMS if name not in shown for block in forms[name])
    return first, rest


def _shown(outcome: Outcome, form: str | None) -> tuple[str, ...]:
    if form == "all":
        return FORMS
    return (form,) if form else (form_of(_run(outcome).suite.tool or ""), "file", "retry")


def _run(outcome: Outcome) -> Run:
    return outcome.rehearsed.run


def _answer(outcome: Outcome) -> Iterator[Block]:
    if outcome.rehearsed.summary.failed:
        yield Failure("The deploy fails by itself: correct it first (bench run shows where).")
        return
    advice = outcome.advice
    if advice is None or outcome.lock_timeout_s is None:
        yield Paragraph("Nothing to set: no migration asks for a lock that requests queue behind.")
        return
    ran = outcome.ways[-1].through if outcome.ways else None
    timeout = milliseconds(outcome.lock_timeout_s)
    what: Words = (
        strong(f"lock_timeout = '{timeout}'"),
        f" with up to {advice.tries} tries of each migration",
    )
    yield Paragraph((what, {True: "; run, it gets all through.", None: "; not run."}.get(ran, ".")))
    if ran is False:
        yield Failure("The deploy did not get through with it: deploy when no long transaction is open.")
    yield _computed(advice)
    if outcome.ways:
        yield _measured(outcome)
    yield from _exceptions(advice, _run(outcome))


def milliseconds(time_s: float) -> str:
    """As ``SET lock_timeout`` takes it."""
    return f"{time_s * 1000:.0f}ms"


def _computed(advice: Advice) -> Table:
    rows = tuple(
        (
            code(migration.migration),
            milliseconds(migration.lock_timeout_s or 0.0),
            f"{behind.reader_s:g} s",
            str(behind.tries),
            seconds(behind.blocked_s),
            seconds(behind.without_s),
            seconds(behind.deploy_s),
        )
        for migration in advice.migrations
        for behind in migration.behind
    )
    heads = columns("…Migration", ">lock_timeout", ">Reader", ">Tries", ">Blocked", ">Without", ">Deploy")
    return Table(heads, rows, "Behind a reader", COMPUTED)


def _measured(outcome: Outcome) -> Table:
    rows = tuple(tuple(_cells(way)) for way in outcome.ways)
    heads = columns("lock_timeout", ">Blocked", ">Tries", ">Deploy", "Through")
    title = f"Run behind a reader of {outcome.trial.reader_s:g} s, in turn"
    note = f"n={outcome.trial.repeats}. Blocked: time in which at least one request waited for the deploy."
    return Table(heads, rows, title, note)


def _cells(way: Way) -> Iterator[Words]:
    yield "as the files are" if way.lock_timeout_s is None else milliseconds(way.lock_timeout_s)
    yield spread_seconds(way.blocked_s)
    yield str(way.tries)
    yield spread_seconds(way.deploy_s)
    yield "yes" if way.through else "no"


def _exceptions(advice: Advice, run: Run) -> Iterator[Block]:
    """What waits in nobody's way, and where a file has its own timeout."""
    untimed = [
        _place(run, migration.migration, index)
        for migration in advice.migrations
        for index in migration.untimed
    ]
    own = [
        _place(run, migration.migration, index) for migration in advice.migrations for index in migration.own
    ]
    if untimed:
        said = "No timeout, as they wait in nobody's way (CONCURRENTLY, VALIDATE, backfills):"
        yield Section("Backfill", (Paragraph(said), Bullets(tuple(map(code, untimed)))))
    parted = [
        f"{run.file_of(migration.migration)}:{migration.parted_line}"
        for migration in advice.migrations
        if migration.parted_line is not None
    ]
    if parted:
        said = "Give these a file of their own: a tool that comes back runs what stands before them twice:"
        yield Section("To part", (Paragraph(said), Bullets(tuple(map(code, parted)))))
    if own:
        said = "The files set their own, which goes before the session's; it was replaced in the run:"
        yield Section("In the way", (Paragraph(said), Bullets(tuple(map(code, own)))))


def _place(run: Run, migration: str, index: int) -> str:
    ran = next(ran for ran in run.solo[-1].migrations if ran.id == migration)
    statement = next(statement for statement in ran.statements if statement.index == index)
    return f"{run.file_of(migration)}:{statement.line} {statement.kind}"


def _forms(outcome: Outcome, role: str | None) -> Iterator[tuple[str, tuple[Block, ...]]]:
    """Every way to set it, by its name."""
    advice, run = outcome.advice, _run(outcome)
    assert advice is not None
    value = milliseconds(outcome.lock_timeout_s or advice.lock_timeout_s)
    command = _COMMANDS.get(run.suite.tool or "", "DEPLOY")
    who = '"{}"'.format(role.replace('"', '""')) if role else "deployer"
    url = f"postgresql://…/shop?options=-c%20lock_timeout%3D{value}"
    options = f"-c lock_timeout={value}"
    for name, what, language, text in (
        ("pgoptions", "Whatever speaks through libpq, and node-postgres", "sh",
         f"PGOPTIONS='{options}' {command}"),
        ("role", "The role that deploys, and nobody else", "sql",
         f"ALTER ROLE {who} SET lock_timeout = '{value}';"),
        ("url", "The deploy's own connection string", "sh", f'DATABASE_URL="{url}"'),
        ("jdbc", "The deploy's own JDBC address", "sh",
         f'JDBC_URL="jdbc:{url}"'),
        ("flyway", "flyway.toml", "toml", f"[flyway]\ninitSql = \"SET lock_timeout = '{value}'\""),
        ("alembic", "Alembic, env.py", "python", _ALEMBIC.format(options=options)),
        ("django", "Django, the settings that the deploy uses", "python", _DJANGO.format(options=options)),
        ("drizzle", "Drizzle, migrate.ts", "ts", _DRIZZLE.format(options=options)),
        ("retry", "And the tries", "sh", _RETRY.format(pauses=_pauses(advice), command=command)),
    ):  # fmt: skip
        yield name, (Paragraph(what), Code(text, language))
    yield "file", tuple(_in_files(advice, run, value))


_ALEMBIC = """\
connectable = engine_from_config(
    config.get_section(config.config_ini_section, {{}}),
    prefix="sqlalchemy.",
    poolclass=pool.NullPool,
    connect_args={{"options": "{options}"}},
)
with connectable.connect() as connection:
    context.configure(
        connection=connection, target_metadata=target_metadata, transaction_per_migration=True
    )"""
_DJANGO = """DATABASES["default"].setdefault("OPTIONS", {{}})["options"] = "{options}\""""
_DRIZZLE = """\
const pool = new Pool({{ connectionString: process.env.DATABASE_URL, options: "{options}" }});
await migrate(drizzle(pool), {{ migrationsFolder: "./drizzle" }});"""
_RETRY = """\
(  # so that a shell into which it is pasted stays open
  for pause in {pauses}; do
    {command} && exit 0
    sleep "$pause"
  done
  exit 1
)"""


def _pauses(advice: Advice) -> str:
    """As the tries of this run paused, without chance, and none after the last one."""
    pauses = [f"{pause_s(number, 0.0):g}" for number in range(1, advice.tries)]
    return " ".join([*pauses, "0"])


def _in_files(advice: Advice, run: Run, value: str) -> Iterator[Block]:
    """What to write into which file, at which line."""
    lines = (line for migration in advice.migrations for line in _lines(migration, run, value))
    yield Paragraph("In the files: SET LOCAL in a transaction, SET outside of one")
    yield Code("\n".join(lines))


def _lines(migration: MigrationAdvice, run: Run, value: str) -> Iterator[str]:
    ran = next(ran for ran in run.solo[-1].migrations if ran.id == migration.migration)
    for statement in ran.statements:
        word = "LOCAL " if statement.transaction == "file" else ""
        place = f"-- {run.file_of(migration.migration)}, before line {statement.line}: {statement.kind}"
        if statement.index == migration.first:
            yield f"{place}\nSET {word}lock_timeout = '{value}';"
        elif statement.index in migration.untimed:
            yield f"{place}\nSET {word}lock_timeout = 0;"


def document(outcome: Outcome, role: str | None) -> Mapping[str, Any]:
    """The same for programs."""
    advice, timeout_s = outcome.advice, outcome.lock_timeout_s
    return {
        "lock_timeout_s": timeout_s,
        "tries": advice.tries if advice else None,
        "migrations": [
            {
                "migration": migration.migration,
                "lock_timeout_s": migration.lock_timeout_s,
                "application_s": migration.least_s,
                "behind": [
                    {
                        "reader_s": behind.reader_s,
                        "tries": behind.tries,
                        "blocked_s": behind.blocked_s,
                        "without_s": behind.without_s,
                        "deploy_s": behind.deploy_s,
                    }
                    for behind in migration.behind
                ],
                "untimed": list(migration.untimed),
                "own": list(migration.own),
            }
            for migration in (advice.migrations if advice else ())
        ],
        "run": {
            "reader_s": outcome.trial.reader_s,
            "repeats": outcome.trial.repeats,
            "ways": [
                {
                    "lock_timeout_s": way.lock_timeout_s,
                    "blocked_s": list(way.blocked_s.values),
                    "tries": way.tries,
                    "deploy_s": list(way.deploy_s.values) if way.deploy_s else [],
                    "through": way.through,
                }
                for way in outcome.ways
            ],
        },
        "paste": {
            name: "\n".join(block.text for block in form if isinstance(block, Code))
            for name, form in (_forms(outcome, role) if advice else ())
        },
    }
