"""What the official SDKs make of every fault: measured against real sockets, and written into docs/faults.md.

    python -m benchmarks.faults            # measures everything, and writes the tables anew (about a minute)

Each row is one behaviour, each SDK is asked once whole and once as a stream, with no retries and with a timeout.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from queue import SimpleQueue
from typing import Final, get_args

from benchmarks.sdks import KEY, TIMEOUT, Asking, Question, ask_anthropic, ask_gemini, ask_openai, difference
from routeproof_simulator import Door, FleetConfig, FleetThread, ProviderConfig
from routeproof_simulator import behaviours as b
from routeproof_simulator.algebra import Behaviour
from routeproof_simulator.catalogue import GROUPS, Attribute, Description, describe
from routeproof_simulator.script import Place

PAGE: Final = Path(__file__).parents[1] / "docs" / "faults.md"
TITLES: Final = {
    "timing": "How soon, how fast",
    "wire": "The connection",
    "http": "HTTP",
    "stream": "The events of a stream",
    "meaning": "What is said",
    "capacity": "Capacity",
    "when": "When",
}
BEGIN: Final = "<!-- from here on: written by benchmarks/faults.py -->\n"

AT_ONCE: Final = 8  # providers of each dialect, each asked by one thread
PATIENCE: Final = 8.0  #: seconds, after which the connection is ended under an SDK that still reads

UNCHANGED: Final = "unchanged"
WAITS: Final = "waits until its timeout"
READS_ON: Final = "reads on past its timeout"


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """One behaviour with values as an example, and what to ask so that it shows."""

    behaviour: Behaviour
    question: Question = field(default_factory=Question)


EXAMPLES: Final = (
    *(
        Example(behaviour=behaviour)
        for behaviour in (
            b.latency(0.05, jitter=0.02),
            b.ttft(0.05),
            b.pace(1000.0),
            b.slicer(7),
            b.drip(0.1),
            b.drip(0.1, headers=True),
            b.cut(before="headers"),
            b.cut(before="headers_end"),
            b.cut(before="body"),
            b.cut(bytes=20),
            b.cut(before="character_end"),
            b.cut(before="chunk_end"),
            b.cut(before="content"),
            b.cut(before="finish"),
            b.cut(before="done"),
            b.reset(before="headers"),
            b.reset(before="headers_end"),
            b.reset(bytes=20),
            b.stall(before="headers"),
            b.stall(before="headers_end"),
            b.stall(before="body"),
            b.stall(bytes=20),
            b.stall(before="finish"),
            b.slow_close(0.2),
            *(b.fail(status) for status in (400, 401, 403, 404, 408, 409, 413, 429, 500, 502, 503, 504, 529)),
            b.fail(429, retry_after=2),
            b.fail(429, retry_after_date=2),
            b.fail(kind="context_length_exceeded"),
            b.fail(kind="content_filter"),
            b.fail(kind="insufficient_quota"),
            b.fail(kind="model_retired"),
            b.fail(kind="overloaded"),
            b.fail(kind="html_502"),
            b.error_in_200(),
            b.empty(),
            b.answer("Hello!"),
            b.wrong_content_type(),
            b.wrong_content_length(10),
            b.wrong_content_length(-10),
            b.bad_chunk("not_hex"),
            b.bad_chunk("unended"),
            b.bad_chunk("twice"),
            b.bad_chunk("header_twice"),
            b.gzip(),
            b.bad_gzip(),
            b.oversized_headers(),
            b.oversized_body(2**20),
            b.redirect(),
            b.interim(103),
            b.http_10(),
            b.stream_error(),
            b.stream_error(4),
            b.bad_json(),
            b.bad_json(4),
            b.framing("crlf"),
            b.framing("comments"),
            b.framing("lines"),
            b.framing("unspaced"),
            b.no_blank_line(),
            b.insert(before="done", text=": waiting\n\n"),
            b.no_finish(),
            b.no_done(),
            b.data_after_done(),
            b.duplicate_event(4),
            b.swap_events(4),
            b.giant_event(frames=4),
            b.only_comments(0.1),
            b.wrong_model(),
            b.empty_completion(),
            b.finish_reason(),
            b.refusal(),
            b.usage(0, 0),
            b.usage(10**12, 10**12),
            b.no_usage(),
            b.wrong_index(),
            b.schema_drift("unknown_field"),
            b.schema_drift("null_for_absent"),
        )
    ),
    Example(behaviour=b.close_on_reuse(), question=Question(asks=2)),
    Example(behaviour=b.rate_limit(rpm=1), question=Question(asks=2)),
    Example(behaviour=b.truncated_arguments(), question=Question(tool=True)),
    Example(behaviour=b.first_choice_only(), question=Question(n=2)),
)


#: By dialect: how its SDK asks.
SDKS: Final[Mapping[str, Asking]] = {"openai": ask_openai, "anthropic": ask_anthropic, "gemini": ask_gemini}
#: By dialect, where it has another name: the package of its SDK.
PACKAGES: Final[Mapping[str, str]] = {"gemini": "google-genai"}


def measure(examples: Iterable[Example], dialect: str) -> list[tuple[str, str]]:
    """Return what the SDK of *dialect* makes of each of *examples*, whole and streamed."""
    names = [f"{dialect}-{index}" for index in range(AT_ONCE)]
    providers = tuple(ProviderConfig(name=name, key=KEY, dialect=dialect) for name in names)
    free: SimpleQueue[str] = SimpleQueue()
    for name in names:
        free.put(name)
    with FleetThread(FleetConfig(providers=providers)) as fleet, ThreadPoolExecutor(AT_ONCE) as pool:

        def one(case: tuple[Example, bool]) -> str:
            example, stream = case
            name = free.get()
            try:
                return _told(fleet, name, SDKS[dialect], example.behaviour, replace(example.question, stream=stream))
            finally:
                free.put(name)

        results = list(pool.map(one, [(example, stream) for example in examples for stream in (False, True)]))
    return list(zip(results[::2], results[1::2], strict=True))


def _told(fleet: FleetThread, name: str, ask: Asking, behaviour: Behaviour, question: Question) -> str:
    """Return in words what *ask* makes of one example."""
    url = fleet.base_urls[name]
    fleet.set_behaviour(name, b.ok)
    good = ask(url, question)
    fleet.set_behaviour(name, behaviour)
    ended = threading.Event()

    def end() -> None:
        ended.set()
        fleet.set_door(name, Door.REFUSED)  # ends the connections that there are

    watchdog = threading.Timer(PATIENCE, end)
    watchdog.start()
    try:
        outcome = difference(ask(url, question), good)
    except Exception as error:  # noqa: BLE001 - whatever the SDK raises is what is measured
        module = type(error).__module__
        package = "google.genai" if module.startswith("google.genai") else module.partition(".")[0]
        outcome = f"`{package}.{type(error).__name__}`"
        if type(error).__name__ in ("APITimeoutError", "ReadTimeout"):
            outcome = f"{WAITS}: {outcome}"
    finally:
        watchdog.cancel()
        watchdog.join()
        fleet.set_door(name, Door.OPEN)
    attempt = [each for each in fleet.attempts() if each.provider == name][-1]
    return READS_ON if ended.is_set() else outcome if attempt.faults else UNCHANGED


def page(outcomes: Mapping[str, list[tuple[str, str]]]) -> str:
    """Return what stands below the marker of the page: the groups, each with its faults and what was measured."""
    packages = [PACKAGES.get(dialect, dialect) for dialect in outcomes]
    measured = ", ".join(f"{package} {version(package)}" for package in packages)
    lines = [f"Measured with {measured}, no retries, a timeout of {TIMEOUT:g} s."]
    described = describe()
    for group in GROUPS:
        faults = [each for each in described if each.group == group]
        lines += ["", f"## {TITLES[group]}", "", "| name | attributes | what happens |", "|---|---|---|"]
        lines += map(described_row, faults)
        names = {each.name for each in faults}
        rows = [
            row
            for example, row in zip(EXAMPLES, measured_rows(EXAMPLES, outcomes), strict=True)
            if example.behaviour.name in names
        ]
        if rows:
            heads = [f"{dialect}, {form}" for dialect in outcomes for form in ("whole", "streamed")]
            lines += ["", "| for example | " + " | ".join(heads) + " |", "|---" * (1 + len(heads)) + "|", *rows]
    return "\n".join(lines) + "\n"


def measured_rows(examples: Iterable[Example], outcomes: Mapping[str, list[tuple[str, str]]]) -> list[str]:
    """Return the row of each of *examples*, as it stands in the page."""
    return [
        f"| `{example.behaviour}` | " + " | ".join(cell for cells in of_each for cell in cells) + " |"
        for example, *of_each in zip(examples, *outcomes.values(), strict=True)
    ]


def described_row(fault: Description) -> str:
    """Return the row of *fault*, as it stands in the page."""
    return f"| `{fault.name}` | {'<br>'.join(map(_attribute, fault.attributes))} | {fault.summary} |"


def _attribute(attribute: Attribute) -> str:
    default = "" if attribute.default in (None, "") else f" = {_number(attribute.default, attribute.unit)}"
    is_optional = not attribute.required and attribute.default in (None, "")
    return f"`{attribute.name}`{default}: {', '.join(_said_of(attribute))}" + ", optional" * is_optional


def _said_of(attribute: Attribute) -> Iterator[str]:
    if attribute.choices:
        is_place = attribute.choices == get_args(Place)
        yield "a place" if is_place else " or ".join(f"`{choice}`" for choice in attribute.choices)
        return
    yield attribute.unit or attribute.type
    if attribute.type == "number or text":
        yield "or text"
    if attribute.min is None:
        return
    least = _number(attribute.min, attribute.unit)
    least = f"more than {least}" if attribute.is_above else f"{least} or more"
    yield least if attribute.max is None else f"{least}, at most {_number(attribute.max, attribute.unit)}"


def _number(value: object, unit: str | None) -> str:
    if not isinstance(value, int | float) or isinstance(value, bool):
        return f"`{value}`"
    if unit == "bytes" and value and value % 2**20 == 0:
        return f"{value / 2**20:g} MiB"
    return f"{value:.15g}"


def main() -> None:
    """Measure everything, and write the page's tables anew."""
    outcomes = {dialect: measure(EXAMPLES, dialect) for dialect in SDKS}
    above = PAGE.read_text(encoding="utf-8").partition(BEGIN)[0]
    PAGE.write_text(above + BEGIN + "\n" + page(outcomes), encoding="utf-8")


if __name__ == "__main__":
    main()
