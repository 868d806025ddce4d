"""Snapshots: what is written comes back, whole or not at all, for any number of readers."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmflow.errors import GiveUp, StateError, TryLater
from mmflow.table import Cell, Column, FooterRow, Table, make_table, open_database, write_table

COLUMNS = (
    Column("machine", "Machine", "text", "group", description="by name"),
    Column("day", "Day", "date", "group"),
    Column("hour", "Hour", "datetime", "group", zone="America/New_York"),
    Column("oee", "OEE", "number", unit="ratio", decimals=3, direction="up"),
    Column("count", "Count", "integer", "derived"),
    Column("late", "Late", "boolean", "derived"),
)
NOON = datetime(2026, 11, 1, 12, 30, 15, 250_000, tzinfo=UTC)
ROWS: list[tuple[Cell, ...]] = [
    ("Mill 1", date(2026, 11, 1), NOON, 0.1 + 0.2, 2**62, True),
    ("=Säge\n\"2\", 'x'", date(2024, 2, 29), NOON + timedelta(days=200), -1e-300, -1, False),
    (None, None, None, None, None, None),
]
FOOTER = (
    FooterRow("rest", ("Rest", date(2026, 11, 1), NOON, 0.5, 7, False)),
    FooterRow("total", (None, "Total", None, 3.0, None, None)),
)
INTEGERS = st.integers(-(2**63), 2**63 - 1)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
CELLS = (
    TEXTS,
    st.dates(date(1900, 1, 1)),
    st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC)),
    st.floats(allow_nan=False, allow_infinity=False),
    INTEGERS,
    st.booleans(),
)


@pytest.fixture(scope="module", autouse=True)
def one_database() -> None:
    """None for these tests: some set limits of their own."""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A path that looks like a pattern to those who do not escape it."""
    folder = tmp_path / "plant [1]*"
    folder.mkdir()
    return folder / "run ? ' ä.parquet"


def numbers(path: Path, query: str, *names: str) -> Table:
    with open_database() as connection:
        return write_table(connection, query, columns=[Column(name, name, "number") for name in names], path=path)


def litter(path: Path) -> list[str]:
    return [found.name for found in path.parent.iterdir() if found != path]


def test_everything_comes_back_as_it_was_given(path: Path) -> None:
    made = make_table(ROWS, columns=COLUMNS, path=path, footer=FOOTER, notices=["one", "zwei"])
    opened = Table.open(path)
    assert opened == made
    assert (opened.columns, opened.footer, opened.notices) == (COLUMNS, FOOTER, ("one", "zwei"))
    assert len(opened) == 3
    assert list(opened.rows()) == ROWS


@given(rows=st.lists(st.tuples(*(st.none() | cell for cell in CELLS)), max_size=8))
@settings(deadline=None, max_examples=12)
def test_any_value_comes_back_exactly(rows: list[tuple[Cell, ...]]) -> None:
    with TemporaryDirectory() as folder:
        table = make_table(
            rows, columns=COLUMNS, path=Path(folder, "t"), footer=[FooterRow("rest", row) for row in rows]
        )
        assert list(table.rows()) == rows
        assert [row.values for row in Table.open(table.path).footer] == rows


def test_without_rows_all_columns_remain(path: Path) -> None:
    table = make_table([], columns=COLUMNS, path=path)
    assert len(table) == 0
    assert list(table.rows()) == []
    assert table.columns == COLUMNS


def test_order_is_kept_over_many_row_groups(path: Path) -> None:
    table = numbers(path, "SELECT i::DOUBLE AS i FROM range(300_000) t(i) ORDER BY (i * 7919) % 300_000 DESC", "i")
    found = [row[0] for row in table.rows()]
    assert found == sorted(found, key=lambda i: -(int(i) * 7919 % 300_000))  # type: ignore[arg-type]
    assert len(table) == 300_000


def test_batches_hold_as_many_rows_as_asked(path: Path) -> None:
    table = numbers(path, "SELECT i::DOUBLE AS i FROM range(2500) t(i)", "i")
    assert [len(batch) for batch in table.batches(1000)] == [1000, 1000, 500]
    with pytest.raises(ValueError, match="at least one"):
        table.batches(0)


