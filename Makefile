.DEFAULT_GOAL := help
python := .venv/bin/python

.PHONY: help run test coverage check format requirements vulnerabilities sbom fuzz

help:  ## show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-16s %s\n", $$1, $$2}'

run:  ## start the service and its embedded emulator
	./startup.sh

test:  ## run the whole test suite
	./startup.sh test

coverage:  ## run it, and see that it reaches 95 % of all branches
	./startup.sh test --cov --cov-report=term --cov-fail-under=95

check:  ## lint, types, import rules, container files, template
	$(python) -m ruff check .
	$(python) -m ruff format --check .
	$(python) -m mypy
	.venv/bin/lint-imports --no-logo
	$(python) -m check_jsonschema --builtin-schema vendor.compose-spec docker-compose.yml
	.venv/bin/cfn-lint deploy/template.yaml
	.venv/bin/hadolint deploy/Dockerfile

format:  ## format the code
	$(python) -m ruff check --fix .
	$(python) -m ruff format .

vulnerabilities:  ## look for known holes in what is pinned
	$(python) .ci/vulnerabilities.py

sbom:  ## write build/sbom.json: what the service consists of
	mkdir -p build
	$(python) -W ignore -m cyclonedx_py requirements requirements.txt --pyproject pyproject.toml --output-reproducible --output-file build/sbom.json

fuzz:  ## fuzz the service for two hours
	$(python) -m tests.fuzz.schemathesis_run --seeds 12 --seconds 600

# Needs uv (pip install uv). One resolution for all four files, so that they never disagree.
compile := uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --custom-compile-command "make requirements"
requirements:  ## pin the dependencies of pyproject.toml again, newest first
	$(compile) --upgrade --all-extras pyproject.toml --output-file requirements-dev.txt
	$(compile) --constraints requirements-dev.txt --extra local --extra cli pyproject.toml --output-file requirements-local.txt
	$(compile) --constraints requirements-dev.txt --extra tracing pyproject.toml --output-file requirements-tracing.txt
	$(compile) --constraints requirements-dev.txt pyproject.toml --output-file requirements.txt
