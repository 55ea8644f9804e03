"""Three families that never mix: the user's mistakes, the target's breaches, and ours (`assert`)."""

from __future__ import annotations

from pathlib import Path
from typing import Final, final

import msgspec

#: What `msgspec.json.decode` raises for bytes that are no JSON: broken, not UTF-8, or nested beyond all measure.
NOT_JSON: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class RouteproofError(Exception):
    """Something the user can mend; the sentence says what, where, and how."""


class ConfigError(RouteproofError):
    """A file of the user is wrong at one place: which file, which key, what was found and what is wanted."""

    def __init__(self, *, file: str | Path, key: str, found: str, wanted: str) -> None:
        super().__init__(file, key, found, wanted)
        self.file = str(file)
        self.key = key
        self.found = found
        self.wanted = wanted

    def __str__(self) -> str:
        place = f"{self.file}: {self.key}" if self.key else self.file
        return f"{place}: found {self.found}; wanted {self.wanted}"


@final
class TargetUnreachable(RouteproofError):
    """The gateway under test, or the control port of its providers, does not answer."""


class ProtocolError(RouteproofError):
    """A protocol was broken on one side of a connection."""


@final
class LocalProtocolError(ProtocolError):
    """We, or the caller of this package, broke the protocol."""


@final
class RemoteProtocolError(ProtocolError):
    """The peer broke the protocol; *offending* holds the bytes that did."""

    def __init__(self, message: str, *, offending: bytes = b"") -> None:
        super().__init__(message)
        self.offending = offending


@final
class Violation(AssertionError):
    """The target broke a requirement: a finding about the target, never an error of ours."""

    def __init__(self, requirement: str, *, expected: str, actual: str) -> None:
        super().__init__(requirement, expected, actual)
        self.requirement = requirement
        self.expected = expected
        self.actual = actual

    def __str__(self) -> str:
        return f"{self.requirement}: expected {self.expected}; got {self.actual}"
