"""What concerns several sinks of a job, or a sink before it delivers: files, differences, dates in cells."""

import pytest

from tests.acme import ACME, JOB, states


@pytest.fixture
def acme(desk, install):
    """A desk with the package, and a job that mails a book."""
    install("acme", ACME)
    desk.job(JOB)
    return desk


def test_a_stand_in_makes_a_run_degraded_and_not_failed(acme):
    acme.job(JOB.replace("{type: csv,", "{type: csv, fallback: jsonl,") + '      - {type: jsonl, path: "x.jsonl"}\n')
    (acme.root / "out" / "daily.csv").mkdir(parents=True)
    done = acme.mmflow("run", "daily", "--json")
    assert (done.code, done.data["state"]) == (0, "degraded")
    assert states(done.data)["jsonl"] == "done"
    assert "csv: cannot write" in done.data["error"]


def test_preview_puts_the_file_where_it_is_wanted(acme):
    done = acme.mmflow("preview", "daily", "--sink", "book", "--save", "seen")
    assert done.out.startswith("a book of")
    assert (acme.root / "seen" / "daily-book.book").read_bytes() == b"BOOK"
    assert not (acme.root / "out").exists()


def test_preview_shows_what_would_change(acme):
    done = acme.mmflow("preview", "daily", "--sink", "book", "--diff")
    lines = done.out.splitlines()
    count = len(acme.mmflow("preview", "daily", "--json").data["rows"])
    assert lines[-1] == f"{count - 2} new, 1 gone, 1 changed, 1 the same"
    assert lines[-2] == "- machine Gone, goodParts 1"
    assert lines[0].startswith("~ machine ")
    assert "goodParts 7 -> " in lines[0]
    data = acme.mmflow("preview", "daily", "--sink", "book", "--diff", "--json").data
    assert (data["columns"], data["same"], len(data["changes"])) == (["machine", "goodParts"], 1, count)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--diff",), "--diff is about one sink; add --sink NAME"),
        (("--sink", "csv", "--diff", "--open"), "--diff and --open are two questions; ask them one after the other"),
        (("--sink", "post", "--diff"), "the sink post cannot be read back; preview without --diff"),
        (("--sink", "post"), "the sink post cannot show what it would write; preview without --sink"),
    ],
)
def test_previews_that_make_no_sense_are_refused(acme, words, message):
    done = acme.mmflow("preview", "daily", *words)
    assert (done.code, done.err) == (2, f"{message}\n")


def with_cells(desk, window):
    desk.job(JOB.replace("window: yesterday", f"window: {window}"))


def test_dates_in_cells_are_days_both_included(acme):
    with_cells(acme, '{cells: "Input!B3:D4"}')
    (span,) = acme.mmflow("run", "daily", "--json").data["spans"]
    assert (span["first_day"], span["last_day"], span["hours"]) == ("2026-11-03", "2026-11-04", 48)
    (shown,) = acme.mmflow("window", "daily", "--json").data["spans"]
    assert shown == span
    assert "2026-11-03 to 2026-11-04" in acme.mmflow("preview", "daily", "--plan").out


def test_times_in_cells_are_the_plants_and_the_last_is_excluded(acme):
    with_cells(acme, '{cells: "Input!B5:D5", sink: book}')
    (span,) = acme.mmflow("run", "daily", "--json").data["spans"]
    assert (span["start"], span["end"]) == ("2026-11-03T11:30:00Z", "2026-11-03T19:00:00Z")


def test_dates_given_by_hand_come_before_those_in_cells(acme):
    with_cells(acme, '{cells: "Input!Z9"}')
    for command in ("run", "window"):
        done = acme.mmflow(command, "daily", "--from", "2026-11-02", "--to", "2026-11-02", "--json")
        assert done.data["spans"][0]["first_day"] == "2026-11-02"


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        ("Input!B6:B7", "from 2026-11-04 lies after to 2026-11-03; exchange them"),
        ("Input!Z9", "book raised KeyError when it read Input!Z9: 'Input!Z9'; this is a bug in acme"),
    ],
)
def test_cells_that_are_no_window_end_the_run_and_nothing_is_asked(acme, cells, message):
    with_cells(acme, f'{{cells: "{cells}"}}')
    asked = len(acme.simulator.requests)
    done = acme.mmflow("run", "daily")
    assert done.code in (1, 2)
    assert done.err.splitlines()[-1] == message
    assert len(acme.simulator.requests) == asked


