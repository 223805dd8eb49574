# Each target sets itself up in ./.venv and is quick when repeated. PYTHON and TORCH can be chosen:
#   make demo PYTHON=python3.12 TORCH="torch torchvision --index-url <the index of the build you want>"
PYTHON ?= python3
TORCH  ?= torch torchvision
BIN    := .venv/bin
STAMP  := .venv/.installed

.PHONY: demo test lint clean

demo: $(STAMP)
	$(BIN)/python train.py experiment=demo run_dir=demo/run $$(test -e demo/run/checkpoints/last.pt && echo resume=demo/run)
	$(BIN)/python sample.py ckpt=demo/run out=demo/samples num_samples=64
	$(BIN)/python -m eval real=demo/run/data synthetic=demo/samples out=demo/report

test: $(STAMP)-test
	$(BIN)/python -m pytest -n 2 -q

lint: $(STAMP)-test
	$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/pyright

$(BIN)/python:
	$(PYTHON) -m venv .venv
	$(BIN)/pip install -q --upgrade pip

$(STAMP): pyproject.toml | $(BIN)/python
	$(BIN)/pip install -q $(TORCH)
	$(BIN)/pip install -q -e .
	touch $@

$(STAMP)-test: $(STAMP)
	$(BIN)/pip install -q -e '.[test]'
	touch $@

clean:
	rm -rf .venv demo
