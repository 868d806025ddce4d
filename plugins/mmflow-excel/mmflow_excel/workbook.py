"""Makes a workbook: XlsxWriter lays out the sheets, and the rows of the tables are put in afterwards, in a stream.

XlsxWriter gets the headings, totals, widths, charts and colours, and of the rows one without values that shows which
number each cell format has. That row is then replaced by the real ones, which is many times faster than cell by cell,
and takes no memory.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC
from io import BytesIO
from typing import Any, BinaryIO, Final

import xlsxwriter

from mmflow import GiveUp, RunInfo, Table
from mmflow_excel.about import list_facts
from mmflow_excel.cellxml import cut_text
from mmflow_excel.charts import count_rows_high, draw_chart, place_chart
from mmflow_excel.colours import PAINTS
from mmflow_excel.formats import DAY, TIME, choose_format, fold_names, measure_column, name_time, pick_column
from mmflow_excel.names import name_table
from mmflow_excel.options import ExcelOptions
from mmflow_excel.pages import FIRST_ROW, Page
from mmflow_excel.splice import put_rows
from mmflow_excel.values import sheet_value

BARE: Final = {"valign": "top"}  # no format is Excel's first, which would not be written into cells
TOTALS: Final = {**BARE, "bold": True, "bg_color": "#F2F2F2"}
DATED: Final = {**BARE, "align": "left"}  # apart from the numbers
NOTICE: Final = {**BARE, "italic": True, "font_color": "#595959"}
LABEL: Final = {**BARE, "bold": True}
WRAPPED: Final = {**BARE, "text_wrap": True}
PLAIN_TEXT: Final = {"strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False}
ONE_PAGE: Final = 15  # columns that stay legible on one page
ABOUT_WIDTHS: Final = (20, 80)
LONGEST_COMMENT: Final = 2_000  # of a workbook's properties
SAMPLE: Final = 300  # rows by which columns get their width


@dataclass
class Maker:
    """A workbook in the making; formats that are asked for twice are made once."""

    book: Any
    options: ExcelOptions
    year: int
    made: dict[tuple[tuple[str, object], ...], Any] = field(default_factory=dict)
    tables: list[str] = field(default_factory=list)

    def style(self, **looks: object) -> Any:
        """Give a cell format."""
        key = tuple(sorted(looks.items()))
        if key not in self.made:
            self.made[key] = self.book.add_format(looks)
        return self.made[key]

    def add_page(self, page: Page) -> None:
        """Lay out a sheet with its table, all but the rows."""
        sheet = self.book.add_worksheet(page.name)
        self.add_table(sheet, page)
        self.set_columns(sheet, page)
        self.add_seeds(sheet, page)
        self.add_footer(sheet, page)
        for paint in page.paints:
            look = self.style(**PAINTS[paint.colour])
            rule = {"type": "formula", "criteria": paint.formula, "format": look, "stop_if_true": True}
            expect_done(sheet.conditional_format(str(paint.area), rule), "a traffic light")
        sheet.freeze_panes(1, 1 if page.columns[0].role == "group" else 0)
        sheet.set_landscape()
        sheet.repeat_rows(0)
        if len(page.columns) <= ONE_PAGE:
            sheet.fit_to_pages(1, 0)
        else:
            sheet.repeat_columns(0)

    def add_table(self, sheet: Any, page: Page) -> None:
        """Make the cells of a page a table of Excel, of one row: XlsxWriter would look at each of many."""
        name = name_table(page.name, self.tables)
        self.tables.append(name)
        style = None if self.options.table_style == "none" else f"Table Style {self.options.table_style}"
        bold = self.style(**LABEL, text_wrap=True)
        columns = [{"header": heading, "header_format": bold} for heading in page.headings]
        table = {"name": name, "style": style, "columns": columns}
        expect_done(sheet.add_table(0, 0, FIRST_ROW - 1, len(columns) - 1, table), "a table")

    def set_columns(self, sheet: Any, page: Page) -> None:
        """Set the widths, by the headings and the first rows, and hide what is to be hidden."""
        sample = page.rows.head(SAMPLE) + list(page.footer)
        for place, (column, heading) in enumerate(zip(page.columns, page.headings, strict=True)):
            form = choose_format(column, self.options.formats)
            width = measure_column(column, heading, form, pick_column(sample, place))
            hidden = column.name in self.options.hidden
            expect_done(sheet.set_column(place, place, width, None, {"hidden": hidden}), "a column")

    def add_seeds(self, sheet: Any, page: Page) -> None:
        """Write a row without values, in the formats of the columns and then of the hours that come twice."""
        forms = [choose_format(column, self.options.formats) for column in page.columns]
        for place, column in enumerate(page.columns):
            if column.type == "datetime":
                forms += [name_time(forms[place], name) for name in fold_names(column.zone, self.year)]
        for place, form in enumerate(forms):
            look = DATED if form.startswith((DAY, TIME)) else BARE
            expect_done(sheet.write_blank(FIRST_ROW - 1, place, None, self.style(**look, num_format=form)), "a cell")

    def add_footer(self, sheet: Any, page: Page) -> None:
        """Write what stands under the table: the service's totals as they are, and the notices."""
        number = page.last_row
        for row in page.footer:
            for place, (cell, column) in enumerate(zip(row, page.columns, strict=True)):
                look = self.style(**TOTALS, num_format=choose_format(column, self.options.formats))
                put_value(sheet, number, place, sheet_value(cell, column), look)
            number += 1
        for notice in page.notices:
            number += 1  # the first after an empty row
            put_value(sheet, number, 0, notice, self.style(**NOTICE))

    def add_charts(self, pages: Sequence[Page]) -> None:
        """Draw the charts: beside their numbers, beside those of another sheet, or on sheets of their own."""
        hosts = {page.name.lower(): page for page in pages}
        sheets = {sheet.name.lower(): sheet for sheet in self.book.worksheets()}
        used: Counter[str] = Counter()
        for page in pages:
            for chart in page.charts:
                name = chart.sheet or page.name
                low = name.lower()
                if low not in sheets:
                    sheets[low] = self.add_gallery(name)
                place = place_chart(used[low], hosts.get(low))
                used[low] += count_rows_high(chart, page)
                drawn = draw_chart(self.book, chart, page, self.options)
                expect_done(sheets[low].insert_chart(*place, drawn), f"a chart beside the columns of {name!r}")

    def add_gallery(self, name: str) -> Any:
        """Add a sheet for charts alone."""
        sheet = self.book.add_worksheet(name)
        sheet.hide_gridlines(2)
        sheet.set_landscape()
        sheet.fit_to_pages(1, 0)
        return sheet

    def add_about(self, table: Table, run: RunInfo) -> None:
        """Add the sheet that says what the workbook is about."""
        sheet = self.book.add_worksheet("About")
        sheet.hide_gridlines(2)
        sheet.set_landscape()
        sheet.fit_to_pages(1, 0)
        for place, width in enumerate(ABOUT_WIDTHS):
            expect_done(sheet.set_column(place, place, width), "a column")
        for number, (label, text) in enumerate(list_facts(table, run, rolling=self.options.mode == "replace_window")):
            put_value(sheet, number, 0, label or None, self.style(**LABEL))
            put_value(sheet, number, 1, text, self.style(**WRAPPED))