def test_names_between_sinks_are_checked_with_their_lines(acme):
    acme.job(
        """
        job: daily
        report: {metrics: [goodParts], group_by: [machine]}
        window: {cells: "Input!A1:B1", sink: csv}
        sinks:
          - {type: post, attach: [bok, csv, csv, post], fallback: post}
          - {type: book, fallback: csv, when: {column: goodPart, above: oee}}
          - {type: csv, fallback: book, when: {column: goodParts}}
          - {type: jsonl, fallback: nobody}
        """
    )
    remove = "name another sink, or remove this key"
    itself = f"a sink cannot stand in for itself; {remove}"
    book, csv = (
        f"{one} would stand in for {two}, and {two} for {one}; {remove}"
        for one, two in (("csv", "book"), ("book", "csv"))
    )
    assert acme.mmflow("validate", "daily").out.splitlines() == [
        "jobs/daily.yaml:3:38: window.sink: 'csv' is no sink whose cells can be read; there are: book",
        "jobs/daily.yaml:5:27: sinks[0].attach[0]: the job has no sink 'bok'; did you mean 'book'?",
        "jobs/daily.yaml:5:37: sinks[0].attach[2]: 'csv' is attached already; remove it",
        "jobs/daily.yaml:5:42: sinks[0].attach[3]: the sink 'post' writes no file; there are: book, csv, jsonl",
        f"jobs/daily.yaml:5:59: sinks[0].fallback: {itself}",
        f"jobs/daily.yaml:6:28: sinks[1].fallback: {book}",
        "jobs/daily.yaml:6:48: sinks[1].when.column: the report has no column 'goodPart'; did you mean 'goodParts'?",
        "jobs/daily.yaml:6:65: sinks[1].when.above: the report has no column 'oee'; there are: goodParts, machine",
        f"jobs/daily.yaml:7:27: sinks[2].fallback: {csv}",
        "jobs/daily.yaml:7:39: sinks[2].when: the condition has no limit; add above or below",
        "jobs/daily.yaml:8:29: sinks[3].fallback: the job has no sink 'nobody'; there are: book, csv, post",
        "11 problems in 1 file",
    ]


def test_a_window_in_cells_needs_a_sink_that_has_some(desk):
    desk.job('{job: daily, report: {metrics: [oee]}, window: {cells: "A1:B1"}, sinks: [{type: csv}]}')
    assert (
        desk.mmflow("validate")
        .out.splitlines()[0]
        .endswith("window.cells: no sink of the job has cells that can be read; add one, such as type: excel")
    )


def test_two_zones_need_days(acme):
    text = (acme.root / "mmflow.yaml").read_text()
    site = text[text.index("  boston:") : text.index("defaults:")]
    other = site.replace("boston:", "austin:").replace("America/New_York", "America/Chicago")
    acme.write("mmflow.yaml", text.replace("defaults:", f"{other}defaults:"))
    with_cells(acme, '{cells: "Input!B5:D5"}')
    done = acme.mmflow("window", "daily")
    assert done.err.splitlines()[-1] == (
        "the cells hold times, and the sites have several zones (America/Chicago, America/New_York); use days"
    )


POST = """
    from mmflow import Options, Receipt, Secret, SinkType, hookimpl


    class PostConnection(Options):
        host: str = ""
        domains: tuple[str, ...] = ()
        password: Secret | None = None


    class PostOptions(Options):
        to: tuple[str, ...] = ()


    def validate(options, outline):
        known = outline.connection
        for place, address in enumerate(options.to):
            if known and known.domains and address.rpartition("@")[2] not in known.domains:
                yield ("to", place), f"{address!r} is not in the domains of the connection"


    def validate_connection(connection):
        if not connection.host:
            yield "host", "is missing"


    @hookimpl
    def mmflow_sinks():
        yield SinkType(
            name="post", summary="Mail.", options=PostOptions, deliver=lambda *_: Receipt(rows=0),
            connection=PostConnection, validate=validate, validate_connection=validate_connection,
        )
"""


