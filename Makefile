# The two commands that matter: `make demo` and `make test`. Both set up what they need on a bare machine.

SHELL := /bin/bash
.DEFAULT_GOAL := help
CLUSTER ?= local
VENV := .venv
PY := $(VENV)/bin/python
READY := $(VENV)/.ready
# Two processes, each with a control plane of its own: these tests mostly wait.
PARALLEL := -n 2 --dist loadfile

.PHONY: help demo down test lint unit cluster-tests service-tests gateway-tests e2e bench images binaries generate lock clean

help: ## this list
	@awk -F':.*## ' '/^[a-z0-9-]+:.*## /{printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(READY) ## a real Kubernetes here, ragops on it, documents in, questions answered (CLUSTER=kind for kind)
	@$(PY) hack/demo up --cluster $(CLUSTER)

down: ## remove the demo cluster and all traces of it
	@$(if $(wildcard $(READY)),$(PY) hack/demo down --cluster $(CLUSTER),python3 hack/cluster down --name demo)

test: $(READY) ## everything that CI runs
	@$(PY) hack/phases binaries lint unit service-tests gateway-tests cluster-tests e2e

lint: $(READY) binaries ## style, types, layers, generated files, policy of chart and manifests
	@hack/lint

unit: $(READY) binaries ## pure functions: seconds
	@$(VENV)/bin/pytest $(PARALLEL) tests/unit tests/conformance/test_decide.py

service-tests: $(READY) ## the data plane against a real PostgreSQL and the real model
	@$(VENV)/bin/pytest tests/services

gateway-tests: $(READY) ## the gateway's HAProxy and agent against real backends, without a cluster
	@hack/haproxy
	@$(VENV)/bin/pytest $(PARALLEL) tests/gateway

cluster-tests: $(READY) binaries ## the API and the operator against a real control plane with fake pods
	@$(VENV)/bin/pytest $(PARALLEL) tests/cluster -m "not node"
	@$(VENV)/bin/pytest tests/conformance/test_operator.py

e2e: $(READY) binaries ## everything on a real kubelet; needs root
	@images/build operator services postgres haproxy
	@$(VENV)/bin/pytest tests/cluster -m node
	@$(VENV)/bin/pytest tests/e2e

bench: $(READY) binaries ## all figures of docs/benchmarks.md: half an hour, on a machine that is idle otherwise
	@$(PY) hack/bench

binaries: $(READY) ## Kubernetes and tools from their Go modules, into the cache: once, 15 to 20 minutes
	@$(PY) hack/cluster binaries >/dev/null

images: ## build all images with docker or buildah
	@images/build all

generate: $(READY) binaries ## CRD, chart copies, manifests and reference from the models
	@$(PY) hack/generate
	@$(PY) hack/policy manifests

lock: $(READY) ## pin all dependencies anew
	@hack/lock

$(READY): pyproject.toml requirements.txt hack/setup
	@hack/setup $(VENV)
	@touch $@

clean: ## remove the virtual environment and caches in the checkout
	@rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
