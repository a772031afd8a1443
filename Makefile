# Every target does its own set-up: Python 3.11 or newer, pip and make are all it needs.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
AUDIT := .venv-audit
# What make runs is on a machine of its own, also with a DATABASE_URL and REDIS_URL that are given (.env.example).
export LOCAL := 1
export PIP_DISABLE_PIP_VERSION_CHECK := 1
# Where pip's default index would bring a CUDA build of torch, name PyTorch's CPU index here.
TORCH_INDEX ?=
# Complete Kubernetes manifests: not what only kustomize reads.
MANIFESTS := $(filter-out %/kustomization.yaml,$(wildcard deploy/k8s/base/*.yaml)) deploy/k8s/overlays/example/egress.yaml

.DEFAULT_GOAL := help
.PHONY: help demo test weights lint lint-deploy types unit audit pins clean bench-page bench-server bench-plans bench-oversight bench-prescreening bench-detection bench-dealing bench-million bench-features bench-scoring bench-retrain bench-faults bench-ledger bench-load bench-memory bench-workers bench-sizes rehearse-upgrade kill-jobs

help: ## Show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-16s %s\n", $$1, $$2}'

demo: weights ## Run a demo study: embedded servers, web, scorer, workers and beat, one URL (PORT=8000)
	@$(BIN)/python manage.py serve_demo $(if $(PORT),--port $(PORT))

test: lint lint-deploy types unit audit ## Everything that continuous integration runs

unit: weights $(VENV)/.dev chromium promtool
	$(BIN)/python manage.py makemigrations --check --dry-run
	$(BIN)/python -m pytest --numprocesses 3 --dist loadfile --no-loadscope-reorder

weights: $(VENV)/.run ## Fetch and convert the pretrained weights, once
	@$(BIN)/python manage.py fetch_weights

lint: $(VENV)/.dev ## ruff: style and common mistakes
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

lint-deploy: $(VENV)/.dev ## Dockerfile, compose file and Kubernetes manifests against their schemas
	$(BIN)/hadolint Dockerfile
	$(BIN)/check-jsonschema --quiet --builtin-schema vendor.compose-spec docker-compose.yml
	$(BIN)/kubernetes-validate --kubernetes-version 1.31 --strict --quiet --no-warn $(MANIFESTS)

types: $(VENV)/.dev ## mypy --strict
	$(BIN)/python -m tests.servers mypy labeler scoring training demo tests benchmarks manage.py

bench-page: $(VENV)/.dev chromium ## Measure key to next image in a browser, with and without fetching ahead
	$(BIN)/python -m benchmarks.grading_page

bench-server: $(VENV)/.dev ## Measure saving a grade and getting the next, beside Label Studio (installs it)
	$(BIN)/python -m benchmarks.grading_server

bench-load: $(VENV)/.dev ## Let 200 readers grade, beside Label Studio (installs it); 4 and 16 times as many; slow clients
	$(BIN)/python -m benchmarks.load
	$(BIN)/python -m benchmarks.slow_clients

bench-memory: $(VENV)/.dev ## Watch every process' memory for an hour of grading
	$(BIN)/python -m benchmarks.memory

bench-plans: $(VENV)/.dev ## Show how the database answers readers at 1,000,000 assignments
	$(BIN)/python -m benchmarks.query_plans

bench-detection: $(VENV)/.dev ## Measure finding faces on a small copy against the published full size
	$(BIN)/python -m benchmarks.detection

bench-features: $(VENV)/.dev ## Measure embedding beside plain torch and the machine's sgemm, and reading stored embeddings
	$(BIN)/python -m benchmarks.features
	$(BIN)/python -m benchmarks.feature_store

bench-oversight: $(VENV)/.dev ## Measure the pages of oversight at 1,000,000 labels
	$(BIN)/python -m benchmarks.oversight

bench-ledger: $(VENV)/.dev ## Measure the audit log, sealing and verifying at 1,000,000 acts
	$(BIN)/python -m benchmarks.ledger

bench-prescreening: $(VENV)/.dev ## Measure the pages of prescreening and near-duplicates at 1,000,000 images
	$(BIN)/python -m benchmarks.prescreening

bench-million: $(VENV)/.dev ## Run a study of 1,000,000 images and 300 readers by command
	$(BIN)/python -m benchmarks.million

bench-dealing: $(VENV)/.dev ## Deal 1,000,000 images to 300 readers
	$(BIN)/python -m benchmarks.dealing

bench-scoring: $(VENV)/.dev ## Measure one 12-megapixel selfie against the published way, overload, slow clients and memory
	$(BIN)/python -m benchmarks.scoring

bench-faults: $(VENV)/.dev chromium ## Harm everything while readers and browsers grade; what is acknowledged must be kept, once
	$(BIN)/python -m benchmarks.faults

bench-workers: weights $(VENV)/.dev ## Measure one, two and four workers that share the embedding of a study's photographs
	$(BIN)/python -m benchmarks.workers

bench-sizes: $(VENV)/.dev ## Measure the bytes of an image in each table, its indexes and its files
	$(BIN)/python -m benchmarks.sizes

rehearse-upgrade: $(VENV)/.dev ## Let readers grade on an older version while this one replaces it (FROM=tag or commit)
	$(BIN)/python -m benchmarks.upgrade $(if $(FROM),--from $(FROM))

kill-jobs: weights $(VENV)/.dev ## Kill retraining, imports, erasures and apps' jobs at every single step; each must end as if nothing had happened
	KILL_JOBS="at every step" $(BIN)/python -m pytest tests/faults/test_killed_jobs.py

bench-retrain: $(VENV)/.dev ## Measure a nightly run beside scikit-learn's fits, a million rows, and recipes on acne painted otherwise
	$(BIN)/python -m benchmarks.retrain
	$(BIN)/python -m benchmarks.retrain --images 4470 --without-mlp
	$(BIN)/python -m benchmarks.retrain --rows 1000000
	$(BIN)/python -m benchmarks.recipes

audit: $(AUDIT)/.done ## Known holes, risky calls, secrets, and a list of components (SBOM); says what needs a network
	@$(AUDIT)/bin/python deploy/audit.py

pins: $(VENV)/.dev ## Write requirements*.txt anew from what is installed
	@$(BIN)/python -m pip freeze --exclude torch --exclude acne-study > requirements-all.tmp
	@$(BIN)/python deploy/pins.py requirements-all.tmp && rm requirements-all.tmp

clean: ## Remove what can be made again (not the data in var/)
	rm -rf $(VENV) $(AUDIT) .mypy_cache .ruff_cache .pytest_cache

# A stamp is as new as the requirements it was made from.
$(VENV)/.run: requirements.txt requirements-torch.txt | $(VENV)
	$(BIN)/python -m pip install -q $(if $(TORCH_INDEX),--index-url $(TORCH_INDEX)) -r requirements-torch.txt
	$(BIN)/python -m pip install -q -r requirements.txt
	@touch $@

$(VENV)/.dev: requirements-dev.txt $(VENV)/.run
	$(BIN)/python -m pip install -q -r requirements-dev.txt
	@touch $@

$(VENV):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is needed; $(PYTHON) is older. Try: make PYTHON=python3.11 ..." >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) || \
	  { rm -rf $(VENV); echo "Python's venv module is missing: install your system's python3-venv package." >&2; exit 1; }

$(AUDIT)/.done: requirements-audit.txt
	@$(PYTHON) -m venv $(AUDIT)
	$(AUDIT)/bin/python -m pip install -q -r requirements-audit.txt
	@touch $@

.PHONY: chromium
chromium:
	@deploy/install-chromium

.PHONY: promtool
promtool: $(VENV)/.dev
	@deploy/install-promtool $(BIN)/promtool
