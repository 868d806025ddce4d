"""Rows of docs/reliability.md and docs/security.md: a full test run fails when a row has no test that ran."""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

HERE = Path(__file__).parent
PAGES = ("docs/reliability.md", "docs/security.md")
# A table row that begins with an id; rows that are not tested say so: "not tested: reason".
ROW = re.compile(r"^\| ([RS]\d+) \|(.*)$", re.MULTILINE)


class RowKeeper:
    """Remembers on the controller which rows were shown by a test that passed."""

    def __init__(self, config: pytest.Config) -> None:
        self.whole = config.args_source != pytest.Config.ArgsSource.ARGS and not config.option.keyword
        self.shown: set[str] = set()
        self.missing: list[str] = []

    @pytest.hookimpl
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Collect the rows of a test whose body passed."""
        if report.when == "call" and report.passed:
            self.shown.update(str(value) for name, value in report.user_properties if name == "row")

    @pytest.hookimpl(wrapper=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> Generator[None]:
        """Fail a full run in which a documented row was not shown."""
        yield
        if self.whole and not session.config.option.collectonly:
            self.missing = sorted(set(documented_rows()) - self.shown)
            if self.missing and session.exitstatus == pytest.ExitCode.OK:
                session.exitstatus = pytest.ExitCode.TESTS_FAILED

    @pytest.hookimpl
    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Name the rows that no test has shown."""
        if self.missing:
            terminalreporter.write_line(f"rows without a test that passed: {', '.join(self.missing)}", red=True)


def documented_rows() -> Iterator[str]:
    """Give the ids of all rows that promise a test."""
    for page in PAGES:
        text = (HERE / page).read_text(encoding="utf-8") if (HERE / page).exists() else ""
        yield from (name for name, rest in ROW.findall(text) if "not tested:" not in rest)


def pytest_configure(config: pytest.Config) -> None:
    """Keep the rows, except in a worker of a parallel run."""
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(RowKeeper(config), "mmflow-rows")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let each test's report carry its rows, also across processes."""
    for item in items:
        for mark in item.iter_markers("row"):
            item.user_properties.extend(("row", name) for name in mark.args)
