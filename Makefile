# `make study` and `make test` do all set-up on a fresh machine; the others use what they installed.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
OUT ?= out/fullerenes
INSTALLED := $(VENV)/.installed
# One thread per worker process: two pytest workers with two threads each would fight over two cores.
ONE_THREAD := OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1

.PHONY: study test check lint fast bench nightly reproduce demo-editor clean

$(INSTALLED): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	touch $@

## The main job: from a packaged real table to a report.
study: $(INSTALLED)
	$(BIN)/matlever study example:fullerenes --out $(OUT)

## Everything: lint, types, layers, fast and slow tests.
test: lint
	$(ONE_THREAD) $(BIN)/python -m pytest -n 2 -m "not nightly"

## The quick part (under two minutes): lint, types, layers, fast tests.
check: lint fast

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

fast: $(INSTALLED)
	$(ONE_THREAD) $(BIN)/python -m pytest -n 2 -m "not slow and not nightly"

## Tables of the papers beside ours.
reproduce: $(INSTALLED)
	$(BIN)/matlever reproduce nanorods --out out/nanorods
	$(BIN)/matlever reproduce green-lime --out out/green-lime
	$(BIN)/matlever reproduce sem --out out/sem
	$(BIN)/matlever reproduce elemnet --out out/elemnet
	$(BIN)/matlever reproduce cgcnn --out out/cgcnn
	$(BIN)/matlever reproduce perovskites --out out/perovskites

## The editor of simulated micrographs that ships with the package, made again (about 80 minutes of one core).
demo-editor: $(INSTALLED)
	$(ONE_THREAD) $(BIN)/python benchmarks/train_demo_editor.py

## Every figure a claim rests on, printed by the script that measured it.
bench: $(INSTALLED)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[bench]'
	$(BIN)/python benchmarks/smote_reg.py
	$(BIN)/python benchmarks/training.py
	$(BIN)/python benchmarks/small_tables.py
	$(ONE_THREAD) $(BIN)/python benchmarks/explain.py
	$(ONE_THREAD) $(BIN)/python benchmarks/counterfactual.py
	$(ONE_THREAD) $(BIN)/python benchmarks/recommend.py
	$(ONE_THREAD) $(BIN)/python benchmarks/micrographs.py
	$(ONE_THREAD) $(BIN)/python benchmarks/lots.py
	$(ONE_THREAD) $(BIN)/python benchmarks/editors.py
	$(ONE_THREAD) $(BIN)/python benchmarks/compositions.py
	$(ONE_THREAD) $(BIN)/python benchmarks/crystals.py
	$(ONE_THREAD) $(BIN)/python benchmarks/studies.py

nightly: $(INSTALLED)
	$(ONE_THREAD) $(BIN)/python -m pytest -n 2

clean:
	rm -rf $(VENV) out .pytest_cache .mypy_cache .ruff_cache .hypothesis
