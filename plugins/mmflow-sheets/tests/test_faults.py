"""What goes wrong between us and Google, in plain words, and what is to be done next."""

import re
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import httpx
import msgspec
import pytest

from mmflow.errors import GiveUp, TryLater, Unknown
from mmflow.testing.deliveries import day_rows, make_run
from mmflow_sheets.complaints import Asked, explain_answer
from mmflow_sheets.grid import Rect
from mmflow_sheets.layout import check_merges
from mmflow_sheets.options import SheetsOptions
from mmflow_sheets.service import Spreadsheet
from mmflow_sheets.target import find_target
from mmflow_sheets.testing import PERSON, SERVICE_ACCOUNT, Fault, SheetsServer

DAY = date(2026, 11, 21)
GET, WRITE, TOKEN = "GET ", ":batchUpdate", "/token"


@pytest.fixture
def small(table):
    return table(day_rows(DAY, 1))


@pytest.mark.row("R64")
def test_sheet_that_is_not_shared_names_the_address_to_share_it_with(desk, server, small):
    desk.book = server.spreadsheet("Secret", share="")
    words = f"spreadsheet: {SERVICE_ACCOUNT} may not open or change {desk.book.id}; share the sheet with"
    with pytest.raises(GiveUp, match=re.escape(words)):
        desk.deliver(small)


@pytest.mark.row("R64")
def test_reader_is_told_to_become_an_editor_and_nothing_is_written(desk, server, small):
    desk.book = server.spreadsheet("Readable", share="reader")
    with pytest.raises(GiveUp, match=r"share the sheet with .* as editor"):
        desk.deliver(small)
    assert desk.book.titles == ["Sheet1"]


def test_spreadsheet_that_is_not_there(desk, small):
    with pytest.raises(GiveUp, match="spreadsheet: there is none with the id 1AbCdEfGhIjKlMnOpQrStUv; check"):
        desk.deliver(small, spreadsheet="1AbCdEfGhIjKlMnOpQrStUv")


@pytest.mark.row("R64")
def test_tab_that_is_not_there_is_added_only_when_allowed(desk, book, small):
    with pytest.raises(GiveUp, match=r"tab: the spreadsheet has no tab 'Sheet2'; did you mean 'Sheet1'\?"):
        desk.deliver(small, tab="Sheet2", create_tab=False)
    assert book.titles == ["Sheet1"]
    desk.deliver(small, tab="Sheet2")
    assert book.titles == ["Sheet1", "Sheet2"]


@pytest.mark.row("R64")
def test_tab_that_was_deleted_is_made_again(desk, book, small):
    desk.deliver(small)
    book.tab("Data").delete()
    desk.deliver(small, desk.run(generation=2))
    assert len(book.tab("Data").values()) == 3


def test_named_range_that_was_deleted_is_asked_for(desk, book, small):
    desk.deliver(small)
    [named] = [one["namedRangeId"] for one in book.state()["namedRanges"]]
    book.apply({"deleteNamedRange": {"namedRangeId": named}})
    with pytest.raises(
        GiveUp, match=r"the cell Data!A1 is not empty .*, and the name mmflow_morning_oee_sink of mmflow's own cells"
    ):
        desk.deliver(small, desk.run(generation=2))


@pytest.mark.row("R64")
@pytest.mark.parametrize("place", ["Data", "Data!C1:C9"])
def test_protected_cells_are_named_with_who_needs_them(desk, book, small, place):
    desk.deliver(small)
    desk.enlarge(book.tab("Data"), rows=10)
    book.protect(place)
    before = book.state()
    with pytest.raises(GiveUp, match=f"cells of the table are protected; let {SERVICE_ACCOUNT} edit them"):
        desk.deliver(small, desk.run(generation=2))
    assert book.state() == before
    with pytest.raises(GiveUp, match=f"Data!.* is protected; let {SERVICE_ACCOUNT} edit it"):
        desk.call("check")


def test_merged_cells_within_the_table_are_named():
    found = msgspec.convert(
        {
            "sheets": [
                {
                    "properties": {"sheetId": 7, "title": "Data", "gridProperties": {"rowCount": 9, "columnCount": 9}},
                    "merges": [
                        {"sheetId": 7, "startRowIndex": 1, "endRowIndex": 3, "startColumnIndex": 1, "endColumnIndex": 2}
                    ],
                }
            ]
        },
        Spreadsheet,
    )
    target = find_target(found, SheetsOptions(spreadsheet="x"), make_run(Path()))
    check_merges(target, Rect(3, 0, 9, 9))
    with pytest.raises(GiveUp, match=r"the cells Data!B2:B3 lie within the table and are merged; unmerge them"):
        check_merges(target, Rect(0, 0, 3, 2))


