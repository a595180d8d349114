# Every target prepares what it needs by itself; `make run` is all that a new machine needs.
#   make run                      set up and open the window; where there is no display, run the demo
#   make run PYTHON=/path/python  use that interpreter's environment as it is; its torch is never replaced
SHELL := /bin/bash
.PHONY: run demo test steady coverage lint screenshots clean

# Tests start many processes: each would compile the sources anew where this is set.
unexport PYTHONDONTWRITEBYTECODE

ifdef PYTHON
python := $(PYTHON)
ready := build/ready$(subst /,-,$(PYTHON))
install = .ci/install $(PYTHON)
else
python := .venv/bin/python
ready := .venv/ready
# The first that the workbench runs on; python3 where none is, so that the message names it.
base = $(shell for p in python3 python3.13 python3.12 python3.11 python3; do \
	$$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null && break; done; echo $$p)
install = .ci/install $(base) .venv
endif
scripts = $(shell $(python) -c 'import sysconfig; print(sysconfig.get_path("scripts"))')

run: $(ready)
	$(scripts)/iterand-gui
	@echo
	@echo "Next: '$(scripts)/iterand-gui' opens the window, 'iterand train --preset quickstart' trains without it,"
	@echo "'iterand doctor' says what this machine can do, and README.md goes on from there."

demo: $(ready)
	$(scripts)/iterand demo

test: $(ready)
	QT_QPA_PLATFORM=offscreen $(python) -m pytest -n 2 --dist loadfile --no-loadscope-reorder --max-worker-restart 1

# The tests three times beside four busy processes: what fails here awaits too little.
steady: $(ready)
	.ci/steady $(python)

# In build/coverage: data that says which test runs which line, and pages.
coverage: $(ready)
	rm -rf build/coverage
	COVERAGE_FILE=$(CURDIR)/build/coverage/data COVERAGE_PROCESS_START=$(CURDIR)/pyproject.toml \
		QT_QPA_PLATFORM=offscreen $(python) -m pytest -n 2 --dist loadfile --no-loadscope-reorder --cov --cov-context=test \
		--cov-report=term:skip-covered --cov-report=html:build/coverage/html

lint: $(ready)
	$(python) -m ruff check .
	$(python) -m ruff format --check .
	$(python) -m mypy
	$(scripts)/lint-imports --no-logo --no-cache

screenshots: $(ready)
	$(python) -m benchmarks.screenshots

clean:
	rm -rf .venv build dist .pytest_cache .ruff_cache .mypy_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(ready): pyproject.toml .ci/install
	$(install)
	@mkdir -p $(dir $@) && touch $@
