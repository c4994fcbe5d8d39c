# Everything here works from nothing but Python 3.11 or newer, make and a network to the package registries.
.DEFAULT_GOAL := help
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
UV := $(shell command -v uv 2>/dev/null || echo $(BIN)/uv)
READY := $(VENV)/.ready

# `python -P`-like safety: the folder operator/ must never be importable as the standard library's module.
export PYTHONSAFEPATH := 1

.PHONY: help
help: ## Show the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  %-14s %s\n", $$1, $$2}'

$(READY): requirements-dev.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Cutover needs Python 3.11 or newer, $(PYTHON) is " + sys.version.split()[0] + "; name another with make PYTHON=…")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@command -v $(UV) >/dev/null 2>&1 || test -x $(UV) || $(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	@VIRTUAL_ENV=$(CURDIR)/$(VENV) $(UV) pip install --quiet --require-hashes -r requirements-dev.lock
	@VIRTUAL_ENV=$(CURDIR)/$(VENV) $(UV) pip install --quiet --no-deps --no-build-isolation -e .
	@touch $@

.PHONY: setup
setup: $(READY) ## Make .venv with the locked dependencies

.PHONY: lock
lock: ## Resolve the dependencies again into requirements*.lock
	$(UV) pip compile --quiet --universal --generate-hashes --no-header pyproject.toml -o requirements.lock
	$(UV) pip compile --quiet --universal --generate-hashes --no-header --group dev pyproject.toml -o requirements-dev.lock
	echo 'hatchling>=1.27' | $(UV) pip compile --quiet --universal --generate-hashes --no-header - -o requirements-build.lock

.PHONY: generate
generate: $(READY) ## Write what is generated from the code: CRD, chart's CRD, state diagram
	$(BIN)/python -m cutover.crd > crds/cutover.dev_migrationrollouts.yaml
	$(BIN)/python -m cutover.crd --chart > charts/cutover/templates/crd.yaml
	PYTHONPATH=. $(BIN)/python -m tests.docs --write

.PHONY: lint
lint: $(READY) ## ruff, mypy --strict, import-linter
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy operator tests
	$(BIN)/lint-imports

.PHONY: lab
lab: $(READY) ## Build the lab's parts into the cache (once per machine)
	@PYTHONPATH=. $(BIN)/python -m tests.lab build

.PHONY: test
test: lab ## Unit, sequence and feature tests, the latter on real API servers, gateway and Prometheus
	@$(BIN)/python -m pytest -n 4 --dist worksteal -m "not long" -q -rfER

.PHONY: test-long
test-long: lab ## The real limits: long runs, many kills, large simulations; Argo CD's own packages, a real istiod
	@PYTHONPATH=. $(BIN)/python -m tests.lab build argo-cd
	@$(BIN)/python -m pytest -n 2 -m "long" -q -rfER --ignore=tests/features/rollouts/test_istio.py
	@$(MAKE) --no-print-directory test-istio
	@PYTHONPATH=. $(BIN)/python -m tests.mutants

.PHONY: test-oldest
test-oldest: lab ## Admission, installation and the router on the oldest Kubernetes and Gateway API supported
	@PYTHONPATH=. $(BIN)/python -m tests.lab build kube-apiserver-oldest gateway-crds-oldest
	@CUTOVER_LAB_KUBE_APISERVER=$$(PYTHONPATH=. $(BIN)/python -m tests.lab build kube-apiserver-oldest | awk '{print $$2}') \
	  $(BIN)/python -m pytest -n 2 -q tests/features/admission tests/features/install tests/features/test_router.py -m "not long or oldest"

.PHONY: test-istio
test-istio: lab ## A VirtualService with a real istiod: weights, mirrors and whole rollouts with requests through its Envoy
	@PYTHONPATH=. $(BIN)/python -m tests.lab build istiod
	@$(BIN)/python -m pytest -q -rfER -m long tests/features/rollouts/test_istio.py

.PHONY: test-kind
test-kind: $(READY) ## The feature tests on two kind clusters, where a container engine exists
	@VIRTUAL_ENV=$(CURDIR)/$(VENV) $(UV) pip install --quiet -e '.[e2e]'
	@$(BIN)/python -m pytest --kind -m "kind" -q

.PHONY: mutants
mutants: $(READY) ## Break the decision and the judging some fifty times; the tests must notice
	@PYTHONPATH=. $(BIN)/python -m tests.mutants

.PHONY: demo
demo: lab ## The whole story on one screen
	@PYTHONPATH=. $(BIN)/python -m tests.lab.demo

.PHONY: bench
bench: lab ## Time from a breach to the last request on the target; 200 rollouts; cost per look
	@PYTHONPATH=. $(BIN)/python -m tests.bench

.PHONY: bench-judge
bench-judge: $(READY) ## Simulate whole plans: false rollbacks, completion, power
	@PYTHONPATH=. nice -n 15 $(BIN)/python -m tests.bench.characteristics
