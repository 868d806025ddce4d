"""Google's error envelope, and the words in which Google refuses things."""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]

STATUS = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    501: "UNIMPLEMENTED",
    503: "UNAVAILABLE",
}
WORDS = {
    401: "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other valid "
    "authentication credential. See https://developers.google.com/identity/sign-in/web/devconsole-project.",
    403: "The caller does not have permission",
    404: "Requested entity was not found.",
    500: "Internal error encountered.",
    503: "The service is currently unavailable.",
}


class ApiError(Exception):
    """An answer that is no success; ``document`` is its body as Google writes it."""

    def __init__(self, code: int, message: str = "", details: list[Json] | None = None) -> None:
        super().__init__(message or WORDS[code])
        self.code = code
        self.details = details or []

    @property
    def document(self) -> Json:
        """The envelope."""
        error: Json = {"code": self.code, "message": str(self), "status": STATUS[self.code]}
        return {"error": error | ({"details": self.details} if self.details else {})}


class Refusal(Exception):  # noqa: N818  # named for what it is
    """Something that is wrong with one request of a batch; the batch puts its place before the sentence."""


def refuse_call(message: str, field: str = "") -> ApiError:
    """Give a 400, with the violated field where Google names one."""
    violation = {"field": field, "description": message} if field else {"description": message}
    kind = "type.googleapis.com/google.rpc.BadRequest"
    return ApiError(400, message, [{"@type": kind, "fieldViolations": [violation]}])


def refuse_feature(what: str) -> ApiError:
    """Give a 501 for what Google knows and this server does not, so that no test passes by accident."""
    return ApiError(501, f"{what} is not implemented by mmflow_sheets.testing.")


def explain_reason(reason: str, **metadata: str) -> list[Json]:
    """Give the details by which programs tell errors of one code apart."""
    kind = "type.googleapis.com/google.rpc.ErrorInfo"
    return [{"@type": kind, "reason": reason, "domain": "googleapis.com", "metadata": metadata}]
