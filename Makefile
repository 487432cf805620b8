# Porchlight's front door. `make help` lists what it opens.
MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := help

python := .venv/bin/python
devstack := $(python) -m devstack
benchmarks := $(patsubst benchmarks/%.py,bench-%,$(filter-out benchmarks/_%,$(wildcard benchmarks/*.py)))
m ?=
args ?=
export m

.PHONY: help
help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: setup
setup: ## .venv with every package, pinned by hash (the others do this first)
	@sh devstack/setup.sh

.PHONY: run
run: setup ## everything on this machine, with demo data the first time; Ctrl-C stops it
	@$(devstack) run

.PHONY: stop
stop: setup ## stop it from another terminal
	@$(devstack) stop

.PHONY: reset
reset: setup ## stop it and delete its data (FORCE=1 does not ask)
	@$(devstack) reset

.PHONY: test
test: setup ## the whole suite; args="tests/alerts -k price" for a part
	@CHROMIUM=$$($(devstack) browser) && export CHROMIUM && $(python) -m pytest -n 2 $(args)

.PHONY: test-faults
test-faults: setup ## what survives kills, flushes and crashes: those tests, then both kinds of chaos
	@$(python) -m pytest -n 2 tests/faults
	@$(MAKE) chaos
	@$(MAKE) chaos-mail

.PHONY: chaos
chaos: setup ## 90 s of kills and restarts, then the books; args="--seed 7 --seconds 30"
	@$(python) -m tests.faults.chaos $(args)

.PHONY: chaos-mail
chaos-mail: setup ## 50 kills of senders over 10,000 mails: none lost, none doubled; args="--kills 5 --messages 600"
	@$(python) -m tests.faults.mail_storm $(args)

.PHONY: check
check: setup ## linters, formats, types, import contracts and the guards
	$(python) -m ruff check .
	$(python) -m ruff format --check .
	$(python) -m mypy
	.venv/bin/djlint --quiet --lint app/templates devstack/templates
	.venv/bin/lint-imports
	$(python) -m pytest -q tests/guards

.PHONY: bench
bench: $(benchmarks) ## every benchmark, each ending in one line of JSON

.PHONY: bench-alerts
bench-alerts: setup ## matching: ours against the naive way and the floor
	@$(python) -m benchmarks.alerts $(args)

.PHONY: bench-builder
bench-builder: setup ## what each change of the search builder costs at 100,000 listings
	@$(python) -m benchmarks.builder $(args)

.PHONY: bench-jobs
bench-jobs: setup ## the ledger beside stock RQ, and Operations with a million runs
	@$(python) -m benchmarks.jobs $(args)

.PHONY: bench-mail
bench-mail: setup ## a mail from the queue to the relay: ours, the floor, the usual stack
	@$(python) -m benchmarks.mail $(args)

bench-%: setup
	@$(python) -m benchmarks.$* $(args)

.PHONY: ops-pictures
ops-pictures: setup ## pictures of Operations in three states, beside a running stack; args=FOLDER
	@$(python) -m devstack.ops_states $(args)

.PHONY: demo-data
demo-data: setup ## the demo brokerage into the running stack, or into its database
	@$(devstack) with sh -c 'flask db upgrade && flask demo $(args)'

.PHONY: migrate
migrate: setup ## a new migration from the models: make migrate m="What it does"
	@test -n "$$m" || { echo 'Say what it does: make migrate m="What it does"'; exit 1; }
	@$(devstack) with sh -c 'flask db upgrade && flask db migrate --message "$$m" \
		--rev-id $$(printf %04d $$(($$(ls migrations/versions | grep -c "^[0-9]") + 1)))'
	@$(python) -m ruff check --quiet --fix migrations && $(python) -m ruff format --quiet migrations

.PHONY: requirements
requirements: setup ## the pins anew from requirements*.in; args="--upgrade" for newer ones
	@pin() { .venv/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
		--no-emit-index-url --no-emit-find-links --no-header $(args) "$$@"; }; \
	pin requirements.in --output-file requirements.txt && \
	pin requirements-dev.in --constraints requirements.txt --output-file requirements-dev.txt
