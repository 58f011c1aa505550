# The five words: up, test, lint, bench, down. `make help` explains each.
SHELL := /bin/bash
.DEFAULT_GOAL := help

# uv comes from PATH, or into a venv of its own beside the cache; it then makes .venv from uv.lock.
CACHE := $(or $(OPSJOBS_CACHE),$(HOME)/.cache/opsjobs)
UV := $(or $(shell command -v uv 2>/dev/null),$(CACHE)/uv/bin/uv)
RUN := $(UV) run --frozen

# make test K=addon runs only the tests whose names match.
K ?=
SELECT := $(if $(K),-k '$(K)',)

# Python keeps what it compiled, also where the machine says that it must not: every test starts processes.
export PYTHONDONTWRITEBYTECODE :=
export PYTHONPYCACHEPREFIX := $(CURDIR)/build/pycache

.PHONY: help up down test test-long unit lint bench image release render setup

help: ## Explain each word
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

setup: $(UV) ## The Python environment, exactly as uv.lock says
	@$(UV) sync --frozen --quiet

$(UV):
	@command -v python3 >/dev/null || { apt-get update -q && apt-get install -qy python3; }
	@python3 -m venv $(CACHE)/uv 2>/dev/null || { apt-get update -q && apt-get install -qy python3-venv && python3 -m venv $(CACHE)/uv; }
	@$(CACHE)/uv/bin/pip install --quiet uv

up: setup ## A real cluster, OpsJobs on it, and a first job through it
	@$(RUN) python -m local_cluster up

down: setup ## Remove all that `make up` made (the cache of built binaries stays)
	@$(RUN) python -m local_cluster down

unit: setup ## The quick loop: pure logic and the embedded store, no cluster, under a minute
	@$(RUN) pytest tests/unit tests/golden -n 2 -m 'not e2e and not slow and not programs' --hypothesis-profile quick $(SELECT)

test: setup ## Everything, on the real cluster (K=addon: only tests whose names match)
	@$(RUN) python -m tests.run $(SELECT) $(if $(DURATIONS),--durations $(DURATIONS),)

test-long: setup ## What takes longer than `make test` may
	@$(RUN) python -m tests.run --long $(SELECT) $(if $(DURATIONS),--durations $(DURATIONS),)

lint: setup ## ruff, mypy, import-linter, rendered files current, the API unbroken, chart lint, known vulnerabilities
	@$(RUN) ruff check .
	@$(RUN) ruff format --check .
	@$(RUN) mypy
	@$(RUN) lint-imports
	@$(RUN) python -m workflow_templates.render --check
	@$(RUN) python -m service.openapi_file --check
	@$(RUN) python -m local_cluster.value_table --check
	@$(RUN) openapi-spec-validator docs/openapi.json
	@$(RUN) python -m local_cluster api-lint
	@$(RUN) python -m local_cluster chart-lint
	@$(UV) audit --frozen --quiet; status=$$?; if [ $$status -eq 2 ]; then \
	  echo "uv audit cannot reach osv.dev: dependencies were NOT audited (docs/security.md)"; else exit $$status; fi

bench: setup ## Measure: make bench ONLY=list runs one part (RECORDS=1000000: with so many)
	@$(RUN) python -m tests.bench $(if $(ONLY),--only $(ONLY),) $(if $(RECORDS),--records $(RECORDS),)

image: setup ## Rebuild the product image and roll it out on the local cluster
	@$(RUN) python -m local_cluster image

release: setup ## What a release hands out, with checksums, in build/release
	@$(RUN) python -m local_cluster.release

render: setup ## Write what is rendered from code: the chart's WorkflowTemplates and values, docs/openapi.json
	@$(RUN) python -m workflow_templates.render
	@$(RUN) python -m service.openapi_file
	@$(RUN) python -m local_cluster.value_table