def write_workbook(out: BinaryIO, pages: Sequence[Page], table: Table, options: ExcelOptions, run: RunInfo) -> None:
    """Write the workbook; equal pages of one run give equal bytes."""
    plan = BytesIO()
    book = xlsxwriter.Workbook(plan, {"in_memory": True, **PLAIN_TEXT})
    read_at = run.extracted_at.astimezone(UTC).replace(tzinfo=None)
    book.set_properties({"title": run.job, "comments": run.facts.description[:LONGEST_COMMENT], "created": read_at})
    maker = Maker(book, options, run.slot.year)
    for page in pages:
        maker.add_page(page)
    maker.add_charts(pages)
    if options.about:
        maker.add_about(table, run)
    book.close()
    put_rows(plan, out, pages)


def put_value(sheet: Any, row: int, place: int, value: object, look: Any) -> None:
    """Write one cell by the type of its value; a text is never anything else, whatever it looks like."""
    if value is None:
        done = sheet.write_blank(row, place, None, look)
    elif isinstance(value, str):
        done = sheet.write_string(row, place, cut_text(value), look)
    elif isinstance(value, bool):
        done = sheet.write_boolean(row, place, value, look)
    else:
        done = sheet.write_number(row, place, value, look)
    expect_done(done, "a cell")


def expect_done(code: int, what: str) -> None:
    """Raise :class:`GiveUp` for what XlsxWriter does not write; it says so by a number alone."""
    if code:
        raise GiveUp(f"Excel does not take {what} (code {code}); report this with the job")
