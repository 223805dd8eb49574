# Each target sets itself up in ./.venv and is quick when repeated. PYTHON and TORCH can be chosen, for example
#   make demo PYTHON=python3.12 TORCH="torch torchvision --index-url URL-OF-THE-BUILD-YOU-WANT"
PYTHON ?= python3
TORCH  ?= torch
BIN    := .venv/bin
STAMP  := .venv/.installed

# The scenes that experiment=demo trains on, with another seed.
SCENES := num_images=512 image_size=48 seed=1 class_probabilities=[0.8,0.1,0.1] max_ships=2 empty_fraction=0 \
  ship_length=[16,36] ship_amplitude=[8,20] sea_amplitude=[0.3,0.8]

.PHONY: demo test lint clean

demo: $(STAMP)
	@if [ -e demo/run/checkpoints/last.pt ]; then \
	  $(BIN)/python train.py resume=demo/run; \
	else \
	  $(BIN)/python train.py experiment=demo run_dir=demo/run; \
	fi
	$(BIN)/python sample.py ckpt=demo/run out=demo/samples num_samples=64 balance=real trajectory=true
	@[ -d demo/real ] || { rm -rf demo/.real && $(BIN)/python -m data sar_sim out=demo/.real $(SCENES) && mv demo/.real demo/real; }
	$(BIN)/python -m eval real=demo/real synthetic=demo/samples out=demo/report
	@printf '\nLook at\n  demo/samples/grid.png       what the model draws\n  demo/samples/trajectory.gif how noise becomes ships\n  demo/run/curves.png         how it learned\n  demo/report/report.html     real beside synthetic, with figures\n'

test: $(STAMP)-test
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 -q --durations=12

lint: $(STAMP)-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright --pythonpath $(BIN)/python

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
