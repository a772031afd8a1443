# Every target does its own set-up: Python 3.11 or newer, pip and make are all it needs.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
AUDIT := .venv-audit
# What make runs is on a machine of its own, also with a DATABASE_URL and REDIS_URL that are given (.env.example).
export LOCAL := 1
export PIP_DISABLE_PIP_VERSION_CHECK := 1
# Compiled once, and not by each of the 200 processes that the tests start, whatever this machine prefers.
export PYTHONDONTWRITEBYTECODE :=
# PyTorch's CPU index: pip's default index may have torch's CUDA build alone, of several gigabytes.
TORCH_INDEX ?=
# Whatever an index serves is refused unless its SHA-256 is one of those in requirements/.
INSTALL := python -m pip install -q --require-hashes
COMPILE = $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
  --custom-compile-command "make pins"
TYPESCRIPT := tests/javascript/node_modules
# A commit from before `make lint` looked at subjects.
SUBJECTS_SINCE := 6b3f89c
# Complete Kubernetes manifests: not what only kustomize reads.
MANIFESTS := $(filter-out %/kustomization.yaml,$(wildcard deploy/k8s/base/*.yaml)) deploy/k8s/overlays/example/egress.yaml

.DEFAULT_GOAL := help
.PHONY: help demo test test-slow weights lint lint-scripts lint-deploy types unit bench audit pins clean

help: ## Show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

demo: weights ## Run a demo study: embedded servers, web, scorer, workers and beat, one URL (PORT=8000, SELFIES=150)
	@$(BIN)/python manage.py serve_demo $(if $(PORT),--port $(PORT)) $(if $(SELFIES),--selfies $(SELFIES))

# The checks run beside the tests.
test: $(VENV)/.dev $(AUDIT)/.done ## Everything that continuous integration runs
	@$(MAKE) --no-print-directory --jobs 2 unit checks

.PHONY: checks
checks: lint types audit

unit: weights $(VENV)/.dev chromium promtool ## The tests
	$(BIN)/python manage.py makemigrations --check --dry-run
	$(BIN)/python -m pytest --numprocesses 3 --dist loadfile --no-loadscope-reorder --durations 20

# The whole loop with the published layers; every kill at every single step, and the published recipe too; more grades
# while the version before is replaced.
test-slow: weights $(VENV)/.dev ## What takes long: fit the published layers, kill jobs at every step, upgrade
	LAYERS="as published" $(BIN)/python -m pytest tests/test_whole_loop.py
	KILL_JOBS="at every step" $(BIN)/python -m pytest tests/faults/test_killed_jobs.py
	$(BIN)/python -m benchmarks.reliability.upgrade

# The pretrained weights, fetched and converted once.
weights: $(VENV)/.run
	@$(BIN)/python manage.py fetch_weights

lint: $(VENV)/.dev lint-scripts lint-deploy ## Style and common mistakes: Python, scripts, templates, spelling, deployment
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/djlint --lint --quiet templates
	$(BIN)/codespell
	$(BIN)/pre-commit validate-config
	@git log --format=%s $(SUBJECTS_SINCE).. 2>/dev/null | \
	  awk 'length >= 72 { print "A subject of 72 characters or more: " $$0; found = 1 } END { exit found }'

# The scripts' types, from their JSDoc.
lint-scripts: $(TYPESCRIPT)/.package-lock.json
	$(BIN)/node $(TYPESCRIPT)/.bin/tsc --project tests/javascript

$(TYPESCRIPT)/.package-lock.json: tests/javascript/package-lock.json | $(VENV)/.run
	$(BIN)/npm ci --silent --ignore-scripts --prefix tests/javascript

# Dockerfile, compose file, Kubernetes manifests and CITATION.cff against their schemas.
lint-deploy: $(VENV)/.dev
	$(BIN)/hadolint Dockerfile
	$(BIN)/check-jsonschema --quiet --builtin-schema vendor.citation-file-format CITATION.cff
	$(BIN)/check-jsonschema --quiet --builtin-schema vendor.compose-spec docker-compose.yml
	$(BIN)/kubernetes-validate --kubernetes-version 1.31 --strict --quiet --no-warn $(MANIFESTS)

types: $(VENV)/.dev ## mypy --strict
	$(BIN)/python -m tests.servers mypy labeler scoring training demo tests benchmarks manage.py

bench: weights $(VENV)/.dev $(if $(filter grading.next_image reliability.faults,$(NAME)),chromium) ## Measure NAME=..., with ARGS="..."; without a NAME, list what there is
	@$(BIN)/python -m $(if $(NAME),benchmarks.$(NAME) $(ARGS),benchmarks)

audit: $(AUDIT)/.done $(VENV)/.dev ## Known holes, licences, risky calls, secrets, and a list of components (SBOM)
	@$(AUDIT)/bin/python deploy/audit.py

pins: $(VENV)/.dev ## Pin what requirements/*.in name, with hashes; UPGRADE=name (or all) for newer versions
	cd requirements && for name in run torch torch-cuda dev audit; do \
	  ../$(COMPILE) $(if $(filter all,$(UPGRADE)),--upgrade,$(UPGRADE:%=--upgrade-package %)) $$name.in -o $$name.txt || exit 1; \
	done

clean: ## Remove what can be made again (not the data in var/)
	rm -rf $(VENV) $(AUDIT) .mypy_cache .ruff_cache .pytest_cache

# A stamp is as new as the requirements it was made from.
$(VENV)/.run: requirements/run.txt | $(VENV)
	$(BIN)/$(INSTALL) -r requirements/run.txt
	@touch $@

$(VENV)/.torch: requirements/torch.txt requirements/torch-cpu.txt requirements/torch-cuda.txt $(VENV)/.run
	$(BIN)/$(INSTALL) -r requirements/torch.txt
	$(BIN)/$(INSTALL) --no-deps $(if $(TORCH_INDEX),--index-url $(TORCH_INDEX)) -r requirements/torch-cpu.txt \
	  $(if $(TORCH_INDEX),,|| { echo "pip's index has no CPU build of torch (TORCH_INDEX names another): taking CUDA's, of several gigabytes."; \
	    $(BIN)/$(INSTALL) -r requirements/torch-cuda.txt; })
	@touch $@

$(VENV)/.dev: requirements/dev.txt $(VENV)/.torch
	$(BIN)/$(INSTALL) -r requirements/dev.txt
	@touch $@

$(VENV):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is needed; $(PYTHON) is older. Try: make PYTHON=python3.11 ..." >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) || \
	  { rm -rf $(VENV); echo "Python's venv module is missing: install your system's python3-venv package." >&2; exit 1; }

$(AUDIT)/.done: requirements/audit.txt
	@$(PYTHON) -m venv $(AUDIT)
	$(AUDIT)/bin/$(INSTALL) -r requirements/audit.txt
	@touch $@

.PHONY: chromium
chromium:
	@deploy/install-chromium

.PHONY: promtool
promtool: $(VENV)/.dev
	@deploy/install-promtool $(BIN)/promtool
