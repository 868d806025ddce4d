"""Writes one delivery as the requests of a single ``batchUpdate``, which Google applies as a whole or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import msgspec

from mmflow import GiveUp, LightRule, RunInfo, Table
from mmflow_sheets.chart import draw_chart
from mmflow_sheets.content import ENCODER, Colour, Content, colour_rows, encode_plain
from mmflow_sheets.formats import light_cell, number_format
from mmflow_sheets.grid import Rect
from mmflow_sheets.layout import Layout
from mmflow_sheets.mark import KEY, Mark, add_delivery, name_sink
from mmflow_sheets.note import write_note
from mmflow_sheets.options import SheetsOptions
from mmflow_sheets.target import Target

Request: TypeAlias = dict[str, Any]
LARGEST_REQUEST: Final = 50_000_000  # bytes; Google names no limit, and stops working after three minutes
VALUE: Final = "userEnteredValue"
NUMBER: Final = "userEnteredFormat.numberFormat"
BOLD: Final = "userEnteredFormat.textFormat.bold"
LIGHT: Final = "userEnteredFormat.backgroundColorStyle"


@dataclass(frozen=True, slots=True)
class Batch:
    """Everything from which the requests of a delivery follow."""

    table: Table
    options: SheetsOptions
    run: RunInfo
    target: Target
    content: Content
    layout: Layout

    def encode(self) -> bytes:
        """Give the body of the request; :class:`GiveUp` when it is too large for one."""
        body = ENCODER.encode({"requests": list(self.list_requests())})
        if len(body) > LARGEST_REQUEST:
            size = f"{len(body) / 1e6:,.0f} MB for {self.content.rows:,} rows of {len(self.content.columns)} columns"
            raise GiveUp(
                f"the request would have {size}, and one request has at most {LARGEST_REQUEST / 1e6:,.0f} MB here, "
                "since a table is written in one step; send fewer rows or columns, or use another sink"
            )
        return body

    def list_requests(self) -> Iterator[Request]:
        """Give the requests in the order in which they are applied."""
        yield from self.make_room()
        yield from self.take_turn()
        yield from self.clear_old()
        yield from self.write_rows()
        yield from self.write_looks()
        yield self.name_cells()
        yield from self.finish_tab()

    # ---- room

    def make_room(self) -> Iterator[Request]:
        """Add the tab or what it lacks in rows and columns, and push down what people keep below the table."""
        target, layout = self.target, self.layout
        grid = {"rowCount": layout.rows, "columnCount": layout.columns}
        sheet = {"sheetId": target.sheet, "gridProperties": grid}
        if target.new:
            yield {"addSheet": {"properties": {**sheet, "title": target.title}}}
        elif layout.rows > target.rows or layout.columns > target.columns:
            fields = "gridProperties.rowCount,gridProperties.columnCount"
            yield {"updateSheetProperties": {"properties": sheet, "fields": fields}}
        if layout.pushed and target.old:
            wide = layout.new.join(target.old)
            gap = Rect(layout.push_at, wide.left, layout.push_at + layout.pushed, wide.right)
            yield {"insertRange": {"range": gap.on(target.sheet), "shiftDimension": "ROWS"}}

    def clear_old(self) -> Iterator[Request]:
        """Empty the cells of the delivery before that this one does not write."""
        old, mark = self.layout.old, self.target.mark
        if old is None or old.empty:
            return
        for piece in old.minus(self.layout.new):
            yield self.update(piece, VALUE)
        if mark:
            yield from self.clear_looks(old, mark)

    def clear_looks(self, old: Rect, mark: Mark) -> Iterator[Request]:
        """Take back what was made bold and what was coloured, where that is no longer meant."""
        headless = not self.content.header or old.corner != self.layout.new.corner
        bold = [old.rows(old.height - mark.footer, old.height), old.rows(0, int(mark.header and headless))]
        for rows in bold if self.options.formats == "write" else ():
            if not rows.empty:
                yield self.repeat(rows, {}, BOLD)
        for place in mark.lit:
            kept = self.layout.first if place in self.lit else 0
            stale = old.rows(mark.header + kept, old.height).column(place)
            if not stale.empty:
                yield self.repeat(stale, {}, LIGHT)

    # ---- rows

    def write_rows(self) -> Iterator[Request]:
        """Write header, body and totals."""
        content, layout = self.content, self.layout
        if content.header:
            yield self.update(layout.new.rows(0, 1), VALUE, content.header)
        width = content.width
        parts = (encode_plain(layout.head, width), content.body, encode_plain(layout.tail, width))
        written = len(layout.head) + content.rows + len(layout.tail)
        if written:
            cells = layout.body_rows(layout.first, layout.first + written)
            yield self.update(cells, VALUE, b",".join(filter(None, parts)))
        if content.footers:
            yield self.update(layout.body_rows(layout.body, layout.body + content.footers), VALUE, content.footer)
        if not content.header and not layout.body + content.footers:
            yield self.update(layout.new, VALUE)

    # ---- looks

    def write_looks(self) -> Iterator[Request]:
        """Write formats of numbers, bold rows, traffic lights and the note."""
        content, layout = self.content, self.layout
        if self.options.formats == "write":
            yield from self.write_formats()
        for rule, colours in zip(content.rules, content.colours, strict=True):
            yield from self.write_lights(rule, colours)
        if self.options.note != "none":
            corner = layout.new.rows(0, 1).column(0)
            note = write_note(self.table, self.options, self.run)
            yield self.update(corner, "note", ENCODER.encode({"values": [{"note": note} if note else {}]}))
        old, mark = layout.old, self.target.mark
        if mark and old and old.corner != layout.new.corner:
            yield self.update(old.rows(0, 1).column(0), "note")

    def write_formats(self) -> Iterator[Request]:
        """Write a format for each column, and bold header and totals."""
        content, layout = self.content, self.layout
        below = layout.body_rows(0, layout.body + content.footers)
        for place, column in enumerate(content.columns):
            if not below.empty:
                form = number_format(column, self.options)
                cell = {"userEnteredFormat": {"numberFormat": form}} if form else {}
                yield self.repeat(below.column(place), cell, NUMBER)
        bold = {"userEnteredFormat": {"textFormat": {"bold": True}}}
        if content.header:
            yield self.repeat(layout.new.rows(0, 1), bold, BOLD)
        if content.footers:
            yield self.repeat(layout.body_rows(layout.body, layout.body + content.footers), bold, BOLD)

    def write_lights(self, rule: LightRule, colours: tuple[Colour, ...]) -> Iterator[Request]:
        """Colour one column, in the rows that are written."""
        layout, columns = self.layout, self.content.columns
        listed = [
            *colour_rows(layout.head, rule, columns),
            *colours,
            *colour_rows(layout.tail, rule, columns),
        ]
        if listed:
            cells = layout.body_rows(layout.first, layout.first + len(listed)).column(rule.place)
            rows = ENCODER.encode([{"values": [light_cell(colour)]} for colour in listed])[1:-1]
            yield self.update(cells, LIGHT, rows)

    @property
    def lit(self) -> tuple[int, ...]:
        """The places of columns with traffic lights."""
        return tuple(rule.place for rule in self.content.rules)

    # ---- memory

    def take_turn(self) -> Iterator[Request]:
        """Note which delivery this is, in the place of the note before; refused when another delivery was faster."""
        target = self.target
        if target.note is not None:
            yield {"deleteDeveloperMetadata": {"dataFilter": {"developerMetadataLookup": {"metadataId": target.note}}}}
        note = {
            "metadataId": target.turn,
            "metadataKey": KEY,
            "metadataValue": ENCODER.encode(self.make_mark()).decode(),
            "location": {"sheetId": target.sheet},
            "visibility": "DOCUMENT",
        }
        yield {"createDeveloperMetadata": {"developerMetadata": note}}

    def name_cells(self) -> Request:
        """Name the cells of the table, by which they are found again."""
        target = self.target
        cells = self.layout.new.on(target.sheet)
        if target.range_id:
            named = {"namedRangeId": target.range_id, "name": target.range_name, "range": cells}
            return {"updateNamedRange": {"namedRange": named, "fields": "range"}}
        return {"addNamedRange": {"namedRange": {"name": target.range_name, "range": cells}}}

    def make_mark(self) -> Mark:
        """Give what is noted."""
        content, target, earlier = self.content, self.target, self.target.mark
        return Mark(
            sink=name_sink(self.run),
            tab=self.options.tab,
            anchor=self.options.anchor,
            columns=tuple(column.name for column in content.columns),
            units=tuple(column.unit for column in content.columns),
            header=bool(content.header),
            footer=content.footers,
            lit=self.lit,
            keyed=bool(content.key),
            range_id=target.range_id,
            range_name=target.range_name,
            last=add_delivery(earlier.last if earlier else (), self.run, content.sha256),
        )

    # ---- the tab

    def finish_tab(self) -> Iterator[Request]:
        """Hide the column of keys, freeze the header, draw the chart, and cut empty rows off."""
        yield from self.hide_keys()
        new, target = self.layout.new, self.target
        freeze = self.options.freeze_header
        if self.content.header and (freeze == "always" or (freeze == "new_tab" and target.new)):
            yield self.set_grid("frozenRowCount", new.top + 1)
        if target.new:
            yield {"autoResizeDimensions": {"dimensions": self.columns(new.left, new.left + len(self.content.columns))}}
        if self.options.chart:
            yield draw_chart(self.options.chart, self.options, self.run, target, self.content.columns, self.layout)
        old = self.layout.old
        if self.options.grid == "fit" and old and new.bottom < old.bottom == self.layout.rows:
            yield self.set_grid("rowCount", max(new.bottom, new.top + 2))

    def hide_keys(self) -> Iterator[Request]:
        """Hide the column of keys when it is new, and show one that is no longer needed."""
        mark, old, new = self.target.mark, self.layout.old, self.layout.new
        before = old.right - 1 if mark and mark.keyed and old else None
        now = new.right - 1 if self.content.key else None
        for place, hidden in ((before, False), (now, True)):
            if place is not None and before != now:
                change = {"properties": {"hiddenByUser": hidden}, "fields": "hiddenByUser"}
                yield {"updateDimensionProperties": {"range": self.columns(place, place + 1), **change}}

    # ---- the form of requests

    def update(self, cells: Rect, fields: str, rows: bytes = b"") -> Request:
        """Write rows (JSON, joined by commas) to cells; cells without a row are emptied."""
        listed = {"rows": msgspec.Raw(b"[" + rows + b"]")} if rows else {}
        return {"updateCells": {"range": cells.on(self.target.sheet), "fields": fields, **listed}}

    def repeat(self, cells: Rect, cell: Request, fields: str) -> Request:
        """Set a part of all cells alike."""
        return {"repeatCell": {"range": cells.on(self.target.sheet), "cell": cell, "fields": fields}}

    def columns(self, first: int, last: int) -> Request:
        """Give whole columns, ``last`` excluded."""
        return {"sheetId": self.target.sheet, "dimension": "COLUMNS", "startIndex": first, "endIndex": last}

    def set_grid(self, name: str, value: int) -> Request:
        """Set a property of the tab's grid."""
        properties = {"sheetId": self.target.sheet, "gridProperties": {name: value}}
        return {"updateSheetProperties": {"properties": properties, "fields": f"gridProperties.{name}"}}
