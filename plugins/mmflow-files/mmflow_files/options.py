"""What may be said about a file in YAML, and which of it contradicts itself. Light: nothing heavy is imported."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import Annotated, ClassVar, Literal

from msgspec import Meta
from msgspec.structs import replace

from mmflow import CsvDialect, Options, Outline, UserError, check_template
from mmflow_files.locales import LOCALES, PLAIN, Form, Locale

Mode = Annotated[
    Literal["replace", "replace_window"],
    Meta(description="replace: the file holds this report alone. replace_window: rows of other days stay in it."),
]
PATH = "Where it goes under the output folder; words in braces are filled in."
SAMPLE = datetime(2026, 11, 8, 17, 30, tzinfo=UTC)
FREE = ("delimiter", "empty", "date_format", "datetime_format")  # options that may be any text
# The key of an option, or a path in it, and what is wrong with it.
Fault = tuple[str | tuple[str | int, ...], str]
FOREIGN = frozenset({".xlsx", ".xlsm", ".xls", ".ods", ".zip", ".pdf", ".html", ".db", ".bz2", ".xz", ".zst"})
CHANGING = ("{date}", "{first_day}", "{last_day}", "{time}", "{run}")


class FileOptions(Options):
    """What all files have in common."""

    kind: ClassVar[str] = "rows"
    path: str
    mode: Mode = "replace"
    split_by: Annotated[
        tuple[str, ...],
        Meta(
            description="Groups of the report: a file for each of their values, which the path names in braces.",
            examples=[["machine"]],
        ),
    ] = ()
    sidecar: Annotated[
        Literal["none", "schema"],
        Meta(description="schema: a second file PATH.schema.json beside it says what each column holds."),
    ] = "none"


class CsvOptions(FileOptions):
    """Options of the csv sink; the defaults open well in Excel."""

    kind = "CSV"
    path: Annotated[str, Meta(description=PATH, examples=["morning/{date}.csv"])] = "{job}/{date}.csv"
    header: Annotated[
        Literal["labels", "names", "none"], Meta(description="First line: headings for people, API names, or none.")
    ] = "labels"
    footer: Annotated[
        Literal["keep", "drop"],
        Meta(description="Rows under the table (totals, rest); replace_window always drops them."),
    ] = "keep"
    locale: (
        Annotated[
            Locale,
            Meta(description="Delimiter, decimal mark and dates as spreadsheets of that country expect them."),
        ]
        | None
    ) = None
    delimiter: (
        Annotated[
            str,
            Meta(
                pattern=r'^(tab|[^"\r\n\x00])$',
                description="One character between cells, or tab; by the locale unless given, else a comma.",
                examples=[";"],
            ),
        ]
        | None
    ) = None
    decimal: (
        Annotated[
            Literal[".", ","], Meta(description="Decimal mark of numbers; by the locale unless given, else a point.")
        ]
        | None
    ) = None
    quoting: Annotated[
        Literal["minimal", "all", "none"], Meta(description="Quotes: where needed, around every cell, or never.")
    ] = "minimal"
    encoding: Annotated[
        Literal["utf-8-sig", "utf-8", "utf-16", "windows-1252"],
        Meta(description="utf-8-sig is UTF-8 with the mark by which Excel knows it."),
    ] = "utf-8-sig"
    newline: Annotated[Literal["crlf", "lf"], Meta(description="End of a line: Windows or Unix.")] = "crlf"
    empty: Annotated[str, Meta(description="Text for a cell without a value.", examples=["-"])] = ""
    date_format: (
        Annotated[
            str,
            Meta(
                description="Days, in strftime words; by the locale unless given, else %Y-%m-%d.", examples=["%d.%m.%Y"]
            ),
        ]
        | None
    ) = None
    datetime_format: (
        Annotated[
            str,
            Meta(
                description="Times, in strftime words; %z is the offset; by the locale unless given, else "
                "%Y-%m-%dT%H:%M:%S%:z.",
                examples=["%d.%m.%Y %H:%M"],
            ),
        ]
        | None
    ) = None
    formula_guard: Annotated[
        Literal["prefix", "none", "reject"],
        Meta(description="Texts a spreadsheet would run as a formula: put ' before them, leave them, or fail."),
    ] = "prefix"

    @property
    def form(self) -> Form:
        """How cells are written: what the options say, the rest by the locale."""
        preset = LOCALES[self.locale] if self.locale else PLAIN
        given = {name: getattr(self, name) for name in Form._fields}
        return preset._replace(**{name: value for name, value in given.items() if value is not None})

    def dialect(self) -> CsvDialect:
        """Give the same choices in the words of the table."""
        form = self.form
        return CsvDialect(
            delimiter="\t" if form.delimiter == "tab" else form.delimiter,
            quoting=self.quoting,
            decimal=form.decimal,
            empty=self.empty,
            date_format=form.date_format,
            datetime_format=form.datetime_format,
            newline="\r\n" if self.newline == "crlf" else "\n",
            header=self.header,
            formula_guard=self.formula_guard,
            footer=self.footer == "keep" and self.mode == "replace",
        )


class JsonlOptions(FileOptions):
    """Options of the jsonl sink."""

    kind = "JSON lines"
    path: Annotated[str, Meta(description=PATH, examples=["oee/{month}.jsonl"])] = "{job}/{date}.jsonl"


class ParquetOptions(FileOptions):
    """Options of the parquet sink."""

    kind = "Parquet"
    path: Annotated[str, Meta(description=PATH, examples=["oee/{month}.parquet"])] = "{job}/{date}.parquet"


def validate_file(options: FileOptions, outline: Outline) -> Iterator[Fault]:
    """Find what is wrong with the path, and with ``replace_window`` where it cannot work."""
    if problem := check_template(options.path, options.split_by) or check_suffix(options.path, options.kind):
        yield "path", problem
    yield from validate_split(options, outline)
    if options.mode == "replace":
        return
    if options.split_by:
        yield "split_by", "does not go together with replace_window; split by day, and each day is a file of its own"
    if not outline.time_column:
        yield "mode", "replace_window needs a time group in the report, such as day; add one, or use replace"
    for word in CHANGING:
        if word in options.path:
            yield (
                "path",
                f"{options.path!r} is a new file every time, replace_window needs one that stays; leave {word} out",
            )


def validate_split(options: FileOptions, outline: Outline) -> Iterator[Fault]:
    """Find groups to split by that the report has not, or that the path does not tell apart."""
    for place, name in enumerate(options.split_by):
        if name not in outline.groups:
            yield ("split_by", place), f"the report has no group {name!r}; there are: {', '.join(outline.groups)}"
        elif f"{{{name}}}" not in options.path:
            yield "path", f"{options.path!r} is the same for each {name}, by which the file is split; add {{{name}}}"


def validate_parquet(options: ParquetOptions, outline: Outline) -> Iterator[Fault]:
    """Find what is wrong with a Parquet file, which is compressed by itself."""
    yield from validate_file(options, outline)
    if is_packed(options.path):
        yield "path", f"{options.path!r} ends in .gz, and Parquet is compressed already; leave .gz out"


def check_suffix(path: str, kind: str) -> str | None:
    """Say what is wrong with a name that promises another kind of file, or give None."""
    suffix = PurePosixPath(path.lower().removesuffix(".gz")).suffix
    if suffix in FOREIGN:
        return f"{path!r} ends in {suffix}, and holds {kind}; programs would refuse to open it"
    return None


def is_packed(path: str) -> bool:
    """Tell whether a file is to be compressed with gzip, which its name says."""
    return path.lower().endswith(".gz")


def validate_csv(options: CsvOptions, outline: Outline) -> Iterable[Fault]:
    """Find options of a CSV file that contradict each other or that nobody could read back."""
    yield from validate_file(options, outline)
    faults = dict(find_faults(options))
    yield from faults.items()
    if options.mode == "replace_window":
        yield from (fault for fault in validate_rolling(options, outline.time_column) if fault[0] not in faults)


def find_faults(options: CsvOptions) -> Iterator[tuple[str, str]]:
    """Say what is wrong with each option of the text by itself, or else with all of them together."""
    if together := list(explain_refusal(options)):
        alone = (replace(CsvOptions(), **{name: getattr(options, name)}) for name in FREE)
        yield from [fault for one in alone for fault in explain_refusal(one)] or together


def explain_refusal(options: CsvOptions) -> Iterator[tuple[str, str]]:
    """Say which option makes a text that nobody could read, and why."""
    try:
        options.dialect()
    except UserError as error:
        option, _, message = str(error).partition(" ")  # its sentences begin with the option that they are about
        yield option, message


def validate_rolling(options: CsvOptions, time_column: str) -> Iterator[tuple[str, str]]:
    """Find options with which the rows of a CSV file could not be told apart by their time."""
    if options.header == "none":
        yield "header", "replace_window needs a header, to know the columns of the file; use labels or names"
    key, kind = ("datetime_format", "time") if time_column == "hour" else ("date_format", "day")
    form = getattr(options.form, key)
    if not reads_back(form, whole=kind == "time"):
        hint = "write the whole date" + (", the time and %z" if kind == "time" else "")
        yield key, f"the {kind} cannot be read back from {form!r}, which replace_window needs; {hint}"


def reads_back(form: str, *, whole: bool) -> bool:
    """Tell whether a day, or the ``whole`` instant, can be found in a text of this form."""
    try:
        found = datetime.strptime(SAMPLE.strftime(python_form(form)), python_form(form))  # noqa: DTZ007  may lack %z
    except ValueError:
        return False
    return found == SAMPLE if whole else found.date() == SAMPLE.date()


def python_form(form: str) -> str:
    """Give a form of times in the words by which Python reads: ``%z`` for ``%:z`` too, and ``%d`` for ``%-d``."""
    return form.replace("%:", "%").replace("%-", "%")
