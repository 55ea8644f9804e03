"""Requests that schemathesis makes up from the contract's own OpenAPI, right and wrong ones, asked over sockets.

Every answer is held against the document: status, content type, headers and schema are those that it knows for the
operation, what is wrong is refused, and nothing is a 500.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any, Final, cast

import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from schemathesis import GenerationMode
from schemathesis.specs.openapi import checks

from routeproof_simulator.fleet import load_fleet, on_free_ports
from routeproof_simulator.thread import FleetThread
from tests.end_to_end.operated import operated
from tests.end_to_end.stack import KEY, gateway_file

SECONDS_MAX: Final = 10.0
FINDINGS_MAX: Final = 100
HEADERS: Final = {"authorization": f"Bearer {KEY}"}
#: A key that was made wrong on purpose is replaced by a good one, so that what else is wrong is looked at.
REPLACED: Final = "Invalid component: parameter `Authorization` in header"
#: What the schema allows may be refused all the same: by a provider, or for a model that there is not.
NOT_ASKED: Final[list[Any]] = [cast("Any", checks).positive_data_acceptance]


@dataclass(slots=True)
class Outcome:
    """How many answers of each status there were, by operation and kind of request, and what was amiss."""

    statuses: dict[str, Counter[int]] = field(default_factory=dict[str, Counter[int]])
    findings: list[str] = field(default_factory=list[str])

    @property
    def number(self) -> int:
        """How many requests were answered."""
        return sum(each.total() for each in self.statuses.values())


@contextmanager
def running(folder: Path) -> Generator[str]:
    """Run the reference gateway before three fake providers; yield its base URL."""
    with FleetThread(on_free_ports(load_fleet())) as fleet:
        config = gateway_file(folder, fleet, breaks=False)
        with operated(config, folder / "gateway.log") as gateway:
            yield gateway.base_url


def run_described(base_url: str, *, number: int, of_seed: int) -> Outcome:
    """Ask the gateway at *base_url* about *number* times, the same for the same seed."""
    outcome = Outcome()
    schema = cast("Any", schemathesis.openapi).from_path(str(files("routeproof_spec").joinpath("openapi.yaml")))
    operations = [each.ok() for each in schema.get_all_operations()]
    modes = (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)
    each_times = max(1, number // (len(operations) * len(modes)))
    for operation in operations:
        for mode in modes:
            _ask(operation, mode, base_url, outcome, times=each_times, of_seed=of_seed)
    return outcome


def _ask(operation: Any, mode: GenerationMode, base_url: str, outcome: Outcome, *, times: int, of_seed: int) -> None:
    statuses = outcome.statuses.setdefault(f"{operation.label}, {mode.value}", Counter())

    @seed(of_seed)
    @settings(
        max_examples=times,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
    )
    @given(operation.as_strategy(mode))
    def asked(case: Any) -> None:
        answer = case.call(base_url=base_url, headers=HEADERS, timeout=SECONDS_MAX)
        statuses[answer.status_code] += 1
        try:
            case.validate_response(answer, headers=HEADERS, excluded_checks=NOT_ASKED)
        except BaseExceptionGroup as group:  # schemathesis' own failures, all of one answer together
            amiss = [str(each) for each in group.exceptions if REPLACED not in str(each)]
            if len(outcome.findings) < FINDINGS_MAX:
                outcome.findings += [f"{operation.label}: {each}\n{case.as_curl_command()}" for each in amiss]

    asked()
