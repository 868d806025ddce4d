"""One database reads the snapshots of a run: started once, harmed by no reader, gone at the end."""

import pytest

from mmflow.errors import StateError
from mmflow.table import Table, make_table, open_database, share_database
from mmflow.testing.deliveries import MACHINE, PARTS


@pytest.fixture(scope="module", autouse=True)
def one_database():
    """None for these tests: they are about it."""


@pytest.fixture
def table(tmp_path):
    rows = [("Haas 1", 5.0), ("Mazak", None)]
    return make_table(rows, columns=(MACHINE, PARTS), path=tmp_path / "table.parquet")


@pytest.fixture
def starts(monkeypatch):
    """Counts how many databases are started."""
    counted = []

    def count(*words):
        counted.append(words)
        return open_database(*words)

    monkeypatch.setattr("mmflow.table.database.open_database", count)
    return counted


def test_all_readers_of_a_block_share_one_database_and_read_the_same(table, starts):
    alone = (b"".join(table.csv()), list(table.rows()))
    assert len(starts) == 2
    with share_database():
        assert (b"".join(table.csv()), list(table.rows())) == alone
        assert Table.open(table.path) == table
    assert len(starts) == 3
    list(table.rows())
    assert len(starts) == 4


def test_two_may_read_at_once(table):
    with share_database():
        assert list(zip(table.rows(), table.rows(), strict=True)) == [(row, row) for row in table.rows()]
        first, second = table.csv(), table.csv()
        assert [next(first), next(second)] == [next(table.csv())] * 2


def test_after_an_error_the_next_reader_gets_a_fresh_one(table, tmp_path, starts):
    (tmp_path / "torn.parquet").write_bytes(table.path.read_bytes()[:100])
    with share_database():
        with pytest.raises(StateError):
            Table.open(tmp_path / "torn.parquet")
        assert len(list(table.rows())) == 2
    assert len(starts) == 2


def test_a_snapshot_that_was_replaced_is_read_as_it_is_now(table):
    with share_database():
        assert len(list(table.rows())) == 2
        make_table([("Okuma", 1.0)], columns=(MACHINE, PARTS), path=table.path)
        assert [row[0] for row in table.rows()] == ["Okuma"]


def test_a_block_within_a_block_has_the_database_of_the_outer(table, starts):
    with share_database():
        with share_database():
            list(table.rows())
        list(table.rows())
        make_table([("Okuma", 1.0)], columns=(MACHINE, PARTS), path=table.path)
    assert len(starts) == 1
