# Two commands: `make run` (the main job on config.toml) and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: run test faults lint format bench setup schemas keys screens clean

$(STAMP): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[llm,dev]'
	touch $@

setup: $(STAMP)

run: setup
	$(BIN)/longwatch run

test: setup
	$(BIN)/python -m pytest -n 4 --dist worksteal

# The long run of the fault suite: hours; prints its counts, its seeds and every violation.
SEEDS ?= 100000
KILLS ?= 10000
faults: setup
	$(BIN)/python -m tests.core.simulation --seeds $(SEEDS)
	$(BIN)/python tests/faults/kill_points.py
	$(BIN)/python tests/faults/random_kills.py --kills $(KILLS)
	LONGWATCH_LONG=1 $(BIN)/python -m pytest -n 2 tests/faults
	$(BIN)/python tests/faults/planted.py

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: setup
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .

bench: setup
	$(BIN)/python -m bench

schemas: setup
	$(BIN)/python -m supervisor.protocol.schemas

keys: setup
	$(BIN)/python -m supervisor.tui.keys > docs/keys.md

screens: setup
	$(BIN)/python tests/tui/make_screens.py

clean:
	rm -rf $(VENV) build dist *.egg-info
