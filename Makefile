# Run, test and build Deskwire. Needs Python 3.11 or newer; uses Node 20 or newer if it is installed.

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help run watch test campaign bench lint hooks generate catalog lock clean distclean

help:
	@echo "make run        a demo desk on http://127.0.0.1:8000, kept busy by simulated people"
	@echo "make watch      the demo, restarted and rebuilt as you edit"
	@echo "make test       every test (ARGS='tests/unit/test_hub.py' or ARGS='-k door' chooses)"
	@echo "make campaign   tests too slow for every run (NAME=kills; without NAME: the list)"
	@echo "make bench      measure this machine (ARGS='--against COMMIT door' compares two commits)"
	@echo "make lint       style, types, generated files"
	@echo "make hooks      run the parts of lint before each commit"
	@echo "make generate   write derived files: event types and docs, the folder map"
	@echo "make catalog    collect the texts people read, and bring every translation up to date"
	@echo "make lock       resolve the dependencies again (needs uv; UPGRADE=1 for newer ones)"
	@echo "make clean      remove the demo's data, build outputs and caches; keeps .venv and data/"
	@echo "make distclean  also .venv and node_modules"

# `exec` replaces the shell, so that Ctrl-C and SIGTERM reach the demo itself.
run:
	@scripts/set_up run
	@exec .venv/bin/deskwire demo

watch:
	@scripts/set_up dev
	@exec .venv/bin/python scripts/watch.py

test:
	@scripts/set_up test $(ARGS)
	@exec .venv/bin/python scripts/run_tests.py $(ARGS)

campaign:
	@scripts/set_up dev
	@exec .venv/bin/python scripts/run_campaign.py $(NAME)

bench:
	@scripts/set_up dev
	@exec .venv/bin/python -m bench $(ARGS)

lint:
	@scripts/set_up dev
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy
	@scripts/set_up npm check
	.venv/bin/python -m deskwire.events.types.generate --check
	.venv/bin/python scripts/folder_map.py --check
	.venv/bin/python scripts/extract_messages.py --check

hooks:
	@scripts/set_up dev
	.venv/bin/pre-commit install

generate:
	@scripts/set_up dev
	.venv/bin/python -m deskwire.events.types.generate
	.venv/bin/python scripts/folder_map.py

catalog:
	@scripts/set_up dev
	.venv/bin/python scripts/extract_messages.py

lock:
	@scripts/lock.sh

clean:
	rm -rf .demo build dist .stamps .pytest_cache .mypy_cache .ruff_cache .hypothesis
	rm -rf frontend/build src/deskwire/web/static/dist
	find src tests bench scripts -name __pycache__ -type d -prune -exec rm -rf {} +

distclean: clean
	rm -rf .venv frontend/node_modules
