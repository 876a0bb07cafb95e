# `make demo` and `make test` work as the first and only command on a machine with Python 3.11 to 3.13.
# `make test TRITON=3.9.0` runs the same on another Triton, in a virtual environment of its own.

DEFAULT_TRITON := 3.7.1
TRITON ?= $(DEFAULT_TRITON)
VENV ?= .venv$(if $(filter-out $(DEFAULT_TRITON),$(TRITON)),-$(TRITON))
JOBS ?= 2
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
TREE := build/types

SUPPORTED := import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info < (3, 14))
PYTHON ?= $(shell for python in python3 python3.13 python3.12 python3.11 python; do \
	$$python -c '$(SUPPORTED)' >/dev/null 2>&1 && echo $$python && break; done)

.PHONY: help install demo test lint format types layers pytest examples fuzz seeded opinfo map clean

help:
	@echo 'make demo      compile and run some examples, and print what the compiler makes of them'
	@echo 'make test      lint, format, types, layer contracts, tests (TRITON=$(TRITON), JOBS=$(JOBS))'
	@echo 'make install   only the virtual environment, $(VENV)'
	@echo 'make format    rewrite the sources as the format check wants them'
	@echo 'make examples  every example on the CPU, compiled for every target'
	@echo 'make fuzz      random kernels against PyTorch (SECONDS=$(SECONDS), SEED=$(SEED), JOBS=$(JOBS))'
	@echo 'make seeded    faults put into the compiler on purpose: does a test notice each?'
	@echo 'make opinfo    every operator of the database of PyTorch in device code, and a table of them (JOBS=$(JOBS))'
	@echo 'make map       the index of files: what each one holds, in a line'
	@echo 'make lint | types | layers | pytest   one part of make test'

install: $(STAMP)

# A CUDA build of torch pins its own triton, a CPU build none: triton comes last and without dependencies.
$(STAMP): .ci/pins.txt .ci/dev.txt pyproject.toml
	@test -n '$(PYTHON)' || { echo 'Python 3.11, 3.12 or 3.13 with venv is needed, and not on PATH' >&2; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q -r .ci/pins.txt -r .ci/dev.txt
	$(BIN)/python -m pip install -q --no-deps triton==$(TRITON)
	$(BIN)/python -m pip install -q --no-deps --no-build-isolation -e .
	@touch $@

demo: $(STAMP)
	@for example in $(DEMO); do \
		printf '\n== %s\n' $$example; HELION_PRINT_OUTPUT_CODE=1 $(BIN)/python $$example || exit 1; done
DEMO ?= examples/add.py examples/softmax.py examples/matmul.py

test: lint types layers pytest

lint: $(STAMP)
	$(BIN)/ruff check
	$(BIN)/ruff format --check

map: $(STAMP)
	@$(BIN)/python .ci/map.py

format: $(STAMP)
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

# The package as it is imported (links): dialects, passes and backends lie at the top level, yet are parts of helion_ir.
.PHONY: tree
tree:
	@rm -rf $(TREE) && mkdir -p $(TREE)
	@cp -rs $(CURDIR)/helion_ir $(TREE)/
	@cp -rs $(CURDIR)/dialects $(CURDIR)/passes $(CURDIR)/backends $(TREE)/helion_ir/

types: $(STAMP) tree
	$(BIN)/basedpyright --pythonpath $(BIN)/python

layers: $(STAMP) tree
	cd $(TREE) && $(abspath $(BIN))/lint-imports --no-cache --config $(CURDIR)/pyproject.toml

pytest: $(STAMP)
	$(BIN)/python -m pytest -n $(JOBS)

# Random kernels for as long as one wants; what is found lies in build/fuzz as files that show it.
SECONDS ?= 120
SEED ?= 1
fuzz: $(STAMP)
	$(BIN)/python -m tests.fuzz --seconds $(SECONDS) --seed $(SEED) --jobs $(JOBS) --out build/fuzz

# All examples on the CPU, compiled for every target; `make pytest` compiles each for one.
examples: $(STAMP)
	EVERY_TARGET=1 $(BIN)/python -m pytest -n $(JOBS) tests/kernels/test_example_files.py

# Faults put into a copy of the compiler: each must make a test fail.
seeded: $(STAMP)
	$(BIN)/python -m tests.fuzz.seeded_faults

# PyTorch's operators, each with its dtypes and sample inputs; benchmarks/opinfo.md has the table.
opinfo: $(STAMP)
	$(BIN)/python -m tests.opinfo --jobs $(JOBS) --text sm_90 --table benchmarks/opinfo.md

clean:
	rm -rf .venv* build .pytest_cache .ruff_cache .hypothesis *.egg-info
