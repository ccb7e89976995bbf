"""Users, profiles, teams, and the times that every table has."""

from __future__ import annotations

from datagen.crm.identity import PROFILES, USERS, user_email, user_name
from datagen.crm.pools import pools_of
from datagen.engine.calendar import later, moments
from datagen.engine.columns import Block, Column, Table, choice, feature, flag, ids, literal, own_id
from datagen.engine.streams import Ints, below
from datagen.engine.values import Digits, Texts, Timestamps, Uuids, Words


@feature
def created(block: Block) -> Ints:
    """When the row came into being."""
    return moments(block.rows, max(block.count(block.table), 1), block.hash("created_at"))


def updated(block: Block, since: Ints) -> Ints:
    """When the row was touched last: some moment between ``since`` and now."""
    return later(since, block.hash("updated_at"))


def created_at(block: Block) -> Timestamps:
    """The column of that name."""
    return Timestamps(created(block))


def updated_at(block: Block) -> Timestamps:
    """The column of that name."""
    return Timestamps(updated(block, created(block)))


TIMES = (Column("created_at", created_at), Column("updated_at", updated_at))


def _team_name(block: Block) -> Texts:
    return Texts((literal("Team "), Digits(block.rows + 1, 3)))


def _member(block: Block) -> Ints:
    return block.rows % block.count(PROFILES)


def _team(block: Block) -> Ints:
    # Every round over all profiles moves each of them on to another team.
    teams = block.count("public.teams")
    first = below(block.at(PROFILES, _member(block)).hash("team"), teams)
    return (first + block.rows // block.count(PROFILES)) % teams


def _profile_id(block: Block) -> Uuids:
    return ids(USERS, block, block.rows)


def _name(part: int) -> Column:
    def values(block: Block) -> Texts:
        pools = pools_of(block)
        pool = (pools.first_names, pools.last_names)[part].pool
        return Texts((Words(pool, user_name(block.at(USERS, block.rows))[part]),))

    return Column(("first_name", "last_name")[part], values)


def _avatar(block: Block) -> Texts:
    pieces = (literal("https://avatars.example/"), Digits(block.rows, 8))
    return Texts(pieces, block.chance("avatar", 0.6))


_ADDRESS = Column("email", lambda block: Texts(user_email(block.at(USERS, block.rows))))

TABLES = (
    Table("auth.users", (Column("id", own_id), *TIMES, _ADDRESS)),
    Table(
        PROFILES,
        (
            Column("id", _profile_id),
            Column("is_admin", flag("is_admin", 0.04)),
            *TIMES,
            _name(0),
            _name(1),
            _ADDRESS,
            Column("stage", choice("stage", junior=3, senior=4, lead=1, NULL=2)),
            Column("avatar_url", _avatar),
        ),
    ),
    Table("public.teams", (Column("id", own_id), *TIMES, Column("name", _team_name))),
    Table(
        "public.team_members",
        (
            Column("id", own_id),
            Column("team_id", lambda block: ids("public.teams", block, _team(block))),
            Column("user_id", lambda block: ids(USERS, block, _member(block))),
            *TIMES,
            Column("role", choice("role", member=16, leader=3, admin=1)),
        ),
    ),
)
