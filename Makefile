# make app    start the app (ARGS="--help" lists its flags)      make test    everything that has to hold
# make setup  the virtual environment                            make check   ruff and mypy
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: app setup setup-dev test check bench format pictures clean

app: setup
	$(BIN)/python app.py $(ARGS)

setup: $(VENV)/.app
setup-dev: $(VENV)/.dev

$(VENV)/.app: requirements.txt constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --disable-pip-version-check --quiet -r requirements.txt -c constraints.txt
	touch $@

$(VENV)/.dev: requirements-dev.txt $(VENV)/.app
	$(BIN)/python -m pip install --disable-pip-version-check --quiet -r requirements-dev.txt -c constraints.txt
	touch $@

check: setup-dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

format: setup-dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

test: check
	# Whole apps want both cores for themselves; 5 says that ARGS left nothing to run.
	$(BIN)/python -m pytest -n 2 --dist loadfile --ignore=tests/app --ignore-glob='*journeys.py' $(ARGS) || test $$? -eq 5
	$(BIN)/python -m pytest tests/app tests/browser/*journeys.py $(ARGS) || test $$? -eq 5

bench: setup-dev
	$(BIN)/python -m tests.bench.preview
	$(BIN)/python -m tests.bench.datasets
	$(BIN)/python -m tests.bench.memory
	$(BIN)/python -m tests.bench.training

pictures: setup-dev
	$(BIN)/python -m pytest tests/browser
	mkdir -p assets/pictures
	for name in template-en-1280-light doctor-en-1280 rows-en-1280 finetune-en-1280 compare-en-1280 compare-ja-390; do \
	  cp tests/artifacts/$$name.png assets/pictures/; done

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache
