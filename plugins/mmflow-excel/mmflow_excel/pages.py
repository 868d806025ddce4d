"""What stands on the sheets of a workbook, before anything is written: tables, pivots, and the numbers of Paretos."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from msgspec import structs

from mmflow import Column, GiveUp, Table, find_lights
from mmflow_excel.colours import Paint, paint_column
from mmflow_excel.names import find_doubles, number_sheet, write_headings
from mmflow_excel.options import Chart, ExcelOptions, Pivot, Sheet
from mmflow_excel.pareto import rank_shares
from mmflow_excel.pivot import Crosswise, lay_out
from mmflow_excel.places import LAST_COLUMN, LAST_ROW
from mmflow_excel.rows import Row, Rows, pick_cells

FIRST_ROW: Final = 2  # of the rows of a table, under its heading; counts from 1
NOTICE_GAP: Final = 1


@dataclass(frozen=True, slots=True)
class Page:
    """One sheet with one table: headings in the first row, then ``rows``, then ``footer``, then ``notices``."""

    name: str
    rows: Rows
    headings: tuple[str, ...]
    footer: tuple[Row, ...] = ()
    notices: tuple[str, ...] = ()
    paints: tuple[Paint, ...] = ()
    charts: tuple[Chart, ...] = ()
    crosswise: bool = False  # a pivot: its columns are values of the report, and all of them are drawn

    @property
    def columns(self) -> tuple[Column, ...]:
        """Give its columns."""
        return self.rows.columns

    @property
    def last_row(self) -> int:
        """Give the last row of the table, counting from 1; a table of Excel has a row even when it is empty."""
        return FIRST_ROW - 1 + max(1, self.rows.length)

    @property
    def below(self) -> int:
        """Count the rows that stand under the table."""
        return len(self.footer) + (NOTICE_GAP + len(self.notices) if self.notices else 0)


def list_pages(table: Table, rows: Rows, options: ExcelOptions) -> list[Page]:
    """Give the sheets in order; ``rows`` are those of the table, with what stays of an earlier workbook.

    :class:`mmflow.GiveUp` says what does not fit into a sheet.
    """
    keep = options.footer == "keep" and options.mode == "replace"
    footer = tuple(row.values for row in table.footer) if keep else ()
    main = make_page(options.sheet, rows, options, footer=footer, notices=table.notices, charts=options.charts)
    pages = [main, *(further_page(sheet, rows, footer, options) for sheet in options.sheets)]
    pages = [part for page in pages for part in split_page(page, options)]
    check_names(pages)
    ranked = list(pareto_pages(pages))
    return [*(replace(page, charts=tuple(c for c in page.charts if c.type != "pareto")) for page in pages), *ranked]


def make_page(
    name: str,
    rows: Rows,
    options: ExcelOptions,
    *,
    footer: tuple[Row, ...] = (),
    notices: tuple[str, ...] = (),
    charts: tuple[Chart, ...] = (),
) -> Page:
    """Give the sheet of a plain table."""
    check_width(name, len(rows.columns))
    headings = tuple(write_headings(column.label or column.name for column in rows.columns))
    return paint_page(Page(name, rows, headings, footer, notices, (), charts), options)


def paint_page(page: Page, options: ExcelOptions) -> Page:
    """Add the traffic lights of the columns that the page has."""
    rules = find_lights(options.lights, page.columns)
    paints = [paint for rule in rules for paint in paint_column(rule, page.columns, FIRST_ROW, page.last_row)]
    return replace(page, paints=tuple(paints))


def further_page(sheet: Sheet, rows: Rows, footer: tuple[Row, ...], options: ExcelOptions) -> Page:
    """Give one of the further sheets. Totals stand under it when it shows all rows."""
    if sheet.pivot is not None:
        return pivot_page(sheet, sheet.pivot, rows, options)
    names = [column.name for column in rows.columns]
    shown = [name for name in sheet.columns or names if name in names]
    if not shown:
        raise GiveUp(f"sheet {sheet.name!r} shows {', '.join(sheet.columns)}, and the report has {', '.join(names)}")
    under = [pick_cells(row, [names.index(name) for name in shown]) for row in footer] if sheet.limit is None else []
    if under and shown[0] != names[0]:  # the words "Total" stand in a column that is not shown, or elsewhere
        under = []
    wanted = rows.sort(sheet.sort, sheet.limit).pick(shown)
    return make_page(sheet.name, wanted, options, footer=tuple(under), charts=sheet.charts)


def pivot_page(sheet: Sheet, pivot: Pivot, rows: Rows, options: ExcelOptions) -> Page:
    """Give a sheet on which values are laid out crosswise."""
    made: Crosswise = lay_out(pivot, rows.sort(sheet.sort), sheet.name, find_lights(options.lights, rows.columns))
    check_width(sheet.name, len(made.rows.columns))
    wanted = made.rows.part(0, sheet.limit or made.rows.length)
    headings = tuple(write_headings(column.label for column in wanted.columns))
    paints = made.paint(FIRST_ROW, wanted.length)
    charts = sheet.charts if wanted.length else ()  # without rows there are no columns that could be drawn
    return Page(sheet.name, wanted, headings, paints=paints, charts=charts, crosswise=True)


def check_width(name: str, columns: int) -> None:
    """Raise :class:`GiveUp` for more columns than a sheet has."""
    if columns > LAST_COLUMN:
        raise GiveUp(f"sheet {name!r} would have {columns:,} columns, Excel has {LAST_COLUMN:,}; ask for fewer days")


def split_page(page: Page, options: ExcelOptions) -> Iterator[Page]:
    """Give the page in as many parts as it takes; all but the last are full, and what stands under it is on the last.

    Charts stand on the first part and draw its rows.
    """
    room = LAST_ROW - 1
    if page.rows.length + page.below <= room:
        yield page
        return
    if options.on_overflow == "fail":
        found = f"sheet {page.name!r} would have {page.rows.length:,} rows, Excel has room for {room - page.below:,}"
        raise GiveUp(f"{found}; ask for fewer, or write 'on_overflow: split'")
    starts = list(range(0, page.rows.length, room))
    if page.rows.length - starts[-1] + page.below > room:
        starts.append(page.rows.length)  # a last part for what stands under the table alone
    for number, start in enumerate(starts, 1):
        last = number == len(starts)
        part = Page(
            number_sheet(page.name, number),
            page.rows.part(start, room),
            page.headings,
            page.footer if last else (),
            page.notices if last else (),
            charts=page.charts if number == 1 else (),
        )
        yield part if page.crosswise else paint_page(part, options)


def check_names(pages: Sequence[Page]) -> None:
    """Raise :class:`GiveUp` when a sheet that others go on in has the name of one that the job asks for."""
    for place in find_doubles([page.name for page in pages]):
        raise GiveUp(
            f"rows go on in a sheet {pages[place].name!r}, which is the name of another; give that another name"
        )


def pareto_pages(pages: Sequence[Page]) -> Iterator[Page]:
    """Give a sheet for each Pareto chart: its numbers, the largest first, with their share so far."""
    taken = {page.name.lower() for page in pages}
    for page in pages:
        for chart in page.charts:
            if chart.type == "pareto":
                name = free_name(chart.sheet or "Pareto", taken)
                rows = rank_shares(page.rows, page.headings, chart, page.name)
                headings = tuple(write_headings(column.label for column in rows.columns))
                drawn = structs.replace(
                    chart, x=rows.columns[0].name, y=(rows.columns[1].name,), line=("share",), sheet=""
                )
                yield Page(name, rows, headings, charts=(drawn,))


def free_name(name: str, taken: set[str]) -> str:
    """Give a sheet a name that none has yet."""
    number = 1
    while (wanted := number_sheet(name, number)).lower() in taken:
        number += 1
    taken.add(wanted.lower())
    return wanted


def find_places(names: Sequence[str], page: Page) -> list[int]:
    """Give the places of columns that a chart names, by name or by heading; those that a run left out are passed by."""
    known = {heading: place for place, heading in enumerate(page.headings)}
    known |= {column.name: place for place, column in enumerate(page.columns)}
    return [known[name] for name in names if name in known]
