# Two commands: `make run` (the main job on config.toml) and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: run test faults lint format bench setup schemas keys screens snapshots completions man clean

$(STAMP): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[llm,web,dev]'
	touch $@

setup: $(STAMP)

run: setup
	$(BIN)/longwatch run

# What fails beside three other workers is looked at once more alone, and stands in the output twice:
# docs/decisions/0009-a-second-look-alone.md. What fails alone fails.
test: setup
	$(BIN)/python -m pytest -n 4 --dist worksteal || { \
	  [ $$? -eq 1 ] && echo "== what failed once more, alone ==" && \
	  $(BIN)/python -m pytest -p no:xdist --last-failed --last-failed-no-failures none; }

# The long run of the fault suite: an hour or two; prints its counts, its seeds and every violation.
# SEEDS: worlds of L0. POINTS: kill points of the writers. OPERATIONS: those of the living engine
# and keeper. KILLS: random ones. SEED repeats a run; without it one is drawn.
SEEDS ?= 100000
POINTS ?= 8500
OPERATIONS ?= 500
KILLS ?= 1000
JOBS ?= 2
SEED ?=
faults: setup
	$(BIN)/python tests/faults/everything.py --seeds $(SEEDS) --points $(POINTS) \
	  --operations $(OPERATIONS) --kills $(KILLS) --jobs $(JOBS) $(if $(SEED),--seed $(SEED))

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

# What is shipped for shells and for man, from the parsers of the command line.
completions: setup
	$(BIN)/python -m supervisor.cli.completion_scripts

man: setup
	$(BIN)/python -m supervisor.cli.man_page

keys: setup
	$(BIN)/python -m supervisor.tui.keys > docs/keys.md

# The pictures of docs/screens, and the looks that the tests compare with: both from
# tests/tui/scenes.py. In a conflict of pictures take either side and run `make snapshots`.
screens: setup
	$(BIN)/python tests/tui/make_screens.py

snapshots: setup
	rm -rf tests/tui/__snapshots__/test_tui_looks
	$(BIN)/python -m pytest -q tests/tui/test_tui_looks.py --snapshot-update -n 2

clean:
	rm -rf $(VENV) build dist *.egg-info