@pytest.mark.row("R40")
@pytest.mark.parametrize("bad", ["nan", "inf", "-inf"])
def test_a_number_that_is_not_finite_is_refused_and_the_old_file_stays(path: Path, bad: str) -> None:
    numbers(path, "SELECT 1.5 AS i", "i")
    with pytest.raises(GiveUp, match="column 'i' holds 1 number that is not finite"):
        numbers(path, f"SELECT unnest([1.0, NULL, '{bad}'::DOUBLE]) AS i", "i")
    assert list(Table.open(path).rows()) == [(1.5,)]
    assert litter(path) == []
    with pytest.raises(GiveUp, match="footer holds a number that is not finite"):
        make_table([], columns=COLUMNS[3:4], path=path, footer=[FooterRow("total", (float(bad),))])


def test_a_query_that_fails_half_way_leaves_the_old_file_and_no_litter(path: Path) -> None:
    numbers(path, "SELECT 1.5 AS i", "i")
    with pytest.raises(duckdb.Error, match="half way"):
        numbers(path, "SELECT if(i < 400_000, i, error('half way'))::DOUBLE AS i FROM range(500_000) t(i)", "i")
    assert list(Table.open(path).rows()) == [(1.5,)]
    assert litter(path) == []


LONG = """
import sys
from pathlib import Path
from mmflow.table import Column, open_database, write_table

with open_database() as connection:
    query = "SELECT random() AS i FROM range(30_000_000)"
    write_table(connection, query, columns=[Column("i", "i", "number")], path=Path(sys.argv[1]))
"""


def test_killed_while_writing_the_old_file_stands(path: Path) -> None:
    numbers(path, "SELECT 1.5 AS i", "i")
    with subprocess.Popen([sys.executable, "-c", LONG, str(path)]) as process:
        try:
            while not any(found.stat().st_size > 1_000_000 for found in path.parent.glob(".run*")):
                assert process.poll() is None
        finally:
            process.kill()
    assert process.returncode != 0
    assert list(Table.open(path).rows()) == [(1.5,)]
    numbers(path, "SELECT 2.5 AS i", "i")
    assert list(Table.open(path).rows()) == [(2.5,)]


def test_a_snapshot_is_for_its_owner_alone(path: Path) -> None:
    numbers(path, "SELECT 1.5 AS i", "i")
    assert os.name == "nt" or path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("SELECT 1.0 AS j", r"gives \['j'\], expected \['i'\]"),
        ("SELECT 1.0 AS i, 2.0 AS j", r"gives \['i', 'j'\], expected \['i'\]"),
        ("SELECT 'x' AS i", "column 'i' is VARCHAR in the query, expected number"),
        ("SELECT DATE '2026-01-01' AS i", "column 'i' is DATE in the query, expected number"),
    ],
)
def test_a_query_that_does_not_fit_its_columns_is_refused(path: Path, query: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        numbers(path, query, "i")
    assert not path.exists()


def test_a_footer_that_does_not_fit_its_columns_is_refused(path: Path) -> None:
    with pytest.raises(ValueError, match="one value for each column"):
        make_table([], columns=COLUMNS, path=path, footer=[FooterRow("total", ("Total",))])


def test_a_column_of_nulls_and_whole_numbers_become_numbers(path: Path) -> None:
    table = numbers(path, "SELECT NULL AS a, 3 AS b, 1.5 AS c, sum(1) AS d", "a", "b", "c", "d")
    assert list(table.rows()) == [(None, 3.0, 1.5, 1.0)]


def test_times_without_a_zone_are_taken_as_utc(path: Path) -> None:
    with open_database() as connection:
        query = "SELECT TIMESTAMP '2026-07-01 06:00:00' AS hour"
        table = write_table(connection, query, columns=[COLUMNS[2]], path=path)
    assert list(table.rows()) == [(datetime(2026, 7, 1, 6, tzinfo=UTC),)]


def test_a_connection_shut_off_from_files_can_still_write_its_snapshot(path: Path) -> None:
    with open_database() as connection:
        connection.execute("SET allowed_directories = [?]", [str(path.parent)])
        connection.execute("SET enable_external_access = false")
        connection.execute("SET lock_configuration = true")
        table = write_table(connection, "SELECT 1.5 AS i", columns=[Column("i", "i", "number")], path=path)
        with pytest.raises(duckdb.PermissionException):
            connection.execute("SELECT * FROM read_text(?)", [__file__])
    assert list(table.rows()) == [(1.5,)]


def test_two_hundred_columns_of_text_stay_under_the_memory_limit(path: Path) -> None:
    texts = [Column(f"t{place}", "t", "text") for place in range(200)]
    query = "SELECT " + ", ".join(f"md5((i + {place})::VARCHAR) AS t{place}" for place in range(200))
    with open_database(path.parent / "spill") as connection:
        table = write_table(connection, f"{query} FROM range(12_000) r(i)", columns=texts, path=path)
    assert len(table) == 12_000


def damage_end(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-40])


