"""Google's own description of the Sheets API: which calls there are, and which JSON each of them takes.

The description (``sheets.v4.json``) is the one that google-api-python-client ships. What is stricter here than at
Google: only camelCase names are known, enums are words (never numbers), and what may be repeated has to be a list. The
first violation is told, where Google lists all.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from struct import pack
from typing import Any, Final

from mmflow_sheets.testing.envelope import ApiError, Json, refuse_call

Check = Callable[[Any], Any]
INT32: Final = 1 << 31
EXACT: Final = 1 << 53  # whole numbers up to here are exact in a double

# The description does not tell which fields exclude each other; its sentences and the .proto files do.
ONE_OF: Final[dict[str, tuple[tuple[str, ...], ...]]] = {
    "ExtendedValue": (("numberValue", "stringValue", "boolValue", "formulaValue", "errorValue"),),
    "DataFilter": (("developerMetadataLookup", "a1Range", "gridRange"),),
    "ColorStyle": (("rgbColor", "themeColor"),),
    "ConditionalFormatRule": (("booleanRule", "gradientRule"),),
    "UpdateCellsRequest": (("start", "range"),),
    "DeveloperMetadataLocation": (("spreadsheet", "sheetId", "dimensionRange"),),
    "EmbeddedObjectPosition": (("sheetId", "overlayPosition", "newSheet"),),
    "TextRotation": (("angle", "vertical"),),
    "ConditionValue": (("relativeDate", "userEnteredValue"),),
    "UpdateDimensionPropertiesRequest": (("range", "dataSourceSheetRange"),),
    "AutoResizeDimensionsRequest": (("dimensions", "dataSourceSheetDimensions"),),
    "UpdateConditionalFormatRuleRequest": (("rule", "newIndex"),),
    "FindReplaceRequest": (("range", "sheetId", "allSheets"),),
    "ChartSpec": (
        (
            *("basicChart", "pieChart", "bubbleChart", "candlestickChart", "orgChart"),
            *("histogramChart", "waterfallChart", "treemapChart", "scorecardChart"),
        ),
    ),
    "ChartData": (("sourceRange", "columnReference"),),
}
PLACES: Final = frozenset({"GridRange", "DimensionRange", "GridCoordinate"})  # a missing sheetId means the sheet 0


class Violation(Exception):  # noqa: N818  # named for what it is
    """A value that does not fit; ``path`` grows from the inside out while it is handed up."""

    def __init__(self, says: str) -> None:
        super().__init__(says)
        self.path: list[str | int] = []

    @property
    def place(self) -> str:
        """The path as Google writes it: ``requests[0].update_cells.rows[3]``."""
        text = ""
        for step in reversed(self.path):
            text += f"[{step}]" if isinstance(step, int) else f"{'.' * bool(text)}{to_snake(step)}"
        return text

    def refusal(self) -> ApiError:
        """Put the place into the sentence."""
        place = self.place
        at = f" at '{place}'" if place else ""
        return refuse_call(str(self).replace("{at}", at), place)


def to_snake(name: str) -> str:
    """Give the name of a field as it stands in Google's messages."""
    return re.sub(r"(?<!^)([A-Z])", r"_\1", name).lower()


@dataclass(frozen=True, slots=True)
class Method:
    """A call of the API: how it is addressed and what it takes."""

    name: str  # "spreadsheets.values.get"
    http: str
    pattern: re.Pattern[str]
    parameters: Json
    request: str
    response: str
    scopes: frozenset[str]
    literals: int  # characters of the path that are fixed; the longest match is the one meant


