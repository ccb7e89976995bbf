# On a fresh machine with Python >= 3.11 and make: `make bench` rehearses the CRM suite, `make test` checks the project.
PYTHON ?= python3
SUITE  ?= crm
SERVER ?= auto
SCALE  ?= 1
BIN    := .venv/bin
STAMP  := .venv/.installed
CHECKS := .venv/.installed-checks
BENCH  := $(BIN)/bench
SPREAD := --dist loadfile --no-loadscope-reorder

.PHONY: setup setup-checks bench prove test tools test-cases test-container test-conformance perf lint type report explain forecast compare doctor clean
.DEFAULT_GOAL := help

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-15s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed; this is " + sys.version.split()[0] + ". Try: make PYTHON=python3.12") if sys.version_info < (3, 11) else None'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable .
	@touch $(STAMP)

$(CHECKS): $(STAMP)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	@touch $(CHECKS)

setup: $(STAMP) ## virtual environment and install; nothing if up to date

setup-checks: $(CHECKS) ## what the checks of the project itself need as well

bench: setup ## the main job: seed, apply, watch, explain, report (SUITE= SERVER= IMAGE= SCALE= ARGS=)
	$(BENCH) run $(SUITE) --server '$(SERVER)' --scale $(SCALE) $(if $(IMAGE),--image '$(IMAGE)') $(ARGS)

prove: setup ## rollbacks, crash points, second runs, access: tried for real on clones (SUITE= SERVER= SCALE= ARGS=)
	$(BENCH) prove $(SUITE) --server '$(SERVER)' --scale $(SCALE) $(if $(IMAGE),--image '$(IMAGE)') $(ARGS)

test: lint type ## everything but the container tests and what asserts times
	$(BIN)/pytest tests/perf --collect-only --quiet >/dev/null
	$(BIN)/pytest --ignore tests/perf -m 'not container and not alone' -n 2 $(SPREAD) --durations=15 $(ARGS)
	$(BIN)/pytest --ignore tests/perf -m alone $(ARGS)

test-cases: setup-checks ## the small inputs from the field, each with its right answer
	$(BIN)/pytest tests/cases -n 2 $(SPREAD) $(ARGS)

test-container: setup-checks ## the tests that need a Docker engine
	$(BIN)/pytest -m container $(ARGS)

tools: setup ## the migration tools that tests compare with: from npm, and on Debian sqitch and Rails' ActiveRecord
	npm install --prefix tests/real_tools --no-package-lock --no-audit --no-fund --silent
	@command -v sqitch >/dev/null && ruby -e 'require "active_record"; require "pg"' || echo 'for sqitch and Rails: apt-get install sqitch libdbd-pg-perl ruby-activerecord ruby-pg'

test-conformance: setup-checks ## every lock case of the debugger, on PostgreSQL 15 and 18 (ten minutes)
	BENCH_TEST_CONFORMANCE=all $(BIN)/pytest tests/conformance $(ARGS)

perf: setup-checks ## timings and ratios of the harness itself
	$(BIN)/pytest tests/perf --benchmark-enable $(ARGS)

lint: setup-checks ## style and import contract
	$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/lint-imports

type: setup-checks ## mypy --strict
	$(BIN)/mypy

explain: setup ## what queries and indexes cost before and after, in every way they are executed (SUITE= SERVER= SCALE= ARGS=)
	$(BENCH) explain $(SUITE) --server '$(SERVER)' --scale $(SCALE) $(if $(IMAGE),--image '$(IMAGE)') $(ARGS)

forecast: setup ## a size too large to rehearse, from smaller ones (AT=deals=1M SUITE= SERVER= ARGS=)
	$(BENCH) forecast $(SUITE) --server '$(SERVER)' --at $(or $(AT),deals=1M) $(ARGS)

report: setup ## draw the report of a stored run again (RUN=)
	$(BENCH) report $(or $(RUN),latest)

compare: setup ## what got worse since the suite's baseline; exit code 1 where something did (SUITE= RUN=)
	$(BENCH) compare $(or $(BASE),$(SUITE)) $(or $(RUN),latest)

doctor: setup ## what this machine can do
	$(BENCH) doctor

clean: ## remove the virtual environment and the stored runs
	rm -rf .venv results/runs
