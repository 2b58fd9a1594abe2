# Each target sets up .venv if it is not there, then does its one thing.
PYTHON ?= python3
BIN := .venv/bin
export PATH := $(CURDIR)/$(BIN):$(PATH)
export MLFLOW_DISABLE_TELEMETRY := true
export HF_HUB_DISABLE_TELEMETRY := 1
RESULTS ?= results
CORES ?= all

.PHONY: setup ablate smoke test bench rehearse chaos mutants docs ui clean

setup: .venv/installed

# torch first: what comes after finds the pinned version there and asks for no other.
.venv/installed: pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check torch==2.13.0
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[dev]"
	touch $@

ablate: setup
	snakemake --cores $(CORES) ablate_all

smoke: setup
	snakemake --cores $(CORES) --configfile experiments/smoke.yaml -- ablate_all

test: setup
	ruff check .
	ruff format --check .
	mypy
	lint-imports
	snakefmt --check Snakefile workflow
	snakemake --lint
	pytest -n auto --dist loadfile

# A quick table; FULL=1 measures all of it. A figure that misses its mark fails.
bench: setup
	BENCH_FULL=$(FULL) python -m pytest tests/benchmarks -m slow -s -o addopts=

# The paper's scale at its true shapes, with random weights and a few clips; SCALE=base_16: one study of B/16.
rehearse: setup
	PYTHONPATH=tests python -m rehearsal --scale $(or $(SCALE),base_32)

# The smoke grid under kills at random moments, against an undisturbed run.
chaos: setup
	python tests/chaos/kills.py --kills $(or $(KILLS),40)

# Changes the library in a copy, one place at a time: the tests of the file must fail.
mutants: setup
	python -m pip install --quiet --disable-pip-version-check --editable ".[mutants]"
	python tests/mutants.py

docs: setup
	NO_MKDOCS_2_WARNING=1 mkdocs build --strict

ui: setup
	MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false mlflow server --workers 1 --host 127.0.0.1 --port 5000 \
	    --backend-store-uri sqlite:///$(RESULTS)/mlflow.db --default-artifact-root $(RESULTS)/mlartifacts

clean:
	rm -rf .venv site .snakemake .pytest_cache .mypy_cache .ruff_cache .hypothesis
