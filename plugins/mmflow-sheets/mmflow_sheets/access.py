"""Gets a token from Google for a service account or an authorized user, over the client that the engine gives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol
from urllib.parse import urlsplit

import httpx
import msgspec

from mmflow import GiveUp, Secret, TryLater
from mmflow_sheets.complaints import name_trouble
from mmflow_sheets.options import find_fault

if TYPE_CHECKING:
    from google.auth.credentials import Credentials

SCOPES: Final = ("https://www.googleapis.com/auth/spreadsheets",)
KINDS: Final = ("service_account", "authorized_user")
TOKEN_URI: Final = "https://oauth2.googleapis.com/token"  # noqa: S105  an address
AWAY: Final = 60.0  # seconds until a token endpoint that fails is asked again
BUSY: Final = (408, 425, 429)


class Tokens(Protocol):
    """What gives tokens: a :class:`~google.auth.credentials.Credentials`."""

    token: str | None

    def refresh(self, request: Transport) -> None:
        """Get a new token."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer as google-auth wants to see it."""

    status: int
    headers: Mapping[str, str]
    data: bytes


@dataclass(frozen=True, slots=True)
class Transport:
    """Lets google-auth ask over our client. It tries nothing again by itself: that belongs to the engine."""

    client: httpx.Client

    def __call__(
        self,
        url: str,
        method: str = "GET",
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **_more: object,
    ) -> Answer:
        """Send one request; raises :class:`TryLater` when nobody answers, or only to say that it is too busy."""
        host = urlsplit(url).hostname
        try:
            answer = self.client.request(
                method, url, content=body, headers=dict(headers or {}), timeout=timeout or httpx.USE_CLIENT_DEFAULT
            )
        except httpx.RequestError as error:
            raise TryLater(f"cannot get a token: {host} does not answer ({name_trouble(error)})", after=AWAY) from None
        if answer.status_code >= 500 or answer.status_code in BUSY:
            raise TryLater(f"cannot get a token: {host} answers {answer.status_code}", after=AWAY)
        return Answer(answer.status_code, answer.headers, answer.content)


class Access:
    """Who asks, and the token of it, which is got when it is first needed."""

    def __init__(self, credentials: Secret, client: httpx.Client) -> None:
        info = read_credentials(credentials)
        self.address = str(info.get("client_email") or info.get("account") or "the user of these credentials")
        self._tokens = make_tokens(info)
        self._transport = Transport(client)

    def header(self) -> dict[str, str]:
        """Give the header that proves who asks; :class:`GiveUp` when Google knows nobody with these credentials."""
        if not self._tokens.token:
            self.renew()
        return {"Authorization": f"Bearer {self._tokens.token}"}

    def renew(self) -> None:
        """Get a new token."""
        from google.auth.exceptions import GoogleAuthError

        try:
            self._tokens.refresh(self._transport)
        except GoogleAuthError as error:  # its text repeats the whole answer
            raise self._explain(find_reason(error)) from None

    def _explain(self, reason: tuple[str, str]) -> GiveUp | TryLater:
        code, description = reason
        clock = "check the clock of this machine"
        if code == "invalid_grant" and "timeframe" in description:
            what = f"Google gives {self.address} no token (invalid_grant): the time of the request is wrong"
            return TryLater(f"{what}; {clock}", after=AWAY)
        what = f"Google gives {self.address} no token ({code})"
        return GiveUp(f"{what}; {clock}, and that the credentials were not withdrawn, or make new ones")


def read_credentials(credentials: Secret) -> dict[str, Any]:
    """Read the JSON of the credentials; errors say nothing of what stands in it."""
    try:
        info = msgspec.json.decode(credentials.reveal(), type=dict[str, Any])
    except msgspec.MsgspecError:
        found = "the credentials are no JSON object"
        raise GiveUp(f"{found}; give the file that Google Cloud makes for a key, as it is") from None
    if info.get("type") not in KINDS:
        raise GiveUp(f"the credentials are of a type that is not known, expected {' or '.join(KINDS)}; make others")
    check_address(str(info.get("token_uri", TOKEN_URI)), "the token_uri of the credentials")
    return info


def make_tokens(info: Mapping[str, Any]) -> Tokens:
    """Give what gets tokens for credentials; :class:`GiveUp` when a part of them is missing or no key."""
    from google.oauth2 import credentials, service_account

    made: Credentials
    try:
        if info["type"] == "service_account":
            made = service_account.Credentials.from_service_account_info(info, scopes=SCOPES)  # type: ignore[no-untyped-call]
        else:  # its own reader of such a file does not heed the token_uri
            parts = {name: info[name] for name in ("refresh_token", "client_id", "client_secret")}
            made = credentials.Credentials(None, token_uri=info.get("token_uri", TOKEN_URI), **parts)  # type: ignore[no-untyped-call]
    except (ValueError, TypeError, KeyError, AttributeError):  # its text may hold a part of the key
        found = f"the credentials lack a part of what a {info['type']} has, or its key is damaged"
        raise GiveUp(f"{found}; give the file that Google Cloud makes, as it is") from None
    return made


def check_address(url: str, what: str) -> None:
    """Raise :class:`GiveUp` for what is no address, or one over which everybody could read along."""
    if fault := find_fault(url):
        raise GiveUp(f"{what} {fault}")


def find_reason(error: Exception) -> tuple[str, str]:
    """Give Google's word for a refusal and its description; only short plain words are repeated in messages."""
    said = next((one for one in error.args if isinstance(one, dict)), {})
    code = str(said.get("error", ""))
    known = code.replace("_", "").isalpha() and code.isascii() and len(code) <= 40
    return code if known else type(error).__name__, str(said.get("error_description", ""))
