"""The errors of the Gemini API (google.rpc.Status as JSON; AIP-193): a code, a message, a canonical status, details."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

INVALID_ARGUMENT: Final = "INVALID_ARGUMENT"

# What Google says where a behaviour gives no words: canonical status, message.
_ERRORS: Final[Mapping[int, tuple[str, str]]] = {
    400: (INVALID_ARGUMENT, "Request contains an invalid argument."),
    401: (
        "UNAUTHENTICATED",
        "Request had invalid authentication credentials. Expected a valid authentication credential.",
    ),
    403: ("PERMISSION_DENIED", "The caller does not have permission"),
    404: ("NOT_FOUND", "Requested entity was not found."),
    408: ("DEADLINE_EXCEEDED", "The request timed out. Please try again."),
    409: ("ABORTED", "The operation was aborted."),
    413: (INVALID_ARGUMENT, "Request payload size exceeds the limit."),
    429: ("RESOURCE_EXHAUSTED", "Resource has been exhausted (e.g. check quota)."),
    499: ("CANCELLED", "The operation was cancelled."),
    500: ("INTERNAL", "An internal error has occurred. Please retry or report the error."),
    501: ("UNIMPLEMENTED", "Operation is not implemented, or supported, or enabled."),
    502: ("UNAVAILABLE", "Bad gateway."),
    503: ("UNAVAILABLE", "The model is overloaded. Please try again later."),
    504: ("DEADLINE_EXCEEDED", "Deadline expired before operation could complete."),
}
_STATUSES: Final = frozenset(
    {status for status, _ in _ERRORS.values()}
    | {"ALREADY_EXISTS", "DATA_LOSS", "FAILED_PRECONDITION", "OUT_OF_RANGE", "UNKNOWN"}
)

_TYPE: Final = "type.googleapis.com/google.rpc."


class RefusedError(Exception):
    """The request is wrong: the HTTP status, what is said of it, and details for machines."""

    def __init__(self, code: int, message: str, *details: Mapping[str, Any]) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.details = details


def body(code: int, said: str | None, reason: str | None, details: Sequence[Mapping[str, Any]] = ()) -> bytes:
    """Return the error body for the HTTP status *code*; *reason* is a canonical status, or else goes into a detail."""
    status, usual = _ERRORS.get(code, _ERRORS[500 if code >= 500 else 400])
    told = list(details)
    if reason in _STATUSES:
        status = reason
    elif reason is not None:
        told.append(error_info(reason))
    error: dict[str, Any] = {"code": code, "message": said or usual, "status": status}
    if told:
        error["details"] = told
    return msgspec.json.encode({"error": error})


def message(code: int) -> str:
    """Return what Google says with the HTTP status *code* where there is nothing more to say."""
    return _ERRORS.get(code, _ERRORS[500 if code >= 500 else 400])[1]


def error_info(reason: str) -> dict[str, Any]:
    """Return the detail that names a *reason*."""
    return {
        "@type": f"{_TYPE}ErrorInfo",
        "reason": reason,
        "domain": "googleapis.com",
        "metadata": {"service": "generativelanguage.googleapis.com"},
    }


def no_key() -> RefusedError:
    """Return the refusal of a request without a key."""
    return RefusedError(
        403,
        "Method doesn't allow unregistered callers (callers without established identity). Please use API Key or other "
        "form of API consumer identity to call this API.",
    )


def wrong_key() -> RefusedError:
    """Return the refusal of a key that is not one: a 400 at Google, and no 401."""
    said = "API key not valid. Please pass a valid API key."
    localized = {"@type": f"{_TYPE}LocalizedMessage", "locale": "en-US", "message": said}
    return RefusedError(400, said, error_info("API_KEY_INVALID"), localized)


def violations(*flaws: tuple[str, str]) -> RefusedError:
    """Return the refusal of a body for *flaws*, each a field (in snake case, perhaps none) and a sentence."""
    told = [{"field": field, "description": said} if field else {"description": said} for field, said in flaws]
    detail = {"@type": f"{_TYPE}BadRequest", "fieldViolations": told}
    return RefusedError(400, "\n".join(said for _, said in flaws), detail)


def invalid(said: str, place: str) -> RefusedError:
    """Return the refusal of what a request means, not of how it is spelled; *place* is below the request."""
    return RefusedError(400, f"* {place}: {said}\n")