@pytest.mark.parametrize(
    ("connection", "problems"),
    [
        ('{type: post, password: "${env:PW}", domains: [a.com]}', ["sinks[0].to[1]", "connections.mail.host"]),
        ('{type: post, host: "${env:HOST}", domains: [a.com]}', ["sinks[0].to[1]"]),
        ('{type: post, host: x, password: "${env:PW}"}', []),
        ("{type: post, hots: x, domains: [a.com]}", ["connections.mail.hots"]),
    ],
)
def test_a_sink_looks_at_its_connection_offline_and_at_its_options_beside_it(desk, install, connection, problems):
    install("acme", POST)
    settings = desk.text("mmflow.yaml")
    desk.write("mmflow.yaml", f"{settings}connections:\n  mail: {connection}\n")
    desk.job(
        """
        job: daily
        report: {metrics: [oee]}
        window: yesterday
        sinks: [{type: post, connection: mail, to: [x@a.com, x@b.com]}]
        """
    )
    found = desk.mmflow("validate", "--json").data["problems"]
    assert [problem["path"] for problem in found] == problems


def test_sinks_that_wait_for_each_other_are_found(acme):
    acme.job(
        """
        job: daily
        report: {metrics: [goodParts], group_by: [machine]}
        window: yesterday
        sinks:
          - {type: post, attach: [csv, book]}
          - {type: csv, fallback: book}
          - {name: mail, type: post, attach: [csv, book], fallback: book}
          - {type: book}
        """
    )
    assert acme.mmflow("validate", "daily").out.splitlines() == [
        "jobs/daily.yaml:7:44: sinks[2].attach[1]: the sink 'book' has its turn after this one; attach another file",
        "1 problem in 1 file",
    ]


@pytest.mark.parametrize("rows", ["[(1, 2, 3)]", "(1 / 0 for _ in range(1))", "None"])
def test_a_reader_that_breaks_off_is_named(desk, install, rows):
    install("acme", ACME.replace('return [rows[0], (rows[1][0], 7.0), ("Gone", 1.0)]', f"return {rows}"))
    desk.job(JOB)
    done = desk.mmflow("preview", "daily", "--sink", "book", "--diff")
    assert done.code == 1
    last = done.err.splitlines()[-1]
    assert last.startswith("book raised ")
    assert last.endswith("; this is a bug in acme")


@pytest.mark.parametrize("found", ['("2026-11-03", "2026-11-04")', "(None, None)", "date(2026, 11, 3)", "()"])
def test_a_sink_that_finds_no_days_in_cells_is_named(desk, install, found):
    install("acme", ACME.replace("return CELLS[cells]", f"return {found}"))
    desk.job(JOB.replace("window: yesterday", 'window: {cells: "Input!B3:D4"}'))
    done = desk.mmflow("run", "daily")
    assert done.code == 1
    last = done.err.splitlines()[-1]
    assert last.startswith("book raised ")
    assert last.endswith("this is a bug in acme")


@pytest.mark.parametrize("command", ["run", "preview", "window"])
def test_a_day_cannot_be_looked_for_where_dates_stand_in_cells(acme, command):
    with_cells(acme, '{cells: "Input!B3:D4"}')
    done = acme.mmflow(command, "daily", "--for", "2026-11-03")
    message = "the dates of daily stand in cells, which --for cannot change; give --from and --to instead\n"
    assert (done.code, done.err.endswith(message)) == (2, True), done.err


def test_a_folder_that_cannot_be_written_is_said_of_save(acme):
    acme.write("file", "in the way")
    done = acme.mmflow("preview", "daily", "--sink", "book", "--save", "file")
    assert (done.code, done.err) == (2, f"cannot write {acme.root / 'file' / 'daily-book.book'}: file exists\n")


def test_a_typo_in_a_block_that_may_be_a_word_too_is_named(acme):
    acme.job(JOB + "      - {type: excel, lights: {goodParts: {amber: 65, rad: 50}}}\n")
    (problem,) = acme.mmflow("validate", "--json").data["problems"]
    assert (problem["path"], problem["hint"]) == ("sinks[3].lights.goodParts.rad", "did you mean 'red'?")