def test_api_that_is_switched_off_is_explained(desk, server, small):
    server.faults(Fault("disabled"))
    with pytest.raises(GiveUp, match="the Google Sheets API is switched off in the Google Cloud project"):
        desk.deliver(small)


@pytest.mark.row("R63")
@pytest.mark.parametrize("match", [GET, WRITE])
def test_quota_is_waited_for_at_least_a_minute(desk, server, book, small, match):
    server.faults(Fault("quota", match=match))
    with pytest.raises(TryLater, match="the quota is used up") as caught:
        desk.deliver(small)
    assert caught.value.after == 60
    assert book.titles == ["Sheet1"]
    desk.deliver(small)
    assert len(book.tab("Data").values()) == 3


@pytest.mark.row("R63")
def test_quota_of_a_minute_is_full_and_the_next_minute_works(open_desk, small):
    times = [datetime.now(UTC)]
    with SheetsServer(now=lambda: times[0]) as server:
        desk = open_desk(server)
        server.limit(reads=1, writes=1)
        desk.deliver(small)
        with pytest.raises(TryLater):
            desk.deliver(small, desk.run(generation=2))
        times[0] += timedelta(seconds=60)
        desk.deliver(small, desk.run(generation=2))


@pytest.mark.row("R63")
@pytest.mark.parametrize("kind", ["unavailable", "internal", "bad_gateway"])
@pytest.mark.parametrize("match", [GET, WRITE])
def test_service_that_cannot_work_is_asked_again_later(desk, server, book, small, kind, match):
    server.faults(Fault(kind, match=match))
    with pytest.raises(TryLater, match="Google Sheets answers 50"):
        desk.deliver(small)
    assert book.titles == ["Sheet1"]
    desk.deliver(small)


def answer(status, reason="", headers=None, **error):
    details = {"details": [{"reason": reason}]} if reason else {}
    body = {"error": {"message": "words of Google", "status": "X", **details, **error}}
    return explain_answer(httpx.Response(status, json=body, headers=headers), Asked("SHEET", "a@b"))


@pytest.mark.row("R63")
@pytest.mark.parametrize(("wait", "after"), [("120", 120), ("5", 60), ("soon", 60), ("99999999", 3600), ("-1", 60)])
def test_wait_that_google_asks_for_is_kept_within_reason(wait, after):
    found = answer(429, headers={"Retry-After": wait})
    assert isinstance(found, TryLater)
    assert found.after == after


@pytest.mark.parametrize(
    ("status", "more", "words"),
    [
        (403, {"reason": "RATE_LIMIT_EXCEEDED"}, "the quota is used up"),
        (403, {"errors": [{"reason": "userRateLimitExceeded"}]}, "the quota is used up"),
        (403, {"reason": "ACCESS_TOKEN_SCOPE_INSUFFICIENT"}, "make them with the scope spreadsheets"),
        (403, {"message": "You are trying to edit a protected cell or object."}, "let a@b edit them"),
        (400, {"message": "This operation is not supported for this document"}, "is no Google spreadsheet"),
        (400, {"message": "above the limit of 10000000 cells."}, "more than 10,000,000 cells"),
        (400, {"message": "input contains more than the maximum of 50000 characters"}, "50,000 characters"),
        (400, {"message": "new\nline \x1b[31mred"}, r"refuses the request: new line  \[31mred"),
        (413, {}, "too large for one request"),
        (418, {}, "refuses the request: words of Google"),
        (401, {}, "does not accept the token of a@b"),
        (408, {}, "answers 408: it cannot work at the moment"),
    ],
)
def test_refusals_of_google_are_put_into_plain_words(status, more, words):
    assert re.search(words, str(answer(status, **more)))


@pytest.mark.parametrize("status", [302, 403, 413])
def test_answer_of_somebody_else_is_told_from_googles(status):
    found = explain_answer(httpx.Response(status, text="<html>log in</html>"), Asked("SHEET", "a@b"))
    assert isinstance(found, GiveUp)
    assert re.search(r"something else than Google Sheets answers \(\d+\)|too large for one request", str(found))


@pytest.mark.row("R66")
@pytest.mark.parametrize("kind", ["unavailable", "drop_before"])
def test_token_endpoint_that_is_down_is_asked_again_later(desk, server, small, kind):
    server.faults(Fault(kind, match=TOKEN))
    with pytest.raises(TryLater, match=r"cannot get a token: 127\.0\.0\.1") as caught:
        desk.deliver(small)
    assert caught.value.after == 60
    assert len(server.requests) == 1
    desk.deliver(small)


def always(status, text):
    """Give a client that gets one answer to everything, the first time from the token endpoint."""
    return lambda: httpx.Client(transport=httpx.MockTransport(lambda _: httpx.Response(status, text=text)))


@pytest.mark.row("R66")
@pytest.mark.parametrize("status", [408, 425, 429])
def test_token_endpoint_that_is_busy_is_asked_again_later(desk, small, status):
    with pytest.raises(TryLater, match=f"cannot get a token: 127.0.0.1 answers {status}"):
        desk.deliver(small, desk.run(open_http=always(status, "{}")))


@pytest.mark.parametrize(
    ("code", "shown"), [("access_denied", "access_denied"), ("x" * 41, "RefreshError"), ("a b", "RefreshError")]
)
def test_words_of_the_token_endpoint_are_repeated_only_when_short_and_plain(desk, small, code, shown):
    said = f'{{"error": "{code}", "error_description": "the key is 4711"}}'
    with pytest.raises(GiveUp, match=rf"no token \({shown}\)") as caught:
        desk.deliver(small, desk.run(open_http=always(400, said)))
    assert "4711" not in str(caught.value)


def test_page_in_the_place_of_googles_answer_to_a_write_is_looked_into(desk, server, book, small):
    class Intercepted(httpx.Client):
        def request(self, method, url, **more):
            return httpx.Response(200, text="<html>") if url.endswith(WRITE) else super().request(method, url, **more)

    with pytest.raises(TryLater, match=r"something else than Google Sheets answers \(200\).*; nothing was written"):
        desk.deliver(small, desk.run(open_http=lambda: Intercepted(trust_env=False)))
    assert book.titles == ["Sheet1"]


@pytest.mark.row("R66")
def test_clock_that_is_wrong_is_named(open_desk, small):
    with SheetsServer(now=lambda: datetime.now(UTC) + timedelta(hours=2)) as server:
        desk = open_desk(server)
        with pytest.raises(
            TryLater, match=r"\(invalid_grant\): the time of the request is wrong; check the clock of this ma"
        ):
            desk.deliver(small)


@pytest.mark.row("R66")
@pytest.mark.parametrize("minutes", [-4, 4])
def test_clock_that_is_a_little_wrong_does_no_harm(open_desk, small, minutes):
    with SheetsServer(now=lambda: datetime.now(UTC) + timedelta(minutes=minutes)) as server:
        assert open_desk(server).deliver(small).rows == 2


def test_credentials_that_were_withdrawn_are_given_up(desk, server, small):
    revoked = server.authorized_user() | {"refresh_token": "1//other"}
    with pytest.raises(GiveUp, match=r"gives planner@example\.com no token \(invalid_grant\); check the clock"):
        desk.deliver(small, desk.run(connection=desk.connect(revoked)))


def test_authorized_user_delivers_too(desk, book, server, small):
    book.share(PERSON)
    desk.deliver(small, desk.run(connection=desk.connect(server.authorized_user())))
    assert len(book.tab("Data").values()) == 3


def test_token_that_ends_early_is_renewed_once(desk, server, book, small):
    class Forgetful(httpx.Client):
        def request(self, method, url, **more):
            if url.endswith(WRITE):
                server.revoke_tokens()
            return super().request(method, url, **more)

    with pytest.raises(GiveUp, match=f"Google does not accept the token of {SERVICE_ACCOUNT}"):
        desk.deliver(small, desk.run(open_http=lambda: Forgetful(trust_env=False)))
    assert sum(one.path == TOKEN for one in server.requests) == 2
    assert book.titles == ["Sheet1"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"credentials": []}, "the credentials are no JSON object"),
        ({"credentials": {"type": "external_account"}}, "of a type that is not known"),
        ({"credentials": {"type": "service_account"}}, "lack a part of what a service_account has"),
        ({"base_url": "http://sheets.example.com"}, "base_url of the connection does not begin with https://"),
        ({"base_url": "https://"}, "base_url of the connection is no address, expected https:// and a host"),
        ({"base_url": "https://[sheets"}, "base_url of the connection is no address, expected https:// and a host"),
    ],
)
def test_connection_that_cannot_work_is_explained(desk, small, changes, words):
    with pytest.raises(GiveUp, match=words):
        desk.deliver(small, desk.run(connection=desk.connect(**changes)))


def test_key_goes_only_where_nobody_reads_along(desk, server, small):
    info = server.service_account() | {"token_uri": "http://oauth.example.com/token"}
    with pytest.raises(GiveUp, match="the token_uri of the credentials does not begin with https://"):
        desk.deliver(small, desk.run(connection=desk.connect(info)))


