"""Who is let in: the token endpoint, tokens, sharing."""

import json
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from google.auth import crypt, jwt

from mmflow_sheets.testing import PERSON, SERVICE_ACCOUNT, SheetsServer

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
SCOPE = "https://www.googleapis.com/auth/spreadsheets"
GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"


@pytest.fixture
def office():
    """A server at a fixed time."""
    with SheetsServer(now=lambda: NOW) as running:
        yield running


def sign(server, key="", **changes):
    info = server.service_account()
    start = int(NOW.timestamp())
    claims = {"iss": info["client_email"], "aud": info["token_uri"], "scope": SCOPE, "iat": start, "exp": start + 3600}
    signer = crypt.RSASigner.from_string(key or info["private_key"])
    kept = {name: value for name, value in (claims | changes).items() if value is not None}
    return jwt.encode(signer, kept).decode()


def ask(server, **form):
    answer = httpx.post(f"{server.url}/token", data=form, trust_env=False)
    return answer.status_code, answer.json()


def look(server, book, token):
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    answer = httpx.get(f"{server.url}/v4/spreadsheets/{book.id}", headers=headers, trust_env=False)
    return answer.status_code, answer.json().get("error", {}).get("status", "")


def test_a_signed_request_gets_a_token_that_works(office):
    status, token = ask(office, grant_type=GRANT, assertion=sign(office))
    assert (status, token["token_type"], token["expires_in"]) == (200, "Bearer", 3599)
    assert look(office, office.spreadsheet(), token["access_token"]) == (200, "")


def other_key():
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    form = serialization.PrivateFormat.PKCS8
    return key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()).decode()


@pytest.mark.row("R66")
@pytest.mark.parametrize(
    ("changes", "code", "words"),
    [
        (
            {"iat": int(NOW.timestamp()) + 400, "exp": int(NOW.timestamp()) + 3000},
            "invalid_grant",
            "Check your iat and exp",
        ),
        (
            {"iat": int(NOW.timestamp()) - 7600, "exp": int(NOW.timestamp()) - 4000},
            "invalid_grant",
            "Check your iat and exp",
        ),
        ({"exp": int(NOW.timestamp()) + 7200}, "invalid_grant", "short-lived token"),
        ({"iat": None}, "invalid_grant", "Check your iat and exp"),
        ({"iss": "stranger@example.com"}, "invalid_grant", "account not found"),
        ({"aud": "https://elsewhere.invalid/token"}, "invalid_grant", "audience"),
        ({"scope": None}, "invalid_scope", "Invalid OAuth scope"),
    ],
)
def test_claims_that_are_wrong_get_no_token(office, changes, code, words):
    status, answer = ask(office, grant_type=GRANT, assertion=sign(office, **changes))
    assert (status, answer["error"]) == (400, code)
    assert words in answer["error_description"]


def test_a_clock_that_is_four_minutes_wrong_is_forgiven(office):
    start = int((NOW + timedelta(minutes=4)).timestamp())
    assert ask(office, grant_type=GRANT, assertion=sign(office, iat=start, exp=start + 3600))[0] == 200


def test_another_key_gets_no_token(office):
    status, answer = ask(office, grant_type=GRANT, assertion=sign(office, key=other_key()))
    assert (status, answer["error_description"]) == (400, "Invalid JWT Signature.")


@pytest.mark.parametrize("assertion", ["", "a.b.c", "e30.e30.", "e30"])
def test_what_is_no_jwt_gets_no_token(office, assertion):
    assert ask(office, grant_type=GRANT, assertion=assertion)[1]["error"] == "invalid_grant"


def test_an_unsigned_jwt_gets_no_token(office):
    header, claims, _ = sign(office).split(".")
    assert (
        ask(office, grant_type=GRANT, assertion=f"{header}.{claims}.")[1]["error_description"]
        == "Invalid JWT Signature."
    )


def test_a_person_is_let_in_by_a_refresh_token(office):
    person = office.authorized_user()
    form = {name: person[name] for name in ("client_id", "client_secret", "refresh_token")}
    token = ask(office, grant_type="refresh_token", **form)[1]["access_token"]
    book = office.spreadsheet()
    assert look(office, book, token) == (403, "PERMISSION_DENIED")
    book.share(PERSON)
    assert look(office, book, token) == (200, "")
    assert ask(office, grant_type="refresh_token", **form | {"refresh_token": "old"})[1]["error"] == "invalid_grant"
    assert ask(office, grant_type="refresh_token", **form | {"client_secret": "no"})[0] == 401
    assert ask(office, grant_type="password")[1]["error"] == "unsupported_grant_type"


def test_tokens_end_and_can_be_revoked():
    times = [NOW]
    with SheetsServer(now=lambda: times[-1]) as server:
        book, token = server.spreadsheet(), server.give_token()
        assert look(server, book, token) == (200, "")
        times.append(NOW + timedelta(minutes=60))
        assert look(server, book, token) == (401, "UNAUTHENTICATED")
        fresh = server.give_token()
        assert look(server, book, fresh) == (200, "")
        server.revoke_tokens()
        assert look(server, book, fresh) == (401, "UNAUTHENTICATED")


def test_without_a_token_or_with_a_made_up_one_nothing_is_shown(office):
    book = office.spreadsheet()
    assert look(office, book, "") == look(office, book, "made-up") == (401, "UNAUTHENTICATED")


def test_a_token_for_something_else_is_not_enough(office):
    assertion = sign(office, scope="https://www.googleapis.com/auth/calendar")
    token = ask(office, grant_type=GRANT, assertion=assertion)[1]["access_token"]
    assert look(office, office.spreadsheet(), token) == (403, "PERMISSION_DENIED")


def test_a_reader_reads_and_does_not_write(office):
    book, headers = office.spreadsheet(share="reader"), {"Authorization": f"Bearer {office.give_token()}"}
    assert look(office, book, office.give_token()) == (200, "")
    url = f"{office.url}/v4/spreadsheets/{book.id}:batchUpdate"
    answer = httpx.post(url, json={"requests": [{"addSheet": {}}]}, headers=headers, trust_env=False)
    assert answer.json()["error"] == {
        "code": 403,
        "message": "The caller does not have permission",
        "status": "PERMISSION_DENIED",
    }


def test_what_is_not_shared_is_denied_and_what_does_not_exist_is_not_found(office):
    token = office.give_token()
    assert look(office, office.spreadsheet(share=""), token) == (403, "PERMISSION_DENIED")
    headers = {"Authorization": f"Bearer {token}"}
    answer = httpx.get(f"{office.url}/v4/spreadsheets/nothing", headers=headers, trust_env=False)
    assert answer.json()["error"] == {"code": 404, "message": "Requested entity was not found.", "status": "NOT_FOUND"}


def test_the_requests_are_remembered_without_tokens(office):
    token = ask(office, grant_type=GRANT, assertion=sign(office))[1]["access_token"]
    look(office, office.spreadsheet(), token)
    first, second = office.requests
    assert (first.path, second.http, second.email, second.status) == ("/token", "GET", SERVICE_ACCOUNT, 200)
    assert token not in json.dumps([repr(one) for one in office.requests])
