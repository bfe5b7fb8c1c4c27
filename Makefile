# make run    sets everything up and starts the helpdesk in the foreground
# make test   sets everything up and runs all tests, in the same shuffled order each time; pytest alone shuffles anew
# make check  what CI checks besides the tests
# make bench  measures speed and memory and prints them
# make screenshots  takes pictures of each page of the desk into build/screenshots
# make crash-test  kills the service at random while mail comes and goes, then counts
# make docs   writes docs/settings.md and docs/cli.md anew
# make translations  brings the catalogues of the desk in step with its texts
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INDEX := $(or $(MINERVA_DATA_DIR),var)/index/.built

.PHONY: run test check bench crash-test screenshots docs translations clean
.DELETE_ON_ERROR:

run: $(VENV)/.installed $(INDEX)
	exec $(BIN)/minerva serve

# In step again when an article changes; only what changed is embedded anew. A source that fails keeps what was read
# before and stops nothing, as long as there is an index.
$(INDEX): $(VENV)/.installed $(shell find knowledge_base/articles)
	$(BIN)/minerva kb sync --index $(@D) || test -e $(@D)/current
	$(BIN)/minerva kb prepare --index $(@D)
	touch $@

test: $(VENV)/.installed-dev
	sh deploy/test-packages.sh
	$(BIN)/python -m pytest -n 2 --no-loadscope-reorder --randomly-seed=1

check: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(VENV)/.installed-dev
	$(BIN)/python tests/bench.py
	$(BIN)/python tests/bench_index.py
	$(BIN)/python tests/bench_desk.py
	$(BIN)/python tests/bench_results.py
	$(BIN)/python tests/bench_board.py
	$(BIN)/python tests/bench_triage.py
	$(BIN)/python tests/bench_doctor.py
	$(BIN)/python tests/bench_slack.py
	$(BIN)/python tests/bench_llm.py

screenshots: $(VENV)/.installed-dev
	$(BIN)/python tests/screenshots.py

crash-test: $(VENV)/.installed-dev
	sh deploy/test-packages.sh
	PYTHONPATH=.:tests:tests/integration $(BIN)/python tests/crash.py $(ARGS)

translations: $(VENV)/.installed-dev
	$(BIN)/python -m agent.catalogues

docs: $(VENV)/.installed-dev
	$(BIN)/python docs/generate.py

$(VENV)/.installed: pyproject.toml constraints.txt
	PYTHON="$(PYTHON)" sh deploy/setup.sh $(VENV)
	touch $@

$(VENV)/.installed-dev: pyproject.toml constraints.txt
	PYTHON="$(PYTHON)" sh deploy/setup.sh $(VENV) dev
	touch $(VENV)/.installed $@

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis
