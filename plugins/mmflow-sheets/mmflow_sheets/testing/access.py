"""Who calls: the token endpoint, the tokens it gave out, and the credentials that tests hand to programs.

Tokens are checked as Google does: a signed JWT of the service account (RS256, issuer, audience, scopes, a life of at
most an hour, a clock within five minutes), or the refresh token of a person.
"""

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any, Final
from urllib.parse import parse_qs

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from mmflow_sheets.testing.envelope import WORDS, ApiError, Json, explain_reason

SERVICE_ACCOUNT: Final = "reports@mmflow-testing.iam.gserviceaccount.com"
PERSON: Final = "planner@example.com"
PROJECT: Final = "mmflow-testing"
KEY_ID: Final = "3f9c0d5b7a"
JWT_GRANT: Final = "urn:ietf:params:oauth:grant-type:jwt-bearer"
LIFE: Final = timedelta(seconds=3599)
SKEW: Final = timedelta(minutes=5)
TIMES_WRONG: Final = (
    "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe. "
    "Check your iat and exp values in the JWT claim."
)
GOOGLE_AUDIENCE: Final = "https://oauth2.googleapis.com/token"  # google-auth names it wherever the endpoint is
DEFAULT_SCOPES: Final = frozenset({"https://www.googleapis.com/auth/spreadsheets"})


@cache
def make_key() -> rsa.RSAPrivateKey:
    """Give the key of the service account; one a process, since making it takes a while."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@dataclass(frozen=True, slots=True)
class Caller:
    """Whose token a call bears, and what it is good for."""

    email: str
    scopes: frozenset[str]
    until: datetime


class TokenRefused(Exception):  # noqa: N818  # named for what it is
    """What the token endpoint says no to: a code such as ``invalid_grant`` and a sentence."""

    def __init__(self, code: str, sentence: str, status: int = 400) -> None:
        super().__init__(sentence)
        self.status = status
        self.document = {"error": code, "error_description": sentence}


class Access:
    """The tokens that were given out. ``token_uri`` is the audience that a JWT has to name."""

    def __init__(self, token_uri: str, now: Callable[[], datetime]) -> None:
        self.token_uri = token_uri
        self.now = now
        self.tokens: dict[str, Caller] = {}
        self.refresh_token = f"1//{secrets.token_urlsafe(24)}"
        self.client_secret = secrets.token_urlsafe(16)
        self.client_id = "1234567890-testing.apps.googleusercontent.com"

    def service_account(self) -> Json:
        """Give the file of the service account, as the cloud console lets people download it."""
        private = make_key().private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return {
            "type": "service_account",
            "project_id": PROJECT,
            "private_key_id": KEY_ID,
            "private_key": private.decode(),
            "client_email": SERVICE_ACCOUNT,
            "client_id": "100000000000000000001",
            "auth_uri": "https://accounts.google.com/o/oauth2/auth",
            "token_uri": self.token_uri,
            "universe_domain": "googleapis.com",
        }

    def authorized_user(self) -> Json:
        """Give the credentials of a person who let a program in, as google-auth reads and writes them."""
        return {
            "type": "authorized_user",
            "client_id": self.client_id,
            "client_secret": self.client_secret,
            "refresh_token": self.refresh_token,
            "token_uri": self.token_uri,
            "account": PERSON,
        }

    def answer(self, body: bytes) -> tuple[int, Json]:
        """Answer the token endpoint: the status and the document."""
        form = {name: values[-1] for name, values in parse_qs(body.decode("utf-8", "replace")).items()}
        grant = GRANTS.get(form.get("grant_type", ""))
        if grant is None:
            return 400, {"error": "unsupported_grant_type", "error_description": "Invalid grant_type"}
        try:
            email, scopes = grant(self, form)
        except TokenRefused as refused:
            return refused.status, refused.document
        return 200, self.give_token(email, scopes)

    def give_token(self, email: str, scopes: frozenset[str] = DEFAULT_SCOPES) -> Json:
        """Give out a token."""
        token = f"ya29.{secrets.token_urlsafe(32)}"
        self.tokens[token] = Caller(email, scopes, self.now() + LIFE)
        return {"access_token": token, "expires_in": int(LIFE.total_seconds()), "token_type": "Bearer"}

    def identify(self, authorization: str) -> Caller:
        """Give who bears a token, or raise what Google answers to one that is missing, unknown or too old."""
        kind, _, token = authorization.partition(" ")
        if not authorization:
            raise ApiError(
                401,
                WORDS[401].replace(
                    "had invalid authentication credentials", "is missing required authentication credential"
                ),
            )
        caller = self.tokens.get(token.strip()) if kind.lower() == "bearer" else None
        if caller is None or caller.until <= self.now():
            raise ApiError(
                401, "", explain_reason("ACCESS_TOKEN_EXPIRED" if caller else "ACCESS_TOKEN_TYPE_UNSUPPORTED")
            )
        return caller


def check_scopes(caller: Caller, scopes: frozenset[str], method: str) -> None:
    """Refuse a token that was not given out for such a call."""
    if not caller.scopes & scopes:
        reason = explain_reason("ACCESS_TOKEN_SCOPE_INSUFFICIENT", service="sheets.googleapis.com", method=method)
        raise ApiError(403, "Request had insufficient authentication scopes.", reason)


def _grant_assertion(access: Access, form: dict[str, str]) -> tuple[str, frozenset[str]]:
    claims = _read_jwt(form.get("assertion", ""))
    if claims.get("aud") not in {access.token_uri, GOOGLE_AUDIENCE}:
        raise TokenRefused("invalid_grant", "Invalid JWT: Failed audience check.")
    now = access.now().timestamp()
    issued, ends = claims.get("iat"), claims.get("exp")
    if not isinstance(issued, int) or not isinstance(ends, int) or not _is_timely(issued, ends, now):
        raise TokenRefused("invalid_grant", TIMES_WRONG)
    scopes = frozenset(str(claims.get("scope", "")).split())
    if not scopes:
        raise TokenRefused("invalid_scope", "Invalid OAuth scope or ID token audience provided.")
    return SERVICE_ACCOUNT, scopes


def _is_timely(issued: int, ends: int, now: float) -> bool:
    skew = SKEW.total_seconds()
    return issued - skew <= now <= ends + skew and 0 < ends - issued <= 3600


def _read_jwt(assertion: str) -> Json:
    parts = assertion.split(".")
    try:
        header, claims = (json.loads(_decode(part)) for part in parts[:2])
        signature = _decode(parts[2])
    except (ValueError, IndexError):
        raise TokenRefused("invalid_grant", "Bad Request: the assertion is no JWT.") from None
    if header.get("alg") != "RS256" or claims.get("iss") != SERVICE_ACCOUNT:
        raise TokenRefused("invalid_grant", "Invalid grant: account not found")
    _check_signature(f"{parts[0]}.{parts[1]}".encode(), signature)
    found: Json = claims
    return found


def _check_signature(signed: bytes, signature: bytes) -> None:
    try:
        make_key().public_key().verify(signature, signed, padding.PKCS1v15(), hashes.SHA256())
    except InvalidSignature:
        raise TokenRefused("invalid_grant", "Invalid JWT Signature.") from None


def _decode(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def _grant_refresh(access: Access, form: dict[str, str]) -> tuple[str, frozenset[str]]:
    if (form.get("client_id"), form.get("client_secret")) != (access.client_id, access.client_secret):
        raise TokenRefused("invalid_client", "The OAuth client was not found.", 401)
    if form.get("refresh_token") != access.refresh_token:
        raise TokenRefused("invalid_grant", "Token has been expired or revoked.")
    return PERSON, frozenset(form.get("scope", "").split()) or DEFAULT_SCOPES


GRANTS: Final[dict[str, Callable[[Access, dict[str, str]], tuple[str, Any]]]] = {
    JWT_GRANT: _grant_assertion,
    "refresh_token": _grant_refresh,
}
