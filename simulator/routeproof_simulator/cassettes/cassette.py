"""A cassette: what a real API answered, with its timing, in a file that people can read.

Rule 1. NDJSON: the first line says what the file is, each further line is one answer, complete in itself.
Rule 2. Times are relative and in seconds, as in a script: each says how long nothing came before it.
Rule 3. No credential is in it, whoever sent it and wherever it stood (`scrubbing`); request headers are not kept.
Rule 4. Two requests are the same when method, path, query and body are, the body as JSON: the order of keys, the
        spelling of numbers, `user`, `metadata.routeproof` and a marker in a text make no difference.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Final, Literal, TypeVar, final

import msgspec
from msgspec import Meta, Struct

from routeproof_spec.config import decode
from routeproof_spec.errors import NOT_JSON, ConfigError
from routeproof_spec.history import Headers
from routeproof_spec.redaction import fingerprint

T = TypeVar("T")

FILE_BYTES_MAX: Final = 64 * 2**20
ANSWER_BYTES_MAX: Final = 8 * 2**20  # of one answer's body; a longer one is handed on and not recorded

_MARKED: Final = re.compile(r"\s*\[\[rp:[A-Za-z0-9._-]{1,64}\]\]")
_TOLD_MAX: Final = 5  # recorded requests that an error names

Seconds = Annotated[float, Meta(ge=0)]


class Heading(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The first line."""

    routeproof_cassette: Literal[1]
    upstream: str = ""  # the base URL of the API that answered
    dialect: str = "openai"  # in whose words a replay refuses what is not recorded


