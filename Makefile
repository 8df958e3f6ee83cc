# The two commands of the README, written for GNU make 3.81 (the one macOS carries) and later.
# Variables given on the command line reach the scripts through the environment: PORT, DEMO, PYTHON.
.DEFAULT_GOAL := help
.PHONY: help up test

VENV := .venv/bin
ifdef DEMO
export READINESS_DEMO := $(DEMO)
endif

help:
	@echo "make up      install and run everything on this machine; Ctrl-C stops it"
	@echo "             PORT=9000 serves on another port, DEMO=0 leaves the demo project out,"
	@echo "             PYTHON=python3.12 chooses the Python"
	@echo "make test    lint, types, floors and the whole suite that needs no system package"
	@echo "             PYTEST_ARGS='tests/limits -x' runs a part of it"

up:
	@python=$$(sh deploy/local/python.sh) && "$$python" deploy/local/install.py requirements/local.txt
	@exec $(VENV)/python -m deploy.local

# Nobody's .env is needed, or read, by the checks; the tests set the rest in tests/conftest.py.
test: export READINESS_SECRET_KEY := tests-only
test: export READINESS_ENCRYPTION_KEYS := tests-only
test: export DATABASE_URL := sqlite://:memory:
test:
	@python=$$(sh deploy/local/python.sh) && "$$python" deploy/local/install.py requirements/test.txt
	$(VENV)/ruff check .
	$(VENV)/ruff format --check .
	$(VENV)/mypy
	$(VENV)/lint-imports
	$(VENV)/python manage.py makemigrations --check --dry-run
	$(VENV)/pytest -n 2 -m "not browser" $(PYTEST_ARGS)