def damage_middle(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[4:20_000] = bytes(19_996)
    path.write_bytes(data)


def damage_all(path: Path) -> None:
    path.write_bytes(b"day,oee\n")


def make_foreign(path: Path) -> None:
    with open_database() as connection:
        connection.execute("COPY (SELECT 1 AS i) TO ? (FORMAT parquet)", [str(path)])


def make_described(path: Path, description: str) -> None:
    with open_database() as connection:
        copy = "COPY (SELECT 1 AS i) TO ? (FORMAT parquet, KV_METADATA {mmflow: ?})"
        connection.execute(copy, [str(path), description])


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (damage_end, "is damaged or no snapshot; run the report again"),
        (damage_middle, "is damaged or no snapshot; run the report again"),
        (damage_all, "is damaged or no snapshot; run the report again"),
        (Path.unlink, "is missing; run the report again"),
        (make_foreign, "no snapshot of mmflow; run the report again"),
        (lambda path: make_described(path, '{"version": 2}'), "newer version of mmflow; upgrade"),
        (lambda path: make_described(path, '{"version": 1}'), "description .* is damaged"),
        (lambda path: make_described(path, "{"), "description .* is damaged"),
    ],
)
def test_what_is_no_whole_snapshot_is_said_to_be_none(path: Path, damage: object, said: str) -> None:
    numbers(path, "SELECT random() AS i FROM range(10_000)", "i")
    damage(path)  # type: ignore[operator]
    with pytest.raises(StateError, match=said) as raised:
        list(Table.open(path).rows())
    assert path.name in str(raised.value)


def test_a_snapshot_too_large_for_the_memory_is_not_called_damaged(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    columns = [Column("text", "Text", "text", "group")]
    table = make_table([["x" * 4_000_000 + str(number)] for number in range(4)], columns=columns, path=path)
    monkeypatch.setattr("mmflow.table.database.MEMORY_LIMIT", "5MB")
    with pytest.raises(GiveUp, match="cannot be read in 5MB of memory"):
        list(table.rows())


def test_a_snapshot_that_is_gone_cannot_be_copied_and_a_folder_that_is_not_there_is_another_matter(path: Path) -> None:
    table = numbers(path, "SELECT 1.5 AS i", "i")
    with pytest.raises(FileNotFoundError):
        table.parquet(path.parent / "nowhere" / "copy.parquet")
    path.unlink()
    with pytest.raises(StateError, match="is missing; run the report again"):
        table.parquet(path.parent / "copy.parquet")


def test_many_threads_read_one_table_at_once(path: Path) -> None:
    table = numbers(path, "SELECT i::DOUBLE AS i FROM range(50_000) t(i)", "i")

    def read_all(turn: int) -> float:
        if turn % 2:
            return sum(map(float, b"".join(table.csv()).split()[1:]))
        return sum(row[0] for row in table.rows())  # type: ignore[misc]

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(read_all, range(16))) == {sum(range(50_000))}


def test_readers_may_stop_early(path: Path) -> None:
    table = numbers(path, "SELECT i::DOUBLE AS i FROM range(50_000) t(i)", "i")
    reader = table.batches(10)
    assert next(reader)[3] == (3.0,)
    reader.close()
    assert len(list(table.rows())) == 50_000


