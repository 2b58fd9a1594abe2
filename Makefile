# Each target sets up .venv if it is not there, then does its one thing.
PYTHON ?= python3
BIN := .venv/bin
export PATH := $(CURDIR)/$(BIN):$(PATH)
export MLFLOW_DISABLE_TELEMETRY := true
export HF_HUB_DISABLE_TELEMETRY := 1
RESULTS ?= results
CORES ?= all
PORT ?= 5000

.PHONY: setup ablate smoke test test-browser test-cluster test-kernels bench rehearse chaos mutants audit docs ui clean

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

# The pages in a headless Chromium (also part of `test`); screenshots stay in browser-shots/.
test-browser: setup
	pytest tests/browser -m browser -rs

# A SLURM of its own on this machine (Debian's, as root; skipped with the reason where that cannot be).
test-cluster: setup
	python -m pip install --quiet --disable-pip-version-check --editable ".[cluster]"
	python -m pytest tests/cluster -m slow -s -rs -o addopts=

# The kernels for a GPU, without one: run by Triton's interpreter, compiled for several cards.
test-kernels: setup
	python -m pip install --quiet --disable-pip-version-check --editable ".[kernels]"
	python -m pytest tests/model/test_frame_kernels.py -rs -s -n 0

# A quick table; FULL=1 measures all of it. A figure that misses its mark fails.
bench: setup
	BENCH_FULL=$(FULL) python -m pytest tests/benchmarks -m slow -s -o addopts=

# The paper's scale at its true shapes, with random weights and a few clips; SCALE=base_16: one study of B/16.
rehearse: setup
	PYTHONPATH=tests python -m rehearsal --scale $(or $(SCALE),base_32)

# The smoke grid under kills at random moments, against an undisturbed run.
chaos: setup
	PYTHONPATH=tests python tests/chaos/kills.py --kills $(or $(KILLS),40)

# Changes the library in a copy, one place at a time: the tests of the file must fail.
mutants: setup
	python -m pip install --quiet --disable-pip-version-check --editable ".[mutants]"
	python tests/mutants.py

# Known vulnerabilities of the installed packages; asks pypi.org, so it needs the internet.
audit: setup
	python -m pip install --quiet --disable-pip-version-check --editable ".[audit]"
	pip-audit --skip-editable

docs: setup
	NO_MKDOCS_2_WARNING=1 mkdocs build --strict

# MLflow on 127.0.0.1, opened on the comparison of each study.
ui: setup
	clipvip ui $(RESULTS) --port $(PORT)

clean:
	rm -rf .venv site .snakemake .pytest_cache .mypy_cache .ruff_cache .hypothesis
