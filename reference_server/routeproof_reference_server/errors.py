"""The errors that clients see: rows of the contract's table, in its envelope."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, final

import msgspec

from routeproof_spec.contract import load_contract

ECHO_CHARS_MAX: Final = 200  #: what an error repeats of one text of the client's

_ROWS = load_contract().errors
_NOTHING: Final[Mapping[str, str]] = MappingProxyType({})
_CUT: Final = " [...] "


def echoed(text: str) -> str:
    """Return *text*, or only its two ends where it is longer than `ECHO_CHARS_MAX`: the client knows the rest."""
    if len(text) <= ECHO_CHARS_MAX:
        return text
    end = (ECHO_CHARS_MAX - len(_CUT)) // 2
    return f"{text[:end]}{_CUT}{text[-end:]}"


@final
class GatewayError(Exception):
    """A request ends with an error of the contract's table; *row* is its name there."""

    def __init__(
        self,
        row: str,
        message: str = "",
        *,
        status: int | None = None,
        param: str | None = None,
        headers: Mapping[str, str] = _NOTHING,
    ) -> None:
        super().__init__(row, message)
        self.row = _ROWS[row]
        self.status = status or self.row.status
        self.message = self.row.message or message or self.row.when
        self.param = param
        self.headers = headers

    def __str__(self) -> str:
        return f"{self.status} {self.row.code}: {self.message}"

    def envelope(self) -> bytes:
        """Return the error as the wire says it, in JSON."""
        error = {"type": self.row.type, "message": self.message, "code": self.row.code}
        if self.param is not None:
            error["param"] = self.param
        return msgspec.json.encode({"error": error})
