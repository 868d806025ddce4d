# On Windows, or without make: python dev.py demo|test|check|docs|bench
PYTHON ?= python3

.PHONY: demo test check docs bench
demo test check docs bench:
	@$(PYTHON) dev.py $@
