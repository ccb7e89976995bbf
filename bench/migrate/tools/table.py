"""Every tool, one row each: to add one, write its module and put its Tool here."""

from __future__ import annotations

from bench.migrate.tools.atlas import ATLAS
from bench.migrate.tools.dbmate import DBMATE
from bench.migrate.tools.diesel import DIESEL
from bench.migrate.tools.drizzle import DRIZZLE
from bench.migrate.tools.flyway import FLYWAY
from bench.migrate.tools.golangmigrate import GOLANG_MIGRATE
from bench.migrate.tools.goose import GOOSE
from bench.migrate.tools.graphilemigrate import GRAPHILE_MIGRATE
from bench.migrate.tools.hasura import HASURA
from bench.migrate.tools.liquibase import LIQUIBASE
from bench.migrate.tools.mybatis import MYBATIS
from bench.migrate.tools.nodepgmigrate import NODE_PG_MIGRATE
from bench.migrate.tools.plain import PLAIN
from bench.migrate.tools.play import PLAY
from bench.migrate.tools.postgrator import POSTGRATOR
from bench.migrate.tools.prisma import PRISMA
from bench.migrate.tools.rambler import RAMBLER
from bench.migrate.tools.recorded import RECORDED
from bench.migrate.tools.refinery import REFINERY
from bench.migrate.tools.shape import Tool
from bench.migrate.tools.sqitch import SQITCH
from bench.migrate.tools.sqlmigrate import SQL_MIGRATE
from bench.migrate.tools.sqlx import SQLX
from bench.migrate.tools.supabase import SUPABASE
from bench.migrate.tools.tern import TERN
from bench.migrate.tools.yoyo import YOYO

TOOLS: tuple[Tool, ...] = (
    ATLAS,
    DBMATE,
    DIESEL,
    DRIZZLE,
    FLYWAY,
    GOLANG_MIGRATE,
    GOOSE,
    GRAPHILE_MIGRATE,
    HASURA,
    LIQUIBASE,
    MYBATIS,
    NODE_PG_MIGRATE,
    PLAIN,
    PLAY,
    POSTGRATOR,
    PRISMA,
    RAMBLER,
    RECORDED,
    REFINERY,
    SQITCH,
    SQL_MIGRATE,
    SQLX,
    SUPABASE,
    TERN,
    YOYO,
)
BY_NAME = {tool.name: tool for tool in TOOLS}
