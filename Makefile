# Two commands do everything on a machine with only Python 3.11: `make demo` and `make test`.
# Everything is installed into .venv, with the versions that constraints.txt pins.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SUBJECTS := .venv-subjects
PEERS := .peers
REPORT ?= report

.PHONY: help demo test lint wheel-test kill-matrix fuzz bench peers clean

help: ## Show what can be made
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

demo: $(VENV)/.installed ## Prove the reference gateway over three fake providers, all on loopback; leave a report
	$(BIN)/routeproof demo --report $(REPORT)

test: $(VENV)/.installed-dev $(SUBJECTS)/.installed wheel-test ## Run all tests, and the demo from the built wheel
	$(BIN)/python -m pytest -n 2 --dist loadgroup -m "not kill_matrix"

lint: $(VENV)/.installed-dev ## Format, lint, types, laws of import
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports
	$(BIN)/mypy
	$(BIN)/pyright

wheel-test: $(VENV)/.installed-dev ## Build the wheel, install it alone, and run the demo from it
	$(BIN)/python tests/wheel.py

kill-matrix: $(VENV)/.installed-dev ## Judge every wrong gateway, and every right but different one (many minutes)
	$(BIN)/python -m pytest -n 2 tests/mutants

fuzz: $(VENV)/.installed-dev ## Send the gateway 105,000 broken requests and answers (many minutes; SEED=1)
	$(BIN)/python -m tests.fuzz --seed $(or $(SEED),1)

bench: $(VENV)/.installed-dev ## Print the ratios that the documentation claims
	AIMOCK="$$(test -e $(PEERS)/.installed && echo $(PEERS)/node_modules/@copilotkit/aimock)" \
		$(BIN)/python benchmarks/providers.py
	$(BIN)/python benchmarks/provider_streams.py
	LITELLM="$$(test -e $(PEERS)/litellm/.installed && echo $(PEERS)/litellm/bin/litellm)" \
		$(BIN)/python benchmarks/gateway.py

peers: $(PEERS)/.installed $(PEERS)/litellm/.installed ## Install what `make bench` measures beside ours (needs npm and Python 3.12)

clean: ## Remove what was installed and made
	rm -rf $(VENV) $(SUBJECTS) $(PEERS) build dist $(REPORT)

# pip's own version comes first: dependency groups need 25.1, and machines carry older ones.
$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade 'pip>=25.1'

$(VENV)/.installed: $(VENV)/bin/python pyproject.toml constraints.txt
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable .
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --group dev
	@touch $@

# Fake providers that nobody here wrote, for the benchmarks alone.
$(PEERS)/.installed:
	npm install --silent --no-fund --no-audit --prefix $(PEERS) @copilotkit/aimock@1.43.0
	@touch $@

# LiteLLM's proxy, for the benchmarks alone. Its pinned dependencies want Python 3.12: PYTHON312 says where it is.
PYTHON312 ?= $(shell for each in python3.12 "$$HOME"/.pyenv/versions/3.12.*/bin/python3.12; do \
	"$$each" -c pass 2>/dev/null && echo "$$each" && break; done)
$(PEERS)/litellm/.installed:
	@test -n "$(PYTHON312)" || { echo "LiteLLM wants Python 3.12, and there is none: install it, or name it by PYTHON312=..." >&2; exit 1; }
	"$(PYTHON312)" -m venv $(PEERS)/litellm
	$(PEERS)/litellm/bin/python -m pip install --quiet 'litellm[proxy]==1.106.2'
	@touch $@

# Gateways that nobody here wrote, and that the suite judges. They are never dependencies of the project.
$(SUBJECTS)/.installed:
	$(PYTHON) -m venv $(SUBJECTS)
	$(SUBJECTS)/bin/python -m pip install --quiet rolter==0.1.0
	@touch $@
