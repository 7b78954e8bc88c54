# make app    start the app (ARGS="--help" lists its flags)      make test    everything that has to hold
# make setup  the virtual environment                            make quick   no browser, app or training
# make check  ruff and mypy                                      make fuzz    properties, with many examples
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Compiling all that torch and transformers bring is half of the installing; what is used is compiled as it is used.
PIP := $(BIN)/python -m pip install --disable-pip-version-check --quiet --no-compile
export PYTHONDONTWRITEBYTECODE :=

.PHONY: app setup setup-dev test quick fuzz check bench format pictures clean

app: setup
	$(BIN)/python app.py $(ARGS)

setup: $(VENV)/.app
setup-dev: $(VENV)/.dev

$(VENV)/.app: requirements.txt constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) -r requirements.txt -c constraints.txt
	touch $@

$(VENV)/.dev: requirements-dev.txt $(VENV)/.app
	$(PIP) -r requirements-dev.txt -c constraints.txt
	touch $@

check: setup-dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

format: setup-dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

PYTEST := $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

# Everything is tried, whatever failed before.
test: setup-dev
	@failed=0; \
	$(MAKE) --no-print-directory check || failed=1; \
	$(PYTEST) $(ARGS) || failed=1; \
	exit $$failed

# What to run after every change: no browser, no app, no real model and no training.
quick: check
	$(PYTEST) -m "not browser and not app and not model" $(ARGS)

# Properties, each with 500 examples that are drawn anew.
fuzz: setup-dev
	$(PYTEST) -m hypothesis --hypothesis-profile=fuzz $(ARGS)

bench: setup-dev
	$(BIN)/python -m tests.bench.preview
	$(BIN)/python -m tests.bench.datasets
	$(BIN)/python -m tests.bench.memory
	$(BIN)/python -m tests.bench.training

pictures: setup-dev
	WHOLE_PAGES=1 $(PYTEST) tests/browser
	mkdir -p assets/pictures
	for name in template-en-1280-light doctor-en-1280 rows-en-1280 finetune-en-1280 compare-en-1280 compare-ja-390; do \
	  cp tests/artifacts/$$name.png assets/pictures/; done

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache
