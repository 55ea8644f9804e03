"""Traces of real traffic, read from CSV: who asked when, with how many tokens, and how long they waited.

Two forms are known by their header, with further columns passed over: BurstGPT's (`Timestamp` in seconds, `Model`,
`Request tokens`, `Response tokens`) and that of Azure's LLM inference traces (`TIMESTAMP` as a date, `ContextTokens`,
`GeneratedTokens`). Waits are read from any table with a column of times to the first token. No trace is shipped.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Generic, TypeAlias, TypeVar

from routeproof_spec.errors import ConfigError

FILE_BYTES_MAX: Final = 64 * 2**20
ROWS_MAX: Final = 200_000  # as many as one run may ask
QUANTILES: Final = 101  # every hundredth, both ends among them

T = TypeVar("T")

Row: TypeAlias = Mapping[str, str]
Lines: TypeAlias = Iterable[str]

_BURSTGPT: Final = ("Timestamp", "Model", "Request tokens", "Response tokens")
_AZURE: Final = ("TIMESTAMP", "ContextTokens", "GeneratedTokens")
_WAITS: Final = {"ttft": 1.0, "latency": 1.0, "ttft_ms": 0.001, "latency_ms": 0.001}  # columns of waits, in seconds


@dataclass(frozen=True, slots=True)
class _Kind(Generic[T]):
    """How a cell is read, None standing for one that is wrong, and what is wanted of it."""

    read: Callable[[str], T | None]
    wanted: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """One request of a trace."""

    at: float  #: seconds after the first
    prompt_tokens: int
    completion_tokens: int  # 0 where the request failed
    model: str | None = None  # as the trace calls it


def read_trace(path: Path) -> tuple[Arrival, ...]:
    """Return the arrivals in the CSV file at *path*, in order; raise `ConfigError` for what cannot be read."""
    return parse_trace(io.StringIO(_text(path)), file=str(path))


def read_waits(path: Path) -> tuple[float, ...]:
    """Return the quantiles of the waits in the CSV file at *path*, as the behaviour `latency_from` takes them."""
    return parse_waits(io.StringIO(_text(path)), file=str(path))


def parse_trace(lines: Lines, *, file: str) -> tuple[Arrival, ...]:
    """Return the arrivals in *lines* of CSV, in order; *file* names their origin in errors."""
    rows = _rows(lines, file)
    columns = next(rows)[1]
    if set(_BURSTGPT) <= columns.keys():
        times, prompt, completion, time = "Timestamp", "Request tokens", "Response tokens", _SECONDS
    elif set(_AZURE) <= columns.keys():
        times, prompt, completion, time = "TIMESTAMP", "ContextTokens", "GeneratedTokens", _DATE
    else:
        wanted = f"the columns {', '.join(_BURSTGPT)}, or {', '.join(_AZURE)}"
        raise ConfigError(file=file, key="line 1", found=_listed(columns), wanted=wanted)
    found = [
        Arrival(
            at=_read(row, times, time, file, line),
            prompt_tokens=_read(row, prompt, _COUNT, file, line),
            completion_tokens=_read(row, completion, _COUNT, file, line),
            model=row.get("Model"),
        )
        for line, row in rows
    ]
    found.sort(key=lambda each: each.at)
    return tuple(_from_start(found))


def parse_waits(lines: Lines, *, file: str) -> tuple[float, ...]:
    """Return 101 evenly spaced quantiles of the waits in *lines* of CSV, in seconds."""
    rows = _rows(lines, file)
    columns = {name.strip().lower(): name for name in next(rows)[1]}
    column = next((name for name in _WAITS if name in columns), None)
    if column is None:
        wanted = f"one of the columns {', '.join(_WAITS)}"
        raise ConfigError(file=file, key="line 1", found=_listed(columns), wanted=wanted)
    unit = _WAITS[column]
    waits = sorted(_read(row, columns[column], _SECONDS, file, line) * unit for line, row in rows)
    return quantiles(waits)


def quantiles(ordered: list[float], *, count: int = QUANTILES) -> tuple[float, ...]:
    """Return *count* evenly spaced quantiles of *ordered* samples, the least and the greatest among them."""
    assert ordered
    assert count >= 2
    return tuple(_quantile(ordered, index / (count - 1)) for index in range(count))


def _quantile(ordered: list[float], share: float) -> float:
    place = share * (len(ordered) - 1)
    low = math.floor(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)


def _text(path: Path) -> str:
    try:
        size = path.stat().st_size
        if size > FILE_BYTES_MAX:
            raise ConfigError(file=path, key="", found=f"{size} bytes", wanted=f"at most {FILE_BYTES_MAX} bytes")
        return path.read_text(encoding="utf-8-sig")  # spreadsheets put a byte order mark before CSV
    except OSError as error:
        found = error.strerror or str(error)
        raise ConfigError(file=path, key="", found=found, wanted="a readable CSV file") from error
    except UnicodeDecodeError as error:
        key = f"byte {error.start}"
        raise ConfigError(file=path, key=key, found="bytes that are not UTF-8", wanted="UTF-8") from error


def _rows(lines: Lines, file: str) -> Iterator[tuple[int, Row]]:
    """Yield the header, as a row that names itself, then every row with the number of its line; at least one."""
    reader = csv.reader(lines, strict=True)
    count = 0
    try:
        header = [name.strip() for name in next(reader, list[str]())]
        yield 1, dict(zip(header, header, strict=True))
        for cells in reader:
            if not cells:
                continue  # an empty line, as at the end of many files
            if len(cells) != len(header):
                found, wanted = f"{len(cells)} cells", f"{len(header)}, as the first line has"
                raise ConfigError(file=file, key=f"line {reader.line_num}", found=found, wanted=wanted)
            count += 1
            if count > ROWS_MAX:
                wanted = f"at most {ROWS_MAX} rows: cut the file"
                raise ConfigError(file=file, key=f"line {reader.line_num}", found="more rows", wanted=wanted)
            yield reader.line_num, dict(zip(header, cells, strict=True))
    except csv.Error as error:
        key = f"line {reader.line_num}"
        raise ConfigError(file=file, key=key, found=str(error), wanted="valid CSV (RFC 4180)") from error
    if not count:
        raise ConfigError(file=file, key="", found="no rows", wanted="at least one below the header")


def _read(row: Row, column: str, kind: _Kind[T], file: str, line: int) -> T:
    value = kind.read(row[column].strip())
    if value is None:
        key = f"line {line}, {column}"
        raise ConfigError(file=file, key=key, found=repr(row[column][:80]), wanted=kind.wanted)
    return value


def _seconds(cell: str) -> float | None:
    try:
        value = float(cell)
    except ValueError:
        return None
    return value if 0 <= value < math.inf else None


def _date(cell: str) -> float | None:
    try:
        at = datetime.fromisoformat(cell)
    except ValueError:
        return None
    return (at if at.tzinfo is not None else at.replace(tzinfo=UTC)).timestamp()


def _count(cell: str) -> int | None:
    return int(cell) if cell.isascii() and cell.isdigit() and len(cell) <= 9 else None


_SECONDS: Final = _Kind(_seconds, "a number of at least 0")
_DATE: Final = _Kind(_date, "a date and time, as 2023-11-16 18:15:46.680590")
_COUNT: Final = _Kind(_count, "a whole number of tokens")


def _from_start(found: list[Arrival]) -> Iterator[Arrival]:
    for each in found:
        yield Arrival(
            at=each.at - found[0].at,
            prompt_tokens=each.prompt_tokens,
            completion_tokens=each.completion_tokens,
            model=each.model,
        )


def _listed(columns: Iterable[str]) -> str:
    return ("the columns " + ", ".join(columns))[:200] if columns else "no header"
