"""A run as pandas DataFrames: raw, for questions that no report answers.

Units stand in the column names. Unknown numbers are missing values, never 0. Every frame has all its
columns also where it has no rows.
"""

from bench.analyse.frames.raw import LOCK_COLUMNS as LOCK_COLUMNS
from bench.analyse.frames.raw import MIGRATION_COLUMNS as MIGRATION_COLUMNS
from bench.analyse.frames.raw import QUERY_COLUMNS as QUERY_COLUMNS
from bench.analyse.frames.raw import STATEMENT_COLUMNS as STATEMENT_COLUMNS
from bench.analyse.frames.raw import locks as locks
from bench.analyse.frames.raw import migrations as migrations
from bench.analyse.frames.raw import queries as queries
from bench.analyse.frames.raw import statements as statements
from bench.analyse.frames.report import ADVICE_COLUMNS as ADVICE_COLUMNS
from bench.analyse.frames.report import BUDGET_COLUMNS as BUDGET_COLUMNS
from bench.analyse.frames.report import FINDING_COLUMNS as FINDING_COLUMNS
from bench.analyse.frames.report import FORECAST_COLUMNS as FORECAST_COLUMNS
from bench.analyse.frames.report import INDEX_COLUMNS as INDEX_COLUMNS
from bench.analyse.frames.report import INDEX_WRITE_COLUMNS as INDEX_WRITE_COLUMNS
from bench.analyse.frames.report import INSIDE_COLUMNS as INSIDE_COLUMNS
from bench.analyse.frames.report import REQUEST_COLUMNS as REQUEST_COLUMNS
from bench.analyse.frames.report import SIZE_COLUMNS as SIZE_COLUMNS
from bench.analyse.frames.report import WAIT_COLUMNS as WAIT_COLUMNS
from bench.analyse.frames.report import WAY_COLUMNS as WAY_COLUMNS
from bench.analyse.frames.report import advice as advice
from bench.analyse.frames.report import budgets as budgets
from bench.analyse.frames.report import executions as executions
from bench.analyse.frames.report import findings as findings
from bench.analyse.frames.report import forecasts as forecasts
from bench.analyse.frames.report import index_writes as index_writes
from bench.analyse.frames.report import indexes as indexes
from bench.analyse.frames.report import inside as inside
from bench.analyse.frames.report import requests as requests
from bench.analyse.frames.report import sizes as sizes
from bench.analyse.frames.report import waits as waits
