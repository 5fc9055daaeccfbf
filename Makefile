# Two commands: `make run` (the main job on config.toml) and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: run test lint format bench setup schemas screens clean

$(STAMP): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[llm,dev]'
	touch $@

setup: $(STAMP)

run: setup
	$(BIN)/longwatch run

test: setup
	$(BIN)/python -m pytest -n 4 --dist worksteal

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

clean:
	rm -rf $(VENV) build dist *.egg-info
