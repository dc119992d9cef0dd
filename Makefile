# Skysail: every command a developer needs. `make help` lists them.
SHELL := /bin/bash
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.ready
FRAMEWORKS := $(VENV)/.frameworks
.DEFAULT_GOAL := help

.PHONY: help setup compile demo up down test test-environments test-torch test-spark spark-fixtures lint types bench bench-faults clean

help: ## list these commands
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

$(STAMP): constraints.txt requirements-dev.txt scripts/setup.sh */pyproject.toml
	@bash scripts/setup.sh $(VENV)

$(FRAMEWORKS): $(STAMP) constraints.txt containers/pyproject.toml scripts/setup-frameworks.sh
	@bash scripts/setup-frameworks.sh $(VENV)

setup: $(STAMP) ## make the environment in .venv and nothing else

compile: $(STAMP) ## translate the hot paths of query frontend and containers to C again after an edit
	@$(BIN)/python -m skysail_container.compiling && $(BIN)/python -m skysail_frontend.compiling

demo: $(STAMP) ## start the stack, serve a real model, print accuracy and speed, stop everything
	@$(BIN)/python -m examples.demo.demo $(DEMO_FLAGS)

up: $(STAMP) ## start the stack and leave it running (stop it with make down)
	@$(BIN)/skysail up --detach

down: $(STAMP) ## stop the stack that make up started
	@$(BIN)/skysail down

# The suite starts hundreds of Pythons: their bytecode is kept, even where the environment says otherwise.
test: $(FRAMEWORKS) ## run the whole test suite
	@PYTHONDONTWRITEBYTECODE= $(BIN)/pytest -n 4 --dist loadgroup -m "not environments"

test-environments: $(FRAMEWORKS) ## run the tests that build environments with real pip or load heavy frameworks again and again: minutes
	@PYTHONDONTWRITEBYTECODE= $(BIN)/pytest -n 2 --dist loadgroup -m environments

test-torch: $(STAMP) ## run the tests with PyTorch, in an environment of their own (.venv-torch)
	@bash scripts/setup-torch.sh .venv-torch $(BIN)/python && .venv-torch/bin/python -m pytest tests/pytorch

test-spark: $(STAMP) ## run the tests with PySpark, in an environment of their own (.venv-spark)
	@bash scripts/setup-spark.sh .venv-spark $(BIN)/python && .venv-spark/bin/python -m pytest tests/pyspark

spark-fixtures: $(STAMP) ## make tests/spark/fixtures again with PySpark: some minutes, and every file of them changes
	@bash scripts/setup-spark.sh .venv-spark $(BIN)/python && PYTHONPATH=tests .venv-spark/bin/python -W ignore -m spark.make_fixtures $(FAMILIES)

lint: $(STAMP) ## style, format and import contracts
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/lint-imports --no-cache

types: $(FRAMEWORKS) ## strict type checks, tests included
	@$(BIN)/mypy containers/skysail_container management/skysail_management query_frontend/skysail_frontend admin/skysail_admin tests benchmarks examples scripts

bench: $(STAMP) ## measure against the baselines in one run; table on screen, raw figures in benchmarks/results
	@$(BIN)/python -m benchmarks.serving

bench-faults: $(STAMP) ## measure whether answers are in time under overload and faults; plots in benchmarks/results
	@$(BIN)/python -m benchmarks.in_time

clean: ## remove the environment, compiled modules and caches
	rm -rf $(VENV) .venv-torch .venv-spark */skysail_*/_compiled .pytest_cache .mypy_cache .ruff_cache .hypothesis
