# Everything is set up on first use. A checkout that cannot be written to keeps its environment elsewhere.
PYTHON ?= python3
WORK ?= $(shell if [ -w . ]; then echo .; else echo "$${TMPDIR:-/tmp}/commit-digest-$$(id -u)"; fi)
VENV ?= $(WORK)/.venv
BIN := $(VENV)/bin
RUNS := $(VENV)/.runs
INSTALLED := $(VENV)/.installed
DEMO_REPO ?= .
DEMO_OUT ?= $(WORK)/demo
DEMO_ENV = DIGEST_DATABASE="$(DEMO_OUT)/digest.db" DIGEST_CLONES="$(DEMO_OUT)/clones"

# Two processes a core: many tests wait for another process.
PARALLEL := -n 4 --dist worksteal

# Hundreds of tests start the program, which would be compiled each time without its bytecode.
test stress: export PYTHONDONTWRITEBYTECODE :=

.DEFAULT_GOAL := help
.PHONY: help setup demo test check stress bench eval fmt lock release pictures

# Made from the `##` behind each target.
help: ## Show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-9s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

VENV_MADE = @$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or later is needed: make PYTHON=python3.12 …")' \
	&& mkdir -p "$(WORK)" && $(PYTHON) -m venv "$(VENV)"
PIP = $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

# What the program needs is installed within a minute; what checks and tests need besides takes another.
$(RUNS): pyproject.toml constraints.txt
	$(VENV_MADE)
	$(PIP) -e .
	@touch $@

$(INSTALLED): pyproject.toml constraints.txt
	$(VENV_MADE)
	$(PIP) -e '.[dev]'
	@touch $@ $(RUNS)

setup: $(INSTALLED) ## Create the virtual environment (everything else does so if needed)

demo: $(RUNS) ## Show a digest of this repository, or of DEMO_REPO=/path, a URL or owner/name
	@mkdir -p "$(DEMO_OUT)"
	@$(DEMO_ENV) $(BIN)/digest latest "$(DEMO_REPO)"
	@$(DEMO_ENV) $(BIN)/digest report "$(DEMO_REPO)" --date latest -o "$(DEMO_OUT)/report.md"
	@$(DEMO_ENV) $(BIN)/digest report "$(DEMO_REPO)" --date latest --lang zh -o "$(DEMO_OUT)/report.zh.md"
	@$(DEMO_ENV) $(BIN)/digest report "$(DEMO_REPO)" --date latest --format html -o "$(DEMO_OUT)/report.html"
	@$(DEMO_ENV) $(BIN)/digest report "$(DEMO_REPO)" --date latest --format json -o "$(DEMO_OUT)/report.json"
	@sha=$$($(BIN)/python tests/first_sha.py "$(DEMO_OUT)/report.json") && \
	printf '\n$$ digest %s\n\n' "$$sha" && $(DEMO_ENV) $(BIN)/digest "$$sha" --repo "$(DEMO_REPO)"
	@printf '\nThe full reports: %s\n' "$(DEMO_OUT)/report.md report.zh.md report.html report.json"

test: $(INSTALLED) ## Run all tests
	$(BIN)/python -m pytest -q $(PARALLEL) -o cache_dir="$(VENV)/cache/pytest"

check: $(INSTALLED) ## Check formatting, wording, types, imports and dependencies
	$(BIN)/python docs/style.py
	$(BIN)/ruff check --cache-dir "$(VENV)/cache/ruff" .
	$(BIN)/ruff format --check --cache-dir "$(VENV)/cache/ruff" .
	$(BIN)/mypy --cache-dir "$(VENV)/cache/mypy"
	$(BIN)/lint-imports --cache-dir "$(VENV)/cache/import-linter"
	$(BIN)/deptry .
	$(BIN)/deptry tests tests/bench tests/eval docs --exclude '\.venv' --ignore DEP002,DEP004

stress: $(INSTALLED) ## Run all tests with thousands of examples for each property: takes a long time
	STRESS=1 $(BIN)/python -m pytest -q $(PARALLEL) -o cache_dir="$(VENV)/cache/pytest"

bench: $(INSTALLED) ## Measure speed and memory against their limits: takes many minutes
	$(BIN)/python tests/bench/run.py

