"""The report: one JSON document, from which everything else is rendered; its schema is in the spec."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Final

import msgspec

from routeproof_conformance.judge.outcome import Outcome
from routeproof_conformance.judge.verdict import Verdict
from routeproof_spec.config import decode
from routeproof_spec.errors import NOT_JSON, ConfigError

FORMAT: Final = "routeproof-report/1"
NAME: Final = "report.json"


class TargetSeen(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What was judged."""

    name: str
    version: str
    base_url: str
    dialect: str
    digest: str  # of the target file; empty for a URL alone
    is_url_only: bool


class Machine(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where it was judged, and how late its timers are (seconds)."""

    python: str
    platform: str
    late_median: float
    late_worst: float


class Sentence(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A requirement, as it stood in this version."""

    id: str
    level: str
    text: str
    profile: str


class Transfer(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Bytes of one side of a transfer: text as far as kept, and when each frame passed (seconds into the check)."""

    headers: list[tuple[str, str]]
    body: str
    body_bytes: int
    frames: list[tuple[float, int]] = []


class AttemptSeen(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One attempt as its provider saw it; times in seconds into the check."""

    provider: str
    received: float
    status: int | None
    faults: list[str]
    request: Transfer
    response: Transfer
    ended: str
    ended_at: float | None  # None: still open when the check went on
    peer_gone: float | None


class ExchangeSeen(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One request of a check, from both sides; times in seconds into the check."""

    marker: str
    method: str
    path: str
    sent: float
    request: Transfer
    status: int | None
    head: float | None
    response: Transfer
    ended: str
    ended_at: float
    detail: str
    curl: str
    attempts: list[AttemptSeen] | None  # None: the providers are not ours


class StatisticSeen(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One statistical test."""

    test: str
    question: str
    alpha: float
    beta: float
    n: int
    seen: str
    decision: str
    power: float


class CheckSeen(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One check: what it asks, what it came to, and why."""

    name: str
    area: str
    says: str
    requirements: list[str]
    outcome: Outcome
    reason: str
    broken: str | None  # the requirement that was broken
    duration: float  #: seconds
    requests: int
    exchanges: list[ExchangeSeen] = []
    dropped: int = 0  # requests whose sides were not kept
    notes: list[str] = []
    statistics: list[StatisticSeen] = []
    expectation: str = ""
    traceback: str = ""  # of our own mistakes alone


class LeftOut(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A check that the run did not judge, or a requirement that no check tests, and why."""

    name: str
    requirements: list[str]
    reason: str


class ProfileSeen(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The verdict of one profile."""

    name: str
    says: str
    verdict: Verdict
    required: int  # requirements that a check can test
    held: int
    broken: list[str]
    unsettled: list[str]
    untested: list[str]  # not applicable, or out of scope


class ErrorBudget(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How likely any verdict of the run's sequential tests is wrong: the sums over all of them."""

    tests: int
    alpha: float
    beta: float


class Report(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A whole run. `complete` stands last: without it the run did not come to its end."""

    format: str
    routeproof: str
    contract: str
    target: TargetSeen
    seed: int
    command: str
    started_at: str
    duration: float  #: seconds
    machine: Machine
    profiles: list[ProfileSeen]
    requirements: list[Sentence]
    checks: list[CheckSeen]
    out_of_scope: list[LeftOut]
    excluded: list[LeftOut]
    error_budget: ErrorBudget
    exit_code: int
    problem: str  # why the run could not be made or ended early; empty where it was whole
    complete: bool


def schema() -> dict[str, object]:
    """Return the JSON Schema of a report, as the spec publishes it."""
    tree = msgspec.convert(msgspec.json.schema(Report), dict[str, object])
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": f"urn:{FORMAT}", **tree}


def write_report(report: Report, folder: Path) -> Path:
    """Write *report* into *folder*, all of it or nothing; return its path."""
    return write_whole(folder / NAME, msgspec.json.format(msgspec.json.encode(report), indent=1))


def write_whole(path: Path, data: bytes) -> Path:
    """Write *data* to *path*, all of it or nothing: a reader never meets half a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        Path(name).chmod(0o644)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    return path


def read_report(path: Path) -> Report:
    """Return the report at *path*, or in that folder; raise `ConfigError` where it is none."""
    file = path / NAME if path.is_dir() else path
    try:
        tree: object = msgspec.json.decode(file.read_bytes())
    except FileNotFoundError:
        raise ConfigError(file=file, key="", found="no such file", wanted="a report") from None
    except NOT_JSON as error:
        raise ConfigError(file=file, key="", found=str(error), wanted="a report, which is JSON") from error
    return decode(tree, Report, file=str(file))
