"""The database that merges Parquet files: shut off as the engine's own, and clear about what stopped it."""

import pytest

from mmflow.errors import TryLater
from mmflow_files.parquet import open_database


@pytest.fixture
def database(tmp_path):
    """The database of a merge into x.parquet."""
    return open_database(tmp_path / "x.parquet", tmp_path / "spill")


def test_it_looks_for_no_extension_and_times_are_in_utc(database):
    with database as opened:
        names = ("autoinstall_known_extensions", "autoload_known_extensions", "TimeZone")
        found = [opened.execute("SELECT current_setting(?)", [name]).fetchone()[0] for name in names]
    assert found == [False, False, "UTC"]


@pytest.mark.row("R49")
def test_full_disk_is_worth_another_try(database):
    with (  # noqa: PT012  the database is made small first
        pytest.raises(TryLater, match=r"cannot merge the report into .*x\.parquet: the disk is full; make room"),
        database as opened,
    ):
        opened.execute("SET memory_limit = '20MB'; SET max_temp_directory_size = '1MB'")
        opened.execute("CREATE TABLE t AS SELECT repeat(md5(i::VARCHAR), 20) AS x FROM range(100_000) r(i)")


def test_file_that_goes_away_meanwhile_is_told_as_the_system_tells_it(database, tmp_path):
    said = r"cannot merge the report into .*x\.parquet: IO Error: No files found"
    with pytest.raises(TryLater, match=said), database as opened:
        opened.execute("SELECT * FROM read_parquet(?)", [str(tmp_path / "x.parquet")])