# GRADED=commits.jsonl.gz (commits that maintainers graded) and REPO=path DATE=2026-01-26 (a real day), with MODEL=rules,
# live or recorded (RECORD=answers.jsonl); COMPARE="a.json b.json" shows two runs together.
eval: $(INSTALLED) ## Measure grades, a model or a prompt (docs/triage.md)
	@$(BIN)/python tests/eval/run.py --out "$(WORK)/build/eval.json" $(if $(OUT),--out "$(OUT)") \
		$(if $(GRADED),--graded "$(GRADED)") $(if $(PAGES),--pages $(PAGES)) $(if $(ROUNDS),--rounds $(ROUNDS)) \
		$(if $(REPO),--repo "$(REPO)") $(if $(DATE),--date $(DATE)) $(if $(ZONE),--zone $(ZONE)) \
		$(if $(ANSWERS_IN),--lang $(ANSWERS_IN)) $(if $(MODEL),--model $(MODEL)) $(if $(RECORD),--record "$(RECORD)") \
		$(if $(PRICE_IN),--price-in $(PRICE_IN)) $(if $(PRICE_OUT),--price-out $(PRICE_OUT)) \
		$(if $(COMPARE),--compare $(COMPARE))

PICTURED := 2026-11-27
pictures: $(INSTALLED) ## Redraw the pictures of the docs from the program's real output
	$(BIN)/python docs/picture.py . $(PICTURED) docs/digest.svg
	DIGEST_DATABASE="$(DEMO_OUT)/pictures.db" DIGEST_ZONE=UTC $(BIN)/digest report . --date $(PICTURED) --format html -o docs/report.html
	$(BIN)/python docs/slack_picture.py
	$(BIN)/python docs/analysis_picture.py
	$(BIN)/python docs/feishu_picture.py
	$(BIN)/python docs/layers.py

fmt: $(INSTALLED) ## Format the code
	$(BIN)/ruff check --fix-only --cache-dir "$(VENV)/cache/ruff" .
	$(BIN)/ruff format --cache-dir "$(VENV)/cache/ruff" .

# The locks with hashes, from the ranges in pyproject.toml and the versions in constraints.txt: what everybody needs, and
# the same with the driver for PostgreSQL. Needs uv.
LOCKED = uv pip compile pyproject.toml -c constraints.txt --universal --generate-hashes --python-version 3.11 --no-header \
	--no-annotate --quiet
lock: ## Write the locked requirements; needs uv
	$(LOCKED) -o requirements.lock
	$(LOCKED) --extra postgres -o requirements-postgres.lock

# Wheel and sdist in build/release/dist, checked by twine, and the wheel tried in a fresh environment. Uploads nothing.
RELEASE = $(shell $(PYTHON) -c 'import os, sys; print(os.path.abspath(sys.argv[1]))' "$(WORK)")/build/release
FRESH = DIGEST_DATABASE="$(RELEASE)/digest.db" DIGEST_CLONES="$(RELEASE)/clones" PYTHONPATH=
release: ## Build wheel and sdist and try them; uploads nothing
	rm -rf "$(RELEASE)"
	@mkdir -p "$(RELEASE)"
	$(PYTHON) -m venv "$(RELEASE)/tools"
	"$(RELEASE)/tools/bin/pip" install --quiet --disable-pip-version-check -c constraints.txt build twine
	"$(RELEASE)/tools/bin/python" -m build --outdir "$(RELEASE)/dist" .
	"$(RELEASE)/tools/bin/twine" check --strict "$(RELEASE)"/dist/*
	$(PYTHON) -m venv "$(RELEASE)/fresh"
	"$(RELEASE)/fresh/bin/pip" install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	"$(RELEASE)/fresh/bin/pip" install --quiet --disable-pip-version-check --no-deps "$(RELEASE)"/dist/*.whl
	cd "$(RELEASE)" && $(FRESH) fresh/bin/digest --version
	cd "$(RELEASE)" && $(FRESH) fresh/bin/digest doctor
	$(FRESH) "$(RELEASE)/fresh/bin/digest" latest "$(DEMO_REPO)" >"$(RELEASE)/latest.txt"
	@printf '\nMade and tried:\n' && ls -l "$(RELEASE)"/dist/*