class Chunk(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Bytes of the body that came at once, *after* so many seconds: *text*, or *base64* where they are not UTF-8."""

    after: Seconds
    text: str | None = None
    base64: bytes | None = None

    @classmethod
    def of(cls, data: bytes, after: float) -> Chunk:
        """Return *data* as a chunk."""
        try:
            return cls(after=after, text=data.decode("utf-8"))
        except UnicodeDecodeError:
            return cls(after=after, base64=data)

    @property
    def data(self) -> bytes:
        """The bytes."""
        return (self.base64 or b"") if self.text is None else self.text.encode("utf-8")


class Recording(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """One request, and what was answered."""

    method: str
    target: str  # path and query
    request: Any = None  # the body: JSON, or text; the fingerprint of what is neither
    status: int | None = None  # None: the connection ended before a head
    head_after: Seconds = 0.0
    headers: Headers = ()
    length: Annotated[int, Meta(ge=0)] | None = None  # what the head announced; None: a stream
    chunks: tuple[Chunk, ...] = ()
    end_after: Seconds = 0.0
    ended: Literal["complete", "cut", "reset"] = "complete"

    @property
    def title(self) -> str:
        """The request in a few words."""
        model = self.request.get("model") if isinstance(self.request, dict) else None  # pyright: ignore[reportUnknownVariableType, reportUnknownMemberType] - the JSON edge
        return f"{self.method} {self.target}" + (f" (model {model})" if isinstance(model, str) else "")

    @property
    def key(self) -> bytes:
        """The same for the same request (Rule 4)."""
        return request_key(self.method, self.target, self.request)

    def line(self) -> bytes:
        """Return the line of the file."""
        return msgspec.json.encode(self) + b"\n"


@final
class Cassette:
    """The answers of one file."""

    def __init__(self, heading: Heading, recordings: Sequence[Recording], *, name: str) -> None:
        self.heading = heading
        self.recordings = tuple(recordings)
        self.name = name

    def of(self, key: bytes) -> tuple[Recording, ...]:
        """Return the answers to the requests of *key*, in the order in which they were recorded."""
        return self._by_key.get(key, ())

    def lacks(self, method: str, target: str, body: object) -> str:
        """Return the sentence that says that this request is not recorded, and what is."""
        here = [each for each in self.recordings if (each.method, each.target) == (method, target)]
        if here:
            differences = min((_differing(each.request, body) for each in here), key=len)
            return (
                f"{method} {target} is recorded in {self.name}, but with another body: "
                f"the nearest differs in {', '.join(differences) or 'its form'}."
            )
        titles = list(dict.fromkeys(each.title for each in self.recordings))
        told = "; ".join(titles[:_TOLD_MAX]) + (f"; and {len(titles) - _TOLD_MAX} more" * (len(titles) > _TOLD_MAX))
        return f"{method} {target} is not recorded in {self.name}. Recorded: {told or 'nothing'}."

    @cached_property
    def _by_key(self) -> dict[bytes, tuple[Recording, ...]]:
        grouped: dict[bytes, list[Recording]] = {}
        for each in self.recordings:
            grouped.setdefault(each.key, []).append(each)
        return {key: tuple(each) for key, each in grouped.items()}


def load_cassette(path: Path) -> Cassette:
    """Return the cassette in the file at *path*; raises `ConfigError`."""
    wanted = "a cassette, as `routeproof record` writes it"
    try:
        size = path.stat().st_size
        if size > FILE_BYTES_MAX:
            raise ConfigError(file=path, key="", found=f"{size} bytes", wanted=f"at most {FILE_BYTES_MAX} bytes")
        data = path.read_bytes()
    except OSError as error:
        raise ConfigError(file=path, key="", found=error.strerror or str(error), wanted=wanted) from error
    first, *rest = data.splitlines() or [b""]
    heading = _parsed(first, Heading, file=path, line=1)
    recordings = [
        _parsed(line, Recording, file=path, line=number) for number, line in enumerate(rest, start=2) if line.strip()
    ]
    return Cassette(heading, recordings, name=path.name)


def body_tree(body: bytes) -> object:
    """Return a request's *body* as it stands in the file."""
    try:
        return msgspec.json.decode(body) if body else None
    except NOT_JSON:
        pass
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError:
        return fingerprint(body.decode("latin-1"))


def request_key(method: str, target: str, body: object) -> bytes:
    """Return what is the same for the same request (Rule 4)."""
    return msgspec.json.encode([method, target, _canonical(_unmarked(body))], order="deterministic")


def _unmarked(body: object) -> object:
    if not isinstance(body, dict):
        return body
    tree: dict[str, Any] = {name: value for name, value in body.items() if name != "user"}  # pyright: ignore[reportUnknownVariableType] - the JSON edge
    metadata = tree.get("metadata")
    if isinstance(metadata, dict):
        tree["metadata"] = {name: value for name, value in metadata.items() if name != "routeproof"}  # pyright: ignore[reportUnknownVariableType] - the JSON edge
        if not tree["metadata"]:
            del tree["metadata"]
    return tree


def _canonical(tree: Any) -> Any:
    match tree:
        case dict():
            return {str(name): _canonical(value) for name, value in tree.items()}  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType] - the JSON edge
        case list():
            return [_canonical(each) for each in tree]  # pyright: ignore[reportUnknownVariableType] - the JSON edge
        case str():
            return _MARKED.sub("", tree)
        case float() if tree.is_integer():
            return int(tree)  # RFC 8785: 1.0 is spelled 1
        case _:
            return tree


def _differing(recorded: object, asked: object) -> list[str]:
    """Return the keys in which two bodies differ."""
    if not (isinstance(recorded, dict) and isinstance(asked, dict)):
        return ["the whole body"]
    ours: dict[str, Any] = _canonical(_unmarked(recorded))  # pyright: ignore[reportUnknownArgumentType] - the JSON edge
    theirs: dict[str, Any] = _canonical(_unmarked(asked))  # pyright: ignore[reportUnknownArgumentType] - the JSON edge
    absent = object()
    return sorted(f"'{key}'" for key in ours | theirs if ours.get(key, absent) != theirs.get(key, absent))


def _parsed(data: bytes, kind: type[T], *, file: Path, line: int) -> T:
    place = f"{file}: line {line}"
    try:
        tree = msgspec.json.decode(data)
    except NOT_JSON as error:
        raise ConfigError(file=place, key="", found=str(error), wanted="one JSON object") from error
    return decode(tree, kind, file=place)
