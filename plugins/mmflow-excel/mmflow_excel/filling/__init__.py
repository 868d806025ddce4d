"""Fills a table or a named range of an existing workbook, and leaves everything else as it is.

::

    template ── package (safe to open?) ── book (which target?) ── survey (formats, formulas, what is below)
                                                                      │
    table ── layout (which column where) ── kept (rows that stay) ── rewrite (the sheet) + parts (its ranges) ── out
"""

from __future__ import annotations

from mmflow_excel.filling.fill import FillOptions, check_book, check_target, fill_template, plan_target, read_target

__all__ = ["FillOptions", "check_book", "check_target", "fill_template", "plan_target", "read_target"]
