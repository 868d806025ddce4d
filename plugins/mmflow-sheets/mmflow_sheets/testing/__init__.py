"""A Google Sheets for tests: real HTTP, checked by Google's own description of the API, with its state in memory.

It shares no code with the sink, so that a misunderstanding cannot hide by being made twice, and it is usable unchanged
by other clients, such as google-api-python-client (which has to be installed: the description is part of it).
"""

from __future__ import annotations

from mmflow_sheets.testing.access import PERSON, SERVICE_ACCOUNT
from mmflow_sheets.testing.faults import Fault
from mmflow_sheets.testing.handle import Spreadsheet, Tab
from mmflow_sheets.testing.server import Request, SheetsServer

__all__ = ["PERSON", "SERVICE_ACCOUNT", "Fault", "Request", "SheetsServer", "Spreadsheet", "Tab"]
