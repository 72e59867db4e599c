# Everything a person runs here. `make` alone lists it; `make demo` and `make test` need only Python 3.11, make and git.

PYTHON    ?= python3.11
RECORDING ?=
MODEL     ?=
SEED      ?= 1
POINTS    ?= 100
COUNT     ?= 1000
AGAINST   ?= main
WORKERS   ?= 2

SHELL     := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
MAKEFLAGS += --no-print-directory
.NOTPARALLEL:
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

BIN      := .venv/bin
PROTOS   := $(sort $(wildcard protos/clarity/v1/*.proto))
SERVICES := $(filter %_service.proto,$(PROTOS))
SET      := build/clarity.binpb

# The stamp is named after what it promises: these files, in this place. An edit installs again, a copy of the tree does
# not trust the original's environment, and touching a file costs nothing.
key   = $(shell { cat pyproject.toml constraints.txt; echo '$(CURDIR)'; } | cksum | cut -d' ' -f1)
DEV   := .venv/dev-$(key)
BENCH := .venv/bench-$(key)

.PHONY: help setup gen demo test check torture histories bench breaking clean

help: ## list the targets
	@awk -F':.*## ' '/^[a-z]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' Makefile

setup: $(DEV) ## make .venv and install everything development needs (again only when something changed)
	@:

gen: build/stubs.stamp $(SET) ## generate the Python stubs and Envoy's descriptor set from protos/
	@:

demo: setup gen ## stream a real recording through a real server and Envoy (RECORDING=path, MODEL=path for your own)
	@$(BIN)/clarity demo $(if $(RECORDING),'$(RECORDING)') $(if $(MODEL),--model '$(MODEL)')

test: setup gen ## run every test (WORKERS=2 processes)
	@$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal

check: setup $(SET) ## lint, format, fresh stubs, types, catalogue, Envoy's own validation: what a commit must pass
	@echo 'check: buf lint';             $(BIN)/buf lint protos
	@echo 'check: buf format';           $(BIN)/buf format --diff --exit-code protos
	@echo 'check: stubs fresh';          rm -rf build/fresh; $(call stubs,build/fresh)
	@diff -rq -x __init__.py -x __pycache__ build/fresh/clarity/v1 clients/python/clarity/v1 \
	  || { echo 'The committed stubs are not what protos/ says: run `make gen` and commit the result.' >&2; exit 1; }
	@echo 'check: ruff';                 $(BIN)/ruff check --quiet --output-format concise .
	@echo 'check: ruff format';          $(BIN)/ruff format --quiet --diff .
	@echo 'check: mypy';                 $(BIN)/mypy
	@echo 'check: catalogue';            $(BIN)/python -m clarity_server.domain.catalogue_check
	@echo 'check: envoy --mode validate'; $(BIN)/python -m clarity.edge validate
	@echo 'check: all good'

torture: setup gen ## kill server and client at seeded points and compare with one clean run (SEED=, POINTS=)
	@$(BIN)/python -m tests.torture --seed $(SEED) --points $(POINTS)

histories: setup gen ## play concurrent writes, deletes and reads of samples, and look for an order that explains each history (SEED=, COUNT=)
	@$(BIN)/python -m tests.histories --seed $(SEED) --count $(COUNT)

bench: $(BENCH) gen ## measure: ratios of one run on this machine
	@$(BIN)/python -m bench

breaking: setup $(SET) ## does protos/ break a client of AGAINST=main?
	@rm -rf build/against && mkdir -p build/against/build
	@git archive $(AGAINST) buf.yaml protos | tar -x -C build/against && cp -r build/googleapis build/against/build/
	@cd build/against && $(CURDIR)/$(BIN)/buf build protos -o before.binpb
	@$(BIN)/buf breaking protos --against build/against/before.binpb && echo 'breaking: nothing breaks'

clean: ## remove what make can make again (the environment and var/ stay)
	@rm -rf build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
	@find clarity_server clients tests bench -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true

# ---- the environment -------------------------------------------------------------------------------------------------

SUITS := import sys; raise SystemExit(not (3, 11) <= sys.version_info[:2] < (3, 14))

$(DEV):
	@if ! grep -qsxF '$(CURDIR)' .venv/place; then \
	  for python in $(PYTHON) python3.12 python3.13 python3 none; do \
	    $$python -c '$(SUITS)' 2>/dev/null && break; \
	  done; \
	  if [ $$python = none ]; then \
	    echo 'CLARITY needs Python 3.11, 3.12 or 3.13, and none was found. Install one, or say make PYTHON=/path/to/it' >&2; exit 1; \
	  fi; \
	  [ $$python = '$(PYTHON)' ] || echo "setup: $(PYTHON) does not run here; using $$python instead"; \
	  echo "setup: making .venv with $$($$python --version)"; \
	  $$python -m venv --clear .venv; echo '$(CURDIR)' > .venv/place; \
	fi
	@echo 'setup: installing the dependencies (the first time some 150 MB, about a minute)'
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@rm -f .venv/dev-* .venv/bench-*; touch $@; echo 'setup: done'

$(BENCH): $(DEV)
	@echo 'setup: installing what the benchmarks compare with'
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev,bench]'
	@touch $@

# ---- what protos/ generates ------------------------------------------------------------------------------------------

# $(1) is where to write. Only files with a service get gRPC stubs; mypy_grpc types them, protoc itself types messages.
define stubs
mkdir -p $(1) \
&& $(BIN)/python -m grpc_tools.protoc -I protos -I build/googleapis \
     --python_out=$(1) --pyi_out=$(1) $(PROTOS) \
&& $(BIN)/python -m grpc_tools.protoc -I protos -I build/googleapis --plugin=$(BIN)/protoc-gen-mypy_grpc \
     --grpc_python_out=$(1) --mypy_grpc_out=quiet:$(1) $(SERVICES)
endef

build/googleapis/.stamp: $(DEV)
	@rm -rf build/googleapis && mkdir -p build/googleapis/google
	@site=$$($(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))'); \
	  for part in api rpc type; do \
	    mkdir build/googleapis/google/$$part && cp "$$site"/google/$$part/*.proto build/googleapis/google/$$part/; \
	  done
	@touch $@

build/stubs.stamp: $(PROTOS) build/googleapis/.stamp
	@rm -rf build/stubs; $(call stubs,build/stubs)
	@rm -f clients/python/clarity/v1/*_pb2*; cp build/stubs/clarity/v1/* clients/python/clarity/v1/
	@touch $@

# With its imports, google/rpc/error_details.proto among them: without it Envoy answers errors with an empty body.
$(SET): $(PROTOS) buf.yaml build/googleapis/.stamp
	@$(BIN)/buf build protos -o $@
