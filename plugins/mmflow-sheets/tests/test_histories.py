"""Any history of deliveries and of people's edits leaves what a list of rows would hold."""

from datetime import date, timedelta

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from mmflow.testing.deliveries import day_rows
from mmflow_sheets.serials import day_serial

FIRST = date(2026, 11, 1)
deliveries = st.tuples(st.integers(0, 6), st.integers(1, 3), st.integers(0, 9), st.booleans())
edits = st.sampled_from(["rows above", "columns before", "line below", "rename", "nothing"])


def edit(desk, tab, kind, names):
    """Do what a person does between two deliveries."""
    if kind == "rows above":
        tab.insert_rows(0, 1)
    elif kind == "columns before":
        tab.insert_columns(0, 1)
    elif kind == "line below":
        rows, columns = tab.size
        desk.enlarge(tab, rows=1)
        tab.put(f"{chr(64 + columns)}{rows + 1}", f"mine {next(names)}")
    elif kind == "rename":
        tab.rename(f"Tab {next(names)}")


@settings(
    max_examples=6,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(st.lists(st.tuples(deliveries, edits), min_size=1, max_size=5), st.sampled_from(["replace_window", "append"]))
def test_rows_are_those_of_a_list(quick, table, history, mode):
    quick.open_book()
    held, names, lines = {}, iter(range(1000)), []
    for generation, ((start, count, parts, full), kind) in enumerate(history, start=1):
        first = FIRST + timedelta(days=start)
        last = first + timedelta(days=count - 1)
        rows = day_rows(first, count, parts) if full else day_rows(first, 1, parts)[:1]
        run = quick.run(first=first, last=last, key=f"{start}-{count}", generation=generation)
        quick.deliver(table(rows), run, mode=mode)
        if mode == "append":
            held[start, count] = rows
        else:
            held = {key: row for key, row in held.items() if not first <= key[0] <= last}
            held |= {row[:2]: row for row in rows}
        tab = quick.book.tab(quick.book.titles[1])
        edit(quick, tab, kind, names)
        lines += [f"mine {len(lines)}"] if kind == "line below" else []
    expected = [row for rows in held.values() for row in rows] if mode == "append" else list(held.values())
    found = list(quick.call("read", table([])))
    assert sorted(found) == sorted(expected)
    if mode == "replace_window":
        assert found == sorted(found, key=lambda row: row[0])
    cells = [cell for row in tab.values() for cell in row]
    assert sum(isinstance(cell, str) and cell.startswith("mine") for cell in cells) == len(lines)
    assert sum(cell == day_serial(row[0]) for cell in cells for row in expected[:1]) >= bool(expected)
