# On Windows, or without make: python dev.py demo|test|check|bench|docs
PYTHON ?= python3

.PHONY: demo test check bench docs
demo test check bench docs:
	@$(PYTHON) dev.py $@
