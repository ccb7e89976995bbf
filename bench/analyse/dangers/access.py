"""Roles and functions: rows that are reached now, rights that are lent, errors that are hidden."""

from __future__ import annotations

from collections.abc import Iterator

from bench.analyse.dangers.danger import danger
from bench.analyse.dangers.evidence import Rehearsed
from bench.analyse.quantity import count, seconds
from bench.model.finding import Finding
from bench.model.proof import AccessCell

COSTLY_S = 0.1
COSTLY_RATIO = 10.0


@danger("access-opened", "A role reaches rows that were hidden", "Security")
def access_opened(rehearsed: Rehearsed) -> Iterator[Finding]:
    """A role reads, changes or calls since the migrations what policies or rights kept from it before.

    Found by `bench prove`, which tries every role on every relation before and after.

    Why: a view without security_invoker runs with the rights of its owner, who is bound by no policy; a new
    table is open until row security is on; a function may be called by everybody.
    Way out: security_invoker for views (15 and newer), row security with policies in the transaction that
    creates a table, REVOKE EXECUTE … FROM PUBLIC.
    Example:
        CREATE VIEW all_notes AS SELECT * FROM notes;
        GRANT SELECT ON all_notes TO authenticated;
    Instead:
        CREATE VIEW all_notes WITH (security_invoker) AS SELECT * FROM notes;
        GRANT SELECT ON all_notes TO authenticated;
    Source: https://www.postgresql.org/docs/current/rules-privileges.html
        https://www.postgresql.org/docs/current/ddl-rowsecurity.html
    """
    opened = [cell for cell in rehearsed.run.proofs.access if cell.opened is not None]
    for relation in dict.fromkeys(cell.relation for cell in opened):
        cells = [cell for cell in opened if cell.relation == relation]
        first = max(cells, key=lambda cell: (cell.after.rows or 0) if cell.after else 0)
        others = sorted({f"{cell.actor} {cell.op}" for cell in cells})
        fix, script = _way_out(first)
        yield Finding(
            "access-opened",
            "error",
            None,
            None,
            relation,
            f"{_reached(first)}: {first.opened} (opened: {', '.join(others)})",
            {
                "cells": [
                    {"actor": cell.actor, "op": cell.op, "whose": cell.whose, "rows": cell.after.rows}
                    for cell in cells
                    if cell.after
                ]
            },
            fix,
            sql=script,
        )


@danger("definer-search-path", "SECURITY DEFINER without a search_path", "Security")
def definer_search_path(rehearsed: Rehearsed) -> Iterator[Finding]:
    """A function that runs with its owner's rights takes search_path from whoever calls it.

    Found by `bench prove`.

    Why: whoever can create objects in a schema of that path has the function call them, with its owner's
    rights.
    Way out: fix the path on the function, with pg_temp last, and name schemas in its body.
    Example:
        CREATE FUNCTION open_deals() RETURNS bigint LANGUAGE sql SECURITY DEFINER
        AS $$ SELECT count(*) FROM public.deals $$;
    Instead:
        CREATE FUNCTION open_deals() RETURNS bigint LANGUAGE sql SECURITY DEFINER
        SET search_path = pg_catalog, pg_temp AS $$ SELECT count(*) FROM public.deals $$;
    Source: https://www.postgresql.org/docs/current/sql-createfunction.html#SQL-CREATEFUNCTION-SECURITY
    """
    for rights in rehearsed.run.proofs.owner_rights:
        if rights.kind == "function" and not rights.fixed_path:
            by = f", and {', '.join(rights.reached_by)} may call it" if rights.reached_by else ""
            yield Finding(
                "definer-search-path",
                "warning",
                None,
                None,
                rights.name,
                f"{rights.name} is SECURITY DEFINER and takes search_path from its caller{by}: whoever can "
                "create objects in a schema of that path runs code with its owner's rights",
                {"called_by": list(rights.reached_by)},
                "Fix it: SET search_path = pg_catalog, pg_temp, and name schemas in its body.",
            )


@danger("function-fails", "A new function fails at every call", "Downtime")
def function_fails(rehearsed: Rehearsed) -> Iterator[Finding]:
    """A function that the migrations bring raises the same error whenever it is called.

    Found by `bench prove`, which calls it.

    Why: the server looks at a body when it runs: a name that is wrong there passes the deploy and meets the
    first user.
    Way out: repair its body before anybody calls it, and call it once in a test.
    Example:
        CREATE FUNCTION count_deals() RETURNS bigint LANGUAGE plpgsql
        AS $$ BEGIN RETURN (SELECT count(*) FROM deal); END $$;
    Instead:
        CREATE FUNCTION count_deals() RETURNS bigint LANGUAGE plpgsql
        AS $$ BEGIN RETURN (SELECT count(*) FROM deals); END $$;
    Source: https://www.postgresql.org/docs/current/plpgsql-implementation.html
    """
    for failing in rehearsed.run.proofs.failing_functions:
        yield Finding(
            "function-fails",
            "warning",
            None,
            None,
            failing.function,
            f"{failing.function} fails at every call: {failing.message} ({failing.sqlstate})",
            {"calls": failing.calls, "sqlstate": failing.sqlstate},
            "Repair its body before anybody calls it, and call it once in a test.",
        )


