"""Report automation for MachineMetrics: one small YAML file is one report.

A run is one line. Each step takes the product of the step before and gives a new one; only ``run.py`` knows the order::

    jobs/morning.yaml
      │ read      text to values, each with its line and column              document
      │ check     values to a job, or every problem at once                  check
      │ plan      a job and a slot to one span per site, cut into slices     plan
      │ fetch     slices to raw answers on disk                              fetch, api
      │ load      raw answers, held against what was asked, to raw tables    load
      │ shape     raw tables to the report table, stored as a snapshot       shape
      │ gate      deliver, hold, or skip                                     gate
      │ deliver   one receipt for each sink                                  deliver
      ▼ record    slots, runs, deliveries, receipts                          ledger

This module holds the public names: what those who write plugins may use, and nothing else is promised to stay. They are
imported when they are first used, so that ``import mmflow`` costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

__version__ = "0.1.0"

if TYPE_CHECKING:
    from mmflow.durations import parse_duration as parse_duration
    from mmflow.errors import GiveUp as GiveUp
    from mmflow.errors import MmflowError as MmflowError
    from mmflow.errors import StateError as StateError
    from mmflow.errors import TryLater as TryLater
    from mmflow.errors import Unknown as Unknown
    from mmflow.errors import UserError as UserError
    from mmflow.errors import suggest_name as suggest_name
    from mmflow.files import explain_errors as explain_errors
    from mmflow.files import file_receipt as file_receipt
    from mmflow.files import replace_file as replace_file
    from mmflow.hookspecs import hookimpl as hookimpl
    from mmflow.ledger.lock import lock_file as lock_file
    from mmflow.lights import Light as Light
    from mmflow.lights import LightRule as LightRule
    from mmflow.lights import Lights as Lights
    from mmflow.lights import check_lights as check_lights
    from mmflow.lights import find_lights as find_lights
    from mmflow.options import Options as Options
    from mmflow.paths import PATH_WORDS as PATH_WORDS
    from mmflow.paths import check_template as check_template
    from mmflow.paths import place_file as place_file
    from mmflow.refs import Secret as Secret
    from mmflow.refs import has_reference as has_reference
    from mmflow.replacement import Replacement as Replacement
    from mmflow.replacement import moment_text as moment_text
    from mmflow.sinks import Facts as Facts
    from mmflow.sinks import MovedCell as MovedCell
    from mmflow.sinks import MovedWindow as MovedWindow
    from mmflow.sinks import Notice as Notice
    from mmflow.sinks import NoticeInfo as NoticeInfo
    from mmflow.sinks import NoticeItem as NoticeItem
    from mmflow.sinks import Outline as Outline
    from mmflow.sinks import Partial as Partial
    from mmflow.sinks import Presence as Presence
    from mmflow.sinks import Receipt as Receipt
    from mmflow.sinks import Rendering as Rendering
    from mmflow.sinks import RunInfo as RunInfo
    from mmflow.sinks import SinkType as SinkType
    from mmflow.sinks import Skip as Skip
    from mmflow.table import Cell as Cell
    from mmflow.table import Column as Column
    from mmflow.table import CsvDialect as CsvDialect
    from mmflow.table import FooterRow as FooterRow
    from mmflow.table import Table as Table
    from mmflow.table import shorten_cell as shorten_cell
    from mmflow.table.columns import align_texts as align_texts
    from mmflow.table.columns import show_cell as show_cell
    from mmflow.windows import Span as Span

# Where each public name lives.
PUBLIC = {
    "Cell": "mmflow.table",
    "Column": "mmflow.table",
    "CsvDialect": "mmflow.table",
    "Facts": "mmflow.sinks",
    "FooterRow": "mmflow.table",
    "GiveUp": "mmflow.errors",
    "Light": "mmflow.lights",
    "LightRule": "mmflow.lights",
    "Lights": "mmflow.lights",
    "MmflowError": "mmflow.errors",
    "MovedCell": "mmflow.sinks",
    "MovedWindow": "mmflow.sinks",
    "Notice": "mmflow.sinks",
    "NoticeInfo": "mmflow.sinks",
    "NoticeItem": "mmflow.sinks",
    "Options": "mmflow.options",
    "Outline": "mmflow.sinks",
    "PATH_WORDS": "mmflow.paths",
    "Partial": "mmflow.sinks",
    "Presence": "mmflow.sinks",
    "Receipt": "mmflow.sinks",
    "Rendering": "mmflow.sinks",
    "Replacement": "mmflow.replacement",
    "RunInfo": "mmflow.sinks",
    "Secret": "mmflow.refs",
    "SinkType": "mmflow.sinks",
    "Skip": "mmflow.sinks",
    "Span": "mmflow.windows",
    "StateError": "mmflow.errors",
    "Table": "mmflow.table",
    "TryLater": "mmflow.errors",
    "Unknown": "mmflow.errors",
    "UserError": "mmflow.errors",
    "align_texts": "mmflow.table.columns",
    "check_lights": "mmflow.lights",
    "check_template": "mmflow.paths",
    "explain_errors": "mmflow.files",
    "file_receipt": "mmflow.files",
    "find_lights": "mmflow.lights",
    "has_reference": "mmflow.refs",
    "hookimpl": "mmflow.hookspecs",
    "lock_file": "mmflow.ledger.lock",
    "moment_text": "mmflow.replacement",
    "parse_duration": "mmflow.durations",
    "place_file": "mmflow.paths",
    "replace_file": "mmflow.files",
    "shorten_cell": "mmflow.table",
    "show_cell": "mmflow.table.columns",
    "suggest_name": "mmflow.errors",
}


def __getattr__(name: str) -> object:
    """Import a public name when it is first asked for."""
    if name not in PUBLIC:
        raise AttributeError(f"module 'mmflow' has no public name {name!r}")
    from importlib import import_module

    return getattr(import_module(PUBLIC[name]), name)


def __dir__() -> list[str]:
    """List what is public."""
    return [*PUBLIC, "__version__"]
