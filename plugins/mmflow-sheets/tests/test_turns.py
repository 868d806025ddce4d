"""Two deliveries at once to one spreadsheet: the result is that of one of them after the other, never a mixture."""

import subprocess
import sys
from contextlib import suppress
from datetime import date
from threading import Barrier, Thread

import httpx
import msgspec
import pytest

from mmflow.errors import TryLater
from mmflow.testing.deliveries import day_rows
from mmflow_sheets.testing import PERSON

DAY = date(2026, 11, 21)
MODES = ("replace", "replace_window", "append")
PROCESS = """
import sys
from datetime import date
from pathlib import Path

import httpx
import msgspec

from mmflow.errors import TryLater
from mmflow.options import convert_values
from mmflow.refs import Secret
from mmflow.table import make_table
from mmflow.testing.deliveries import DAY, DOWN, MACHINE, PARTS, day_rows, make_run
from mmflow_sheets.deliver import deliver_sheets
from mmflow_sheets.options import SheetsConnection, SheetsOptions

root, url, credentials, sheet, parts, days = sys.argv[1:]
rows = day_rows(date(2026, 11, 21), int(days), float(parts))
table = make_table(rows, columns=(DAY, MACHINE, PARTS, DOWN), path=Path(root) / f"{parts}.parquet")
run = make_run(
    Path(root), connection=SheetsConnection(credentials=Secret(credentials), base_url=url),
    open_http=lambda: httpx.Client(trust_env=False, verify=False), generation=int(parts),
)
print("ready", flush=True)
sys.stdin.readline()
for _ in range(20):
    try:
        deliver_sheets(table, convert_values({"spreadsheet": sheet}, SheetsOptions), run)
        break
    except TryLater as later:
        print(later, flush=True)
"""


class Overtaken(httpx.Client):
    """A client that lets somebody else do something between its look and its write."""

    def __init__(self, happens):
        super().__init__(trust_env=False)
        self.happens = [happens]

    def request(self, method, url, **more):
        if url.endswith(":batchUpdate") and self.happens:
            self.happens.pop()()
        return super().request(method, url, **more)


def rows_of(parts, days):
    return [[46347 + day, machine, parts, 1.5] for day in range(days) for machine in ("Haas 1", "Mazak, 2")]


def test_two_processes_leave_what_one_of_them_wrote(server, book, tmp_path):
    book.share(PERSON)
    credentials = msgspec.json.encode(server.authorized_user()).decode()
    told = [sys.executable, "-c", PROCESS, str(tmp_path), server.url, credentials, book.id]
    sizes = {7: 9, 3: 2}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    running = [subprocess.Popen([*told, str(parts), str(days)], **pipes) for parts, days in sizes.items()]
    for one in running:
        assert one.stdout.readline() == "ready\n"
    for one in running:
        one.stdin.write("go\n")
        one.stdin.flush()
    said = [one.communicate(timeout=60)[0] for one in running]
    assert [one.returncode for one in running] == [0, 0], said
    found = book.tab("Data").values()[1:]
    assert found in [rows_of(parts, days) for parts, days in sizes.items()]
    assert len(book.metadata) == len(book.named) == 1


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("first", [False, True], ids=["later", "first"])
def test_delivery_that_was_overtaken_writes_nothing_and_is_then_the_second(quick, table, mode, first):
    earlier, quicker, late = (table(day_rows(DAY, days, parts)) for days, parts in ((3, 1.0), (5, 2.0), (1, 3.0)))

    def begin():
        quick.open_book()
        if not first:
            quick.deliver(earlier, quick.run(key="earlier"), mode=mode)

    def overtake():
        quick.deliver(quicker, quick.run(key="a", generation=2), mode=mode)

    def finish(**changes):
        quick.deliver(late, quick.run(key="b", generation=3, **changes), mode=mode)
        return quick.book.tab("Data").values()

    begin()
    overtake()
    alone = quick.book.tab("Data").values()
    expected = finish()
    begin()
    with pytest.raises(TryLater, match="the spreadsheet was changed between look and write"):
        finish(open_http=lambda: Overtaken(overtake))
    assert quick.book.tab("Data").values() == alone
    assert finish(fence=2) == expected


def test_sink_beside_it_takes_its_turn_too(quick, table):
    """It may have pushed down what stands below, of which the slower delivery knew the place."""
    quick.deliver(table(day_rows(DAY, 1)), quick.run(sink="top"))
    quick.enlarge(quick.book.tab("Data"), rows=9)
    quick.deliver(table(day_rows(DAY, 1)), quick.run(sink="below"), anchor="A6")

    def overtake():
        quick.deliver(table(day_rows(DAY, 2)), quick.run(sink="top", generation=2))

    slow = quick.run(sink="below", generation=2, open_http=lambda: Overtaken(overtake))
    with pytest.raises(TryLater, match="was changed between look and write"):
        quick.deliver(table(day_rows(DAY, 2)), slow, anchor="A6")


def test_refusal_of_an_unchanged_spreadsheet_is_final(quick, table, server):
    quick.deliver(table(day_rows(DAY, 1)))
    quick.book.protect("Data")
    with pytest.raises(Exception, match="cells of the table are protected") as caught:
        quick.deliver(table(day_rows(DAY, 1)), quick.run(generation=2))
    assert not isinstance(caught.value, TryLater)


def test_many_sinks_have_room_for_their_notes_in_one_tab(quick, table):
    """All of them together may note 30,000 characters at a tab; each remembers forty deliveries."""
    for number in range(41):
        quick.deliver(table([]), quick.run(key=f"a rather long key {number}", generation=10_000 + number))
    [note] = quick.book.metadata
    assert len(note["metadataKey"]) + len(note["metadataValue"]) < 30_000 / 6


def test_threads_of_one_process_do_not_mix_either(quick, table):
    made = {parts: table(day_rows(DAY, days, float(parts))) for parts, days in ((1, 6), (2, 1), (3, 4))}
    runs = {parts: quick.run(generation=parts, key=f"k{parts}") for parts in made}
    together = Barrier(len(made))

    def deliver(parts):
        together.wait()
        for _ in range(10):
            with suppress(TryLater):
                quick.deliver(made[parts], runs[parts])
                return

    threads = [Thread(target=deliver, args=(parts,)) for parts in made]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = quick.book.tab("Data").values()[1:]
    assert found in [rows_of(1, 6), rows_of(2, 1), rows_of(3, 4)]