@danger("error-swallowed", "An error is hidden by WHEN OTHERS", "Partial failure")
def error_swallowed(rehearsed: Rehearsed) -> Iterator[Finding]:
    """A block catches every error by EXCEPTION WHEN OTHERS, and one came: the work is undone, silently.

    Found by `bench prove`.

    Why: the migration succeeds, and what the block was for has not been done.
    Way out: repair what fails, and catch only the conditions that are expected, by name.
    Example:
        DO $$ BEGIN INSERT INTO contacts (id) VALUES (1); EXCEPTION WHEN OTHERS THEN NULL; END $$;
    Instead:
        INSERT INTO contacts (id) VALUES (1) ON CONFLICT DO NOTHING;
    Source: https://www.postgresql.org/docs/current/plpgsql-control-structures.html#PLPGSQL-ERROR-TRAPPING
    """
    for error in rehearsed.run.proofs.swallowed:
        who = "this block" if error.migration else error.where
        gave = f", and gives {error.returned} back" if error.returned is not None else ""
        often = f" at {error.raised} of {error.calls} calls" if error.migration is None else ""
        yield Finding(
            "error-swallowed",
            "error" if error.raised == error.calls else "warning",
            error.migration,
            error.statement,
            None if error.migration else error.where,
            f"{who} hides an error by EXCEPTION WHEN OTHERS{often}{gave}: {error.message} ({error.sqlstate})",
            {"calls": error.calls, "raised": error.raised, "sqlstate": error.sqlstate},
            "Repair what fails, and catch only the conditions that are expected, by name.",
        )


@danger("policy-cost", "A policy makes reads slow", "Performance", is_condition=False)
def policy_cost(rehearsed: Rehearsed) -> Iterator[Finding]:
    """Counting a table takes ten times as long under its policies as without them.

    Found by `bench prove`. A note: who deploys a policy asks for its work.

    Why: the policy's expression runs for every row that the query reads, before its own conditions.
    Way out: write function calls of a policy as (SELECT f()), so that they run once, and index what the
    policy compares.
    Example:
        CREATE FUNCTION slow_user() RETURNS uuid LANGUAGE plpgsql STABLE
        AS $$ BEGIN PERFORM pg_sleep(0.001); RETURN auth.uid(); END $$;
        CREATE POLICY own_notes ON notes FOR SELECT USING (owner_id = slow_user());
    Instead:
        CREATE FUNCTION slow_user() RETURNS uuid LANGUAGE plpgsql STABLE
        AS $$ BEGIN PERFORM pg_sleep(0.001); RETURN auth.uid(); END $$;
        CREATE POLICY own_notes ON notes FOR SELECT USING (owner_id = (SELECT slow_user()));
    Source: https://www.postgresql.org/docs/current/ddl-rowsecurity.html
    """
    for cost in rehearsed.run.proofs.policy_costs:
        if cost.with_s > COSTLY_S and cost.with_s > COSTLY_RATIO * cost.without_s:
            yield Finding(
                "policy-cost",
                "info",
                None,
                None,
                cost.relation,
                f"counting {cost.relation} takes {seconds(cost.with_s)} under its policies as {cost.actor}, "
                f"{seconds(cost.without_s)} without them (medians, n={cost.n})",
                {"with_s": cost.with_s, "without_s": cost.without_s, "n": cost.n},
                "Write auth.uid() as (SELECT auth.uid()), so that it is computed once, and index what the "
                "policy compares.",
            )


def _reached(cell: AccessCell) -> str:
    if cell.op == "EXECUTE":
        return f"{cell.actor} may call {cell.relation}"
    if cell.of == 0:
        return f"{cell.actor} may {cell.op} {cell.relation}, which has no row yet"
    rows = (cell.after.rows or 0) if cell.after else 0
    return f"{cell.actor} reaches {count(rows)} of {count(cell.of)} rows of {cell.relation} by {cell.op}"


def _way_out(cell: AccessCell) -> tuple[str, str | None]:
    if cell.op == "EXECUTE":
        revoke = f"REVOKE EXECUTE ON FUNCTION {cell.relation} FROM PUBLIC, {cell.actor};"
        return "Take the right to call it from everybody, and grant it to the roles that need it.", revoke
    if cell.of == 0:
        enable = f"ALTER TABLE {cell.relation} ENABLE ROW LEVEL SECURITY;"
        return (
            "Enable row security in the transaction that creates the table, with policies for who may.",
            enable,
        )
    return (
        "Let the view run with the rights of who reads it (security_invoker, 15 and newer), enable row "
        "security with policies before the first grant, and grant no more than is used.",
        None,
    )