def test_the_parquet_copy_holds_the_rows_with_their_types(path: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy.parquet"
    make_table(ROWS, columns=COLUMNS, path=path).parquet(copy)
    with open_database() as connection:
        types = [row[1] for row in connection.execute("DESCRIBE SELECT * FROM read_parquet(?)", [str(copy)]).fetchall()]
    assert types == ["VARCHAR", "DATE", "TIMESTAMP WITH TIME ZONE", "DOUBLE", "BIGINT", "BOOLEAN"]
    assert list(Table.open(copy).rows()) == ROWS


def test_other_libraries_read_the_arrow_stream(path: Path) -> None:
    table = make_table(ROWS, columns=COLUMNS, path=path)
    with open_database() as connection:
        connection.register("stream", table)
        found = connection.execute("SELECT machine, day, epoch_us(hour), oee, count, late FROM stream").fetchall()
        connection.unregister("stream")
    assert found[0] == ("Mill 1", date(2026, 11, 1), NOON.timestamp() * 1e6, 0.1 + 0.2, 2**62, True)
    assert len(found) == 3


def test_a_database_spills_into_its_own_folder_and_leaves_nothing(tmp_path: Path) -> None:
    spill = tmp_path / "spill"
    with open_database(spill) as connection:
        connection.execute("SET memory_limit = '24MB'")
        connection.execute("CREATE TABLE big AS SELECT random() AS a, md5(i::VARCHAR) AS b FROM range(600_000) t(i)")
        assert sum(found.stat().st_size for found in spill.iterdir()) > 1_000_000
    assert not spill.exists()


def test_a_database_finds_nothing_outside_the_process(tmp_path: Path) -> None:
    with open_database(tmp_path / "spill") as connection:
        wanted = "memory_limit", "threads", "TimeZone", "autoinstall_known_extensions", "autoload_known_extensions"
        found = [connection.execute(f"SELECT current_setting('{name}')").fetchone() for name in wanted]
    assert found == [("122.0 MiB",), (2,), ("UTC",), (False,), (False,)]


QUIET = """
import sys
from pathlib import Path
from mmflow.errors import StateError
from mmflow.table import Column, Table, make_table
path = Path(sys.argv[1])
table = make_table([(1.5,), (2.5,)], columns=[Column("i", "i", "number")], path=path)
rows, lines, stream = table.rows(), table.csv(), table.__arrow_c_stream__()
next(rows), next(lines)
try:
    Table.open(Path("missing"))
except StateError as error:
    kept = error
sys.exit(0)
"""


def test_a_process_ends_without_noise_even_with_readers_left_open(path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", QUIET, str(path)], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("", "")


@contextmanager
def tiny_disk(folder: Path) -> Iterator[None]:
    """A disk of one megabyte, where the system lets us have one."""
    mounted = sys.platform == "linux" and os.geteuid() == 0
    if (
        not mounted
        or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder], check=False).returncode
    ):
        pytest.skip("a small disk can only be made by root on Linux")
    try:
        yield
    finally:
        subprocess.run(["umount", folder], check=True)


@pytest.mark.row("R49")
def test_on_a_full_disk_the_old_file_stays_and_later_may_work(tmp_path: Path) -> None:
    with tiny_disk(tmp_path):
        path = tmp_path / "t.parquet"
        numbers(path, "SELECT 1.5 AS i", "i")
        with pytest.raises(TryLater, match=r"t\.parquet: the disk is full; make room"):
            numbers(path, "SELECT random() AS i FROM range(1_000_000)", "i")
        assert list(Table.open(path).rows()) == [(1.5,)]
        assert litter(path) == []


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(GiveUp, match=r"cannot write the snapshot .*nowhere.*check the folder"):
        numbers(tmp_path / "nowhere" / "t.parquet", "SELECT 1.5 AS i", "i")


MILLION = """
import sys
from pathlib import Path
from mmflow.table import Column, open_database, write_table

def main(path):
    query = "SELECT 'Machine ' || i % 60 AS m, 'Job ' || i % 9_000 AS j, " + ", ".join(
        f"(i * {place + 7} % 10_007)::DOUBLE / {place + 1} AS n{place}" for place in range(10)
    )
    texts = [Column(name, name, "text", "group") for name in "mj"]
    columns = texts + [Column(f"n{place}", "number", "number") for place in range(10)]
    with open_database(path.parent / "spill") as connection:
        table = write_table(connection, f"{query} FROM range(1_000_000) t(i)", columns=columns, path=path)
    return sum(chunk.count(b"\\r") for chunk in table.csv())

print(main(Path(sys.argv[1])))
print(Path("/proc/self/status").read_text())  # getrusage would count the memory of the parent before exec
"""


@pytest.mark.skipif(sys.platform != "linux", reason="peak memory is read from /proc")
def test_a_million_rows_pass_in_less_than_200_megabytes(path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", MILLION, str(path)], capture_output=True, text=True, check=True)
    lines, status = done.stdout.split("\n", 1)
    peak = next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM:"))
    assert lines == "1000001"
    assert int(peak) < 200_000