class Document:
    """The description, ready to check by; use :func:`load_document`, since reading it takes a moment."""

    def __init__(self, text: str) -> None:
        described = json.loads(text)
        self.schemas: Json = described["schemas"]
        self.parameters: Json = described["parameters"]
        self.methods = sorted(_list_methods(described), key=lambda method: -method.literals)
        self._checks: dict[str, Check] = {}

    def check(self, schema: str, value: Any) -> Any:
        """Give the value as the schema has it (nulls dropped, ``"5"`` made 5), or raise what Google would answer."""
        try:
            return self._find(schema)(value)
        except Violation as violation:
            raise violation.refusal() from None

    def field(self, schema: str, name: str) -> str | None:
        """Give the schema of a field: "" for anything that is no message, None when there is no such field."""
        prop = self.schemas[schema].get("properties", {}).get(name) if schema else None
        if prop is None:
            return None
        return str(prop.get("$ref") or prop.get("items", {}).get("$ref") or "")

    def _find(self, schema: str) -> Check:
        if schema not in self._checks:
            self._checks[schema] = self._make_message(schema)
        return self._checks[schema]

    def _make(self, prop: Json) -> Check:
        if "$ref" in prop:
            return self._make_reference(prop["$ref"])
        if prop["type"] == "array":
            return _check_list(self._make(prop["items"]))
        if "additionalProperties" in prop:
            return _check_map(self._make(prop["additionalProperties"]))
        if "enum" in prop:
            return _check_enum(frozenset(prop["enum"]))
        return SCALARS[prop["type"], prop.get("format", "")]

    def _make_reference(self, schema: str) -> Check:
        known: list[Check] = []  # found when it is first needed, since schemas name each other in circles

        def check(value: Any) -> Any:
            if not known:
                known.append(self._find(schema))
            return known[0](value)

        return check

    def _make_message(self, schema: str) -> Check:
        fields = {name: self._make(prop) for name, prop in self.schemas[schema].get("properties", {}).items()}
        finish = _find_rules(schema, fields)

        def check(value: Any) -> Any:
            if type(value) is not dict:
                raise Violation(
                    f"Invalid value{{at}} (type.googleapis.com/google.apps.sheets.v4.{schema}), {show(value)}"
                )
            nulls = []
            for name, item in value.items():
                field = fields.get(name)
                if field is None:
                    raise Violation(f'Invalid JSON payload received. Unknown name "{name}"{{at}}: Cannot find field.')
                if item is None:
                    nulls.append(name)
                    continue
                try:
                    fit = field(item)
                except Violation as violation:
                    violation.path.append(name)
                    raise
                if fit is not item:
                    value[name] = fit
            for name in nulls:
                del value[name]
            if finish:
                finish(value)
            return value

        return check


def _find_rules(schema: str, fields: dict[str, Check]) -> Callable[[Json], None] | None:
    if schema in PLACES:
        return lambda value: value.setdefault("sheetId", 0) and None
    if schema == "Request":
        return _require_one
    if schema == "Color":
        return _drop_zeros
    if schema in ONE_OF:
        groups = [frozenset(group) & fields.keys() for group in ONE_OF[schema]]
        return lambda value: _refuse_second(value, groups)
    return None


def _refuse_second(value: Json, groups: list[frozenset[str]]) -> None:
    for group in groups:
        if len(found := [name for name in value if name in group]) > 1:
            first, second = found[:2]
            raise Violation(f"Invalid value{{at}} (oneof), oneof field '{first}' is already set. Cannot set '{second}'")


def _drop_zeros(value: Json) -> None:
    """Leave out shares of a colour that are nothing, as they are missing from Google's answers."""
    for name in [name for name, share in value.items() if not share]:
        del value[name]


def _require_one(value: Json) -> None:
    _refuse_second(value, [frozenset(value)])
    if not value:
        raise Violation("Invalid value{at} (oneof), must specify a request: no kind is set.")


def _check_list(check: Check) -> Check:
    def check_items(value: Any) -> Any:
        if type(value) is not list:
            raise Violation(f"Invalid value{{at}} (repeated), {show(value)}")
        for index, item in enumerate(value):
            try:
                fit = check(item)
            except Violation as violation:
                violation.path.append(index)
                raise
            if fit is not item:
                value[index] = fit
        return value

    return check_items


def _check_map(check: Check) -> Check:
    def check_items(value: Any) -> Any:
        if type(value) is not dict:
            raise Violation(f"Invalid value{{at}} (Map), {show(value)}")
        for name, item in value.items():
            try:
                value[name] = check(item)
            except Violation as violation:
                violation.path.append(name)
                raise
        return value

    return check_items


