# On Windows, or without make: python dev.py demo|test|cover|check|docs|bench|chaos
PYTHON ?= python3

.PHONY: demo test cover check docs bench chaos
demo test cover check docs bench chaos:
	@$(PYTHON) dev.py $@
