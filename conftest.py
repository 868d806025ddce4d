"""Rows of docs/reliability.md and docs/security.md, held to the tests that bear their ids.

A full test run fails when a row has no test that passed, unless all of them were skipped on this machine, which is
said; and any run fails when a test bears a row that no page has.
Beside that, the one fixture that all tests take part in, and what all that tests start has to know.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from mmflow.table import share_database

# Else every process that a test starts, and there are hundreds, would compile all that it imports for itself alone.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

HERE = Path(__file__).parent
PAGES = ("docs/reliability.md", "docs/security.md")
# A table row that begins with an id; rows that are not tested say so: "not tested: reason".
ROW = re.compile(r"^\| ([RS]\d+) \|(.*)$", re.MULTILINE)


class RowKeeper:
    """Remembers on the controller which rows were shown by a test that passed."""

    def __init__(self, config: pytest.Config) -> None:
        self.whole = config.args_source != pytest.Config.ArgsSource.ARGS and not config.option.keyword
        self.borne: set[str] = set()
        self.shown: set[str] = set()
        self.skipped: set[str] = set()
        self.complaints: list[str] = []
        self.remarks: list[str] = []

    @pytest.hookimpl
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Collect the rows of a test, and those of a test whose body passed."""
        rows = {str(value) for name, value in report.user_properties if name == "row"}
        self.borne |= rows
        if report.when == "call" and report.passed:
            self.shown |= rows
        if report.skipped:
            self.skipped |= rows

    @pytest.hookimpl(wrapper=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> Generator[None]:
        """Fail a run with tests of unknown rows, and a full run in which a documented row was not shown."""
        yield
        promised = dict(documented_rows())
        unshown = {row for row, rest in promised.items() if "not tested:" not in rest} - self.shown
        if not self.whole or session.config.option.collectonly:
            unshown = set()
        self.remarks = sorted(unshown & self.skipped)
        self.complain("rows without a test that passed", unshown - self.skipped)
        self.complain("rows that tests bear and no page has", self.borne - promised.keys())
        if self.complaints and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def complain(self, what: str, rows: set[str]) -> None:
        """Note rows that are not as they should be."""
        if rows:
            self.complaints.append(f"{what}: {', '.join(sorted(rows))}")

    @pytest.hookimpl
    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Say what is wrong with rows."""
        for line in self.complaints:
            terminalreporter.write_line(line, red=True)
        if self.remarks:
            line = f"rows not shown on this machine, for the reasons of the skipped tests: {', '.join(self.remarks)}"
            terminalreporter.write_line(line, yellow=True)


def documented_rows() -> Iterator[tuple[str, str]]:
    """Give the id of every row, and what stands behind it."""
    for page in PAGES:
        yield from ROW.findall((HERE / page).read_text(encoding="utf-8"))


def pytest_configure(config: pytest.Config) -> None:
    """Keep the rows, except in a worker of a parallel run."""
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(RowKeeper(config), "mmflow-rows")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let each test's report carry its rows, also across processes."""
    for item in items:
        for mark in item.iter_markers("row"):
            item.user_properties.extend(("row", name) for name in mark.args)


@pytest.fixture(scope="module", autouse=True)
def one_database() -> Iterator[None]:
    """Tables of a module are made and read by one database: starting one takes longer than most tests."""
    with share_database():
        yield