def test_damaged_key_is_no_part_of_what_is_said(desk, server, small):
    info = server.service_account()
    info["private_key"] = info["private_key"].replace("A", "B")
    with pytest.raises(GiveUp) as caught:
        desk.deliver(small, desk.run(connection=desk.connect(info)))
    assert info["private_key"][40:60] not in str(caught.value)
    assert caught.value.__cause__ is None


def test_page_of_a_proxy_is_not_taken_for_google(desk, small):
    page = httpx.MockTransport(
        lambda request: httpx.Response(200 if "token" not in str(request.url) else 407, text="<html>")
    )
    with pytest.raises(GiveUp, match=r"gives .* no token"):
        desk.deliver(small, desk.run(open_http=lambda: httpx.Client(transport=page)))


def test_proxy_that_lets_nothing_through_has_sent_nothing(desk, server, small):
    class Closed(httpx.Client):
        def request(self, method, url, **more):
            if url.endswith(WRITE):
                raise httpx.ProxyError("407 Proxy Authentication Required")
            return super().request(method, url, **more)

    with pytest.raises(TryLater, match=r"^cannot reach 127\.0\.0\.1 \(407 Proxy Authentication Required\)$"):
        desk.deliver(small, desk.run(open_http=lambda: Closed(trust_env=False)))
    assert len(server.calls) == 1


def test_cells_of_too_few_ranges_are_not_guessed_at(desk, small):
    class Forgetful(httpx.Client):
        def request(self, method, url, **more):
            if "ranges" in more.get("params", {}):
                return httpx.Response(200, json={"sheets": [{"data": []}]})
            return super().request(method, url, **more)

    desk.deliver(small)
    again = desk.run(generation=2, open_http=lambda: Forgetful(trust_env=False))
    with pytest.raises(TryLater, match="gives the cells of 0 ranges, expected 1"):
        desk.deliver(small, again, mode="replace_window")


def test_nobody_at_the_address(desk, server, small):
    connection = desk.connect(base_url="http://127.0.0.1:9")
    with pytest.raises(TryLater, match=r"cannot reach 127\.0\.0\.1 \(.*[Cc]onnection refused\)"):
        desk.deliver(small, desk.run(connection=connection))


def test_request_that_google_finds_too_large_is_explained(open_desk, small):
    with SheetsServer(max_body=500) as server:
        desk = open_desk(server)
        with pytest.raises(GiveUp, match="the table is too large for one request; send fewer rows or columns"):
            desk.deliver(small)


def test_lost_answer_is_looked_up_and_counts_as_delivered(desk, server, book, small):
    server.faults(Fault("drop_after", match=WRITE))
    receipt = desk.deliver(small)
    assert receipt.rows == 2
    assert len(book.tab("Data").values()) == 3
    assert desk.call("probe") == "present"


def test_request_that_never_arrived_is_tried_again(desk, server, book, small):
    server.faults(Fault("drop_before", match=WRITE))
    with pytest.raises(TryLater, match=r"the connection to 127\.0\.0\.1 broke \(.+\); nothing was written"):
        desk.deliver(small)
    assert desk.call("probe") == "absent"
    assert book.titles == ["Sheet1"]


def test_nobody_can_tell_when_google_is_away_after_the_request(desk, server, small):
    server.faults(Fault("drop_after", match=WRITE), Fault("unavailable", times=None, after=1, match=GET))
    with pytest.raises(
        Unknown, match="it cannot be found out whether the table was written: Google Sheets answers 503"
    ):
        desk.deliver(small)
    server.clear_faults()
    assert desk.call("probe") == "present"


def test_older_numbers_never_take_the_place_of_newer_ones(desk, book, table, small):
    late = desk.run(generation=5, extracted_at=datetime(2026, 11, 22, 12, tzinfo=UTC))
    desk.deliver(table(day_rows(DAY, 2)), late)
    with pytest.raises(
        GiveUp, match="generation 5 of this delivery is already there, extracted later; generation 4 is older"
    ):
        desk.deliver(small, desk.run(generation=4))
    assert len(book.tab("Data").values()) == 5
    desk.deliver(table(day_rows(DAY, 2)), desk.run(generation=6))  # asked for anew, whatever it was extracted from
    newer = desk.run(generation=1, extracted_at=datetime(2026, 11, 23, tzinfo=UTC))
    desk.deliver(small, newer)
    assert len(book.tab("Data").values()) == 3


def test_sink_without_a_connection_says_so(desk, small):
    with pytest.raises(GiveUp, match="the sink has no connection; name one of type sheets"):
        desk.deliver(small, desk.run(connection=None))
