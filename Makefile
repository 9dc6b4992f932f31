# Everything a user or a developer runs. Each target sets up what it needs in .venv by itself;
# a stamp file per extra keeps that from happening twice. `make PYTHON=python3.12 test` picks
# another interpreter, `make VENV=/path test` another place.

PYTHON ?= python3
VENV ?= .venv
WORKERS ?= 2
RUN := $(VENV)/bin/python
INSTALLED := $(VENV)/.installed

.PHONY: help demo examples test check bench test-gpu bench-gpu dev format clean
.DELETE_ON_ERROR:

help:
	@echo "make demo    train a classifier on real handwritten digits (under a minute)"
	@echo "make examples  run all examples; pictures go to out/ (under a minute)"
	@echo "make test    the whole test suite"
	@echo "make check   format, lint, types, import layers, some cases of the fast tests (a minute)"
	@echo "make bench   all benchmarks against NumPy, Numba, JAX, PyTorch and autograd"
	@echo "make test-gpu   the tests of CUDA code on this machine's GPU"
	@echo "make bench-gpu  benchmarks on the GPU against CuPy, JAX and PyTorch (10 minutes)"
	@echo "make dev     set up everything above without running it"
	@echo "make format  reformat the code and apply safe lint fixes"
	@echo "make clean   remove the environment and all caches of this checkout"

demo: $(INSTALLED)-demo
	@$(RUN) -m wengert demo

examples: $(INSTALLED)-demo
	@$(RUN) -m examples

test: $(INSTALLED)-test
	@$(RUN) -m pytest -n $(WORKERS) --dist worksteal

check: $(INSTALLED)-check
	@$(RUN) -m ruff format --check --quiet .
	@$(RUN) -m ruff check --quiet .
	@$(RUN) -m pyright --pythonpath $(RUN) & plain=$$!; \
	    $(RUN) -m pyright --pythonpath $(RUN) -p pyright-strict.json & strict=$$!; \
	    $(RUN) -m pytest -n $(WORKERS) -q -m "not slow and not gpu" --cases 2; tests=$$?; \
	    wait $$plain && wait $$strict && exit $$tests

bench: $(INSTALLED)-bench
	@$(RUN) -m benchmarks
	@$(RUN) -m benchmarks.scaling

# The cases that CI runs on the host; then some of them again under NVIDIA's memory checker.
test-gpu: $(INSTALLED)-test-gpu
	@WENGERT_TEST_DEVICE=gpu $(RUN) -m pytest -q tests/test_cuda_libraries.py tests/test_cuda_jit.py
	@WENGERT_TEST_DEVICE=gpu $(RUN) -m pytest -q -k cuda tests/test_op_laws.py \
	    tests/test_random_programs.py tests/test_bfloat16.py
	@if command -v compute-sanitizer > /dev/null; then \
	    WENGERT_TEST_DEVICE=gpu compute-sanitizer --error-exitcode 9 $(RUN) -m pytest -q \
	        tests/test_cuda_libraries.py tests/test_cuda_jit.py -k "not plain_functions"; \
	    else echo "compute-sanitizer is not installed: its checks were left out"; fi

bench-gpu: $(INSTALLED)-bench-gpu
	@$(RUN) -m benchmarks.gpu

dev: $(INSTALLED)-demo $(INSTALLED)-check $(INSTALLED)-bench
	@echo "ready: $(VENV)"

format: $(INSTALLED)-check
	@$(RUN) -m ruff check --fix --quiet .
	@$(RUN) -m ruff format .

clean:
	rm -rf $(VENV) build *.egg-info .pytest_cache .ruff_cache .hypothesis out
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# One environment; extras are added to it one after the other (make may run with -j).
$(VENV)/.created:
	@$(PYTHON) -c 'import sys; sys.exit("wengert needs Python 3.11 or newer, but $(PYTHON) is " \
	    + sys.version.split()[0] + "; run make with PYTHON=python3.11, say" \
	    if sys.version_info < (3, 11) else 0)'
	@echo "creating the environment $(VENV)"
	@$(PYTHON) -m venv $(VENV)
	@touch $@

.NOTPARALLEL:
.PRECIOUS: $(INSTALLED)-%
$(INSTALLED)-%: $(VENV)/.created pyproject.toml
	@echo "installing wengert[$*] into $(VENV) (once; this can take a few minutes)"
	@$(RUN) -m pip install --quiet --disable-pip-version-check -e '.[$*]'
	@touch $@