def _check_enum(words: frozenset[str]) -> Check:
    def check(value: Any) -> Any:
        if not isinstance(value, str) or value not in words:
            raise Violation(f"Invalid value{{at}} (TYPE_ENUM), {show(value)}")
        return value

    return check


def _check_text(value: Any) -> Any:
    if type(value) is not str:
        raise Violation(f"Invalid value{{at}} (TYPE_STRING), {show(value)}")
    return value


def _check_truth(value: Any) -> Any:
    if type(value) is not bool:
        raise Violation(f"Invalid value{{at}} (TYPE_BOOL), {show(value)}")
    return value


def _check_int(value: Any) -> Any:
    is_text = type(value) is str and re.fullmatch(r"-?\d{1,10}", value)
    is_whole = type(value) is float and value.is_integer()
    whole = int(value) if is_text or is_whole else value
    if type(whole) is not int or not -INT32 <= whole < INT32:
        raise Violation(f"Invalid value{{at}} (TYPE_INT32), {show(value)}")
    return whole


def _check_number(value: Any) -> Any:
    if type(value) is str and re.fullmatch(r"-?\d+(\.\d+)?([eE][+-]?\d+)?", value):
        return float(value)
    if type(value) not in {int, float}:
        raise Violation(f"Invalid value{{at}} (TYPE_DOUBLE), {show(value)}")
    if type(value) is int and abs(value) > EXACT:
        return _make_double(value)
    return value


def _make_double(value: int) -> float:
    """Give a whole number as a sheet keeps it: beyond 2**53 its last digits are lost."""
    try:
        return float(value)
    except OverflowError:
        raise Violation(f"Invalid value{{at}} (TYPE_DOUBLE), {show(value)}") from None


def _check_single(value: Any) -> Any:
    """Give a number in single precision, in which Google keeps colours: 0.1 + 0.2 comes back as 0.3."""
    number = _check_number(value)
    single = pack("f", number)
    return next(short for digits in range(6, 10) if pack("f", short := float(f"{number:.{digits}g}")) == single)


SCALARS: Final[dict[tuple[str, str], Check]] = {
    ("string", ""): _check_text,
    ("string", "google-datetime"): _check_text,
    ("string", "google-fieldmask"): _check_text,
    ("boolean", ""): _check_truth,
    ("integer", "int32"): _check_int,
    ("number", "double"): _check_number,
    ("number", "float"): _check_single,
    ("any", ""): lambda value: value,
}


def show(value: Any) -> str:
    """Give a value as it stands in a message, shortened."""
    text = json.dumps(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def _list_methods(described: Json, prefix: str = "") -> list[Method]:
    found = []
    for name, resource in described.get("resources", {}).items():
        inner = f"{prefix}{name}."
        found += [_read_method(f"{inner}{short}", method) for short, method in resource.get("methods", {}).items()]
        found += _list_methods(resource, inner)
    return found


def _read_method(name: str, method: Json) -> Method:
    path = method["path"]
    pattern = "".join(
        f"(?P<{part[1:-1]}>[^/]+)" if part.startswith("{") else re.escape(part) for part in re.split(r"(\{\w+\})", path)
    )
    return Method(
        name=name,
        http=method["httpMethod"],
        pattern=re.compile("/" + pattern),
        parameters=method["parameters"],
        request=method.get("request", {}).get("$ref", ""),
        response=method["response"]["$ref"],
        scopes=frozenset(method["scopes"]),
        literals=len(re.sub(r"\{\w+\}", "", path)),
    )


@cache
def load_document() -> Document:
    """Read the description that google-api-python-client ships."""
    found = find_spec("googleapiclient")
    if found is None or not found.submodule_search_locations:
        raise RuntimeError(
            "the fake Sheets server checks calls by Google's own description, which is part of the package "
            "google-api-python-client, and that is not installed: python -m pip install google-api-python-client"
        )
    folder = Path(next(iter(found.submodule_search_locations)))
    return Document((folder / "discovery_cache" / "documents" / "sheets.v4.json").read_text(encoding="utf-8"))
