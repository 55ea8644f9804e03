"""The catalogue of requirements: every sentence that a gateway is held to, one TOML file for each area.

Rule 1. An id is `area.subject.property`; the area is its file's name, and no id stands twice.
Rule 2. A text says its level, and no other, in capitals (RFC 2119).
Rule 3. Sources and profiles come from the closed lists below.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping
from enum import StrEnum
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Final, NamedTuple, final

import msgspec

from routeproof_spec.config import read_toml
from routeproof_spec.errors import ConfigError, RouteproofError

FOLDER: Final = Path(__file__).parent / "requirements"

PROFILES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "core": "A client of the OpenAI API can use the gateway: models, bodies, headers, errors.",
        "routing": "A name and a strategy choose the provider that they promise.",
        "health": "Who fails is left alone for a time, and found again.",
        "fallback": "When a provider fails, the right one is asked next, or the client is told the truth.",
        "streaming": "A stream has the right grammar, comes as it is made, and ends honestly.",
        "security": "Only a good key is served, within its restrictions, and no error tells a secret.",
        "timeouts": "Silence, stalls and drips come to an end; what is merely slow is served.",
        "limits": "A key consumes no more than it may, and is told how much that is.",
        "operations": "Who runs the gateway can ask whether it lives and is ready, and can end it without a loss.",
        "universal": "What holds for every gateway, whatever it declares.",
    }
)

_PAGES = (
    "overview",
    "authentication",
    "api-keys",
    "chat-completions",
    "completions",
    "embeddings",
    "models-api",
    "errors",
    "routing",
    "models",
    "tokens",
    "fallback",
    "rate-limits",
    "usage-limits",
    "model-selection",
    "cost-optimization",
    "first-request",
    "troubleshooting",
    "faq",
)

SOURCES: Final[Mapping[str, str]] = MappingProxyType(
    {page: f"The page '{page}' of TokenHub's documentation." for page in _PAGES}
    | {
        "kit": "A reading of this project's own, where the pages are silent or disagree (spec/README.md).",
        "openai": "The reference of the public OpenAI API.",
        "rfc9110": "RFC 9110, HTTP Semantics.",
        "rfc9112": "RFC 9112, HTTP/1.1.",
        "rfc6585": "RFC 6585, Additional HTTP Status Codes.",
        "rfc6750": "RFC 6750, Bearer Token Usage.",
        "sse": "The event-stream format of the WHATWG HTML standard.",
    }
)


class Level(StrEnum):
    """How much a requirement asks: a breach of MUST fails, of SHOULD warns, of MAY cannot be."""

    MUST = "MUST"
    SHOULD = "SHOULD"
    MAY = "MAY"


class Needs(StrEnum):
    """What the judge has to own to test a requirement: the gateway's URL, or the providers behind it too."""

    URL = "url"
    PROVIDERS = "providers"


@final
class Requirement(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One testable sentence of the contract; *operations* is empty where it is about no single operation."""

    id: str
    level: Level
    text: str
    source: tuple[str, ...]
    profile: str
    needs: Needs
    operations: tuple[str, ...]
    excluded: str | None = None  #: why no check tests it for now

    @property
    def area(self) -> str:
        """The first word of the id, which names the file."""
        return self.id.partition(".")[0]


@final
class UnknownRequirement(RouteproofError):
    """No requirement has the id that was asked for; *near* holds the ids most like it."""

    def __init__(self, requirement_id: str, near: tuple[str, ...]) -> None:
        super().__init__(requirement_id, near)
        self.requirement_id = requirement_id
        self.near = near

    def __str__(self) -> str:
        mend = "did you mean " + " or ".join(self.near) if self.near else "'routeproof requirements' lists them all"
        return f"there is no requirement '{self.requirement_id}'; {mend}"


@cache
def load_requirements() -> Mapping[str, Requirement]:
    """Return the catalogue by id, ordered by area and then as written."""
    return read_requirements(FOLDER)


def get_requirement(requirement_id: str) -> Requirement:
    """Return one requirement; raise `UnknownRequirement`, which suggests ids like it."""
    known = load_requirements()
    if requirement_id not in known:
        raise UnknownRequirement(requirement_id, tuple(difflib.get_close_matches(requirement_id, known, n=3)))
    return known[requirement_id]


def read_requirements(folder: Path) -> Mapping[str, Requirement]:
    """Return the catalogue in *folder*; raise `ConfigError`, which names the file and the entry that break a rule."""
    catalogue: dict[str, Requirement] = {}
    for path in sorted(folder.glob("*.toml")):
        for entry in read_toml(path, _Area).requirement:
            if breach := next(_breaches(entry, area=path.stem, taken=entry.id in catalogue), None):
                key = f"{entry.id}: {breach.key}"
                raise ConfigError(file=path, key=key, found=breach.found, wanted=breach.wanted)
            catalogue[entry.id] = entry
    if not catalogue:
        raise ConfigError(file=folder, key="", found="no requirement", wanted="a TOML file for each area")
    return MappingProxyType(catalogue)


class _Area(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One file of the catalogue."""

    requirement: tuple[Requirement, ...]


class _Breach(NamedTuple):
    key: str
    found: str
    wanted: str


_ID = re.compile(r"[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*){2}")
_LEVEL = re.compile(r"\b(?:MUST|SHOULD|MAY)\b")


def _breaches(entry: Requirement, *, area: str, taken: bool) -> Iterator[_Breach]:
    if not _ID.fullmatch(entry.id):
        yield _Breach("id", repr(entry.id), "area.subject.property in lower case")
    if entry.area != area:
        yield _Breach("id", f"the area '{entry.area}'", f"'{area}', the name of the file")
    if taken:
        yield _Breach("id", "an id that stands already", "an id of its own")
    if set(_LEVEL.findall(entry.text)) != {entry.level.value}:
        yield _Breach("text", repr(entry.text), f"a sentence that says {entry.level}, alone")
    if entry.profile not in PROFILES:
        yield _Breach("profile", repr(entry.profile), "one of " + ", ".join(PROFILES))
    if not entry.source or not SOURCES.keys() >= set(entry.source):
        yield _Breach("source", repr(list(entry.source)), "at least one of " + ", ".join(SOURCES))
    if entry.excluded is not None and not entry.excluded.strip():
        yield _Breach("excluded", "an empty text", "the reason, or no such key")
