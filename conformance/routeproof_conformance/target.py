"""The target: what is judged, how it is reached and spoken to, and what it declares of itself."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random
from typing import Final, TypeVar, final

from routeproof_conformance.ask import Link
from routeproof_conformance.dialect import Dialect, load_dialect
from routeproof_conformance.judge.outcome import NotDeclared
from routeproof_conformance.target_file import (
    BoundsTable,
    Identity,
    LimitsTable,
    ModelsTable,
    RoutingTable,
    StatsTable,
    TargetFile,
    TimingTable,
    read_target_file,
)
from routeproof_spec.errors import ConfigError

T = TypeVar("T")

KEY_CHARS: Final = 32
_UNDECLARED: Final = "the target file does not declare"


@final
@dataclass(frozen=True, kw_only=True)
class Target:
    """A gateway that is to be judged, as far as it is known; secrets are held by role and never shown."""

    tables: TargetFile
    dialect: Dialect
    base_url: str
    keys: Mapping[str, str] = field(repr=False)
    path: Path | None = None  # None: a URL alone
    digest: str = ""  # of the target file
    why: str = ""  # why it is judged in this dialect; empty: its answers are still to tell

    @property
    def is_url_only(self) -> bool:
        """Whether nothing but a URL is known: then only what a URL can show is in scope."""
        return self.path is None

    @property
    def is_two_sided(self) -> bool:
        """Whether the providers behind the gateway are ours."""
        providers = self.tables.providers
        return providers is not None and bool(providers.fleet or providers.control_url)

    @property
    def models(self) -> ModelsTable:
        """Roles to model names."""
        return self.tables.models

    @property
    def routing(self) -> RoutingTable:
        """What the gateway declares of its policy."""
        return self.tables.routing

    @property
    def limits(self) -> LimitsTable:
        """What its limited keys may consume."""
        return self.tables.limits

    @property
    def timing(self) -> TimingTable:
        """The gateway's timeouts and the judge's bounds."""
        return self.tables.timing

    @property
    def bounds(self) -> BoundsTable:
        """What it takes at most."""
        return self.tables.bounds

    @property
    def stats(self) -> StatsTable:
        """The chances of a wrong verdict."""
        return self.tables.stats

    def need(self, value: T | None, what: str) -> T:
        """Return *value*; raise `NotDeclared` where the target file leaves it out (None, or an empty text)."""
        if value is None or value == "":
            raise NotDeclared(f"{_UNDECLARED} {what}")
        return value

    def lacks(self, capability: str) -> str | None:
        """Return why *capability* (`strategy.latency`) is not there, or None where it is not declared away."""
        words = capability.split(".")
        for length in range(1, len(words) + 1):
            name = ".".join(words[:length])
            if self.tables.capabilities.get(name) is False:
                return f"the target declares that it has no {name}"
        return None

    def key(self, role: str) -> str:
        """Return the secret of the key *role*; raise `NotDeclared` where it is not known."""
        return self.need(self.keys.get(role), f"keys.{role}")

    def default_model(self, operation: str) -> str:
        """Return the model that a check of *operation* asks for where nothing else matters."""
        named = {"chat": self.models.chat, "completions": self.models.completions, "embeddings": self.models.embeddings}
        if not named[operation] and self.is_url_only:
            raise NotDeclared(f"no model that was tried or listed serves {operation}: name one with --model")
        return self.need(named[operation], f"models.{operation}: name one, or say [capabilities] {operation} = false")

    def speaking(self, dialect: Dialect, *, why: str) -> Target:
        """Return this target judged in *dialect*, with the unknown key well-formed there; *why*, in words."""
        unknown = dialect.keys.prefix + self.keys["unknown"].removeprefix(self.dialect.keys.prefix)
        return replace(self, dialect=dialect, keys={**self.keys, "unknown": unknown}, why=why)

    @property
    def judged_as(self) -> str:
        """The sentence that tells whose promises the target is held to."""
        return f"judged as: {self.dialect.name} ({self.why or 'its answers are still to tell'})"

    def pinned(self, operation: str = "chat") -> tuple[Link, ...]:
        """Return, for each provider in the order of the file, the model name that it alone serves for *operation*.

        `models.pinned` counts for every operation whose default model is that of chat; others have tables of their own.
        """
        special = {"completions": self.models.pinned_completions, "embeddings": self.models.pinned_embeddings}
        table = special.get(operation, self.models.pinned)
        if operation in special and not table and self.default_model(operation) == self.models.chat:
            table = self.models.pinned
        if operation in special:
            self.need(table or None, f"models.pinned_{operation}")
        return tuple(Link(provider=provider, model=model) for provider, model in table.items())

    def called(self, provider: str) -> str:
        """Return what the gateway calls *provider* in its headers."""
        names = self.tables.providers.names if self.tables.providers else {}
        return names.get(provider, provider)


def load_target(path: Path, *, environ: Mapping[str, str], rng: Random, base_url: str = "") -> Target:
    """Return the target in the file at *path*; raise `ConfigError` where it is wrong or a key is missing.

    *base_url*, where given, replaces the file's. A launched target gets keys of our own making for every role whose
    variable is unset.
    """
    tables = read_target_file(path, base_url=base_url)
    dialect = load_dialect(tables.dialect.name, beside=path.parent)
    roles = {"main": tables.target.key_env} | tables.keys
    keys = {role: environ[name] for role, name in roles.items() if environ.get(name)}
    if tables.launch is not None:
        keys = {role: keys.get(role) or new_key(dialect, rng) for role in roles}
    elif "main" not in keys:
        found = f"the environment variable {tables.target.key_env} unset"
        raise ConfigError(file=path, key="target.key_env", found=found, wanted="the client's key in it")
    return Target(
        tables=tables,
        dialect=dialect,
        base_url=(base_url or tables.target.base_url).rstrip("/"),
        keys=keys | {"unknown": new_key(dialect, rng)},
        path=path,
        why="the target file says so",
        digest="sha256:" + hashlib.sha256(path.read_bytes()).hexdigest(),
    )


def url_target(
    base_url: str, *, environ: Mapping[str, str], rng: Random, key_env: str = "", dialect: str = "", model: str = ""
) -> Target:
    """Return a target of which only the URL is known; the rest is still to be asked for (`discovered`).

    Without a *dialect* its answers tell which it is; without a *model* its list tells some.
    """
    spoken = load_dialect(dialect or "tokenhub", said=("--dialect", ""))
    name = key_env or spoken.keys.env
    key = environ.get(name, "")
    if not key:
        wanted = "the client's key in it, or --key-env NAME"
        raise ConfigError(file=name, key="", found="an unset environment variable", wanted=wanted)
    identity = Identity(name=base_url, base_url=base_url, key_env=name)
    return Target(
        tables=TargetFile(target=identity, models=ModelsTable(chat=model)),
        dialect=spoken,
        base_url=base_url.rstrip("/"),
        keys={"main": key, "unknown": new_key(spoken, rng)},
        why="--dialect says so" if dialect else "",
    )


def new_key(dialect: Dialect, rng: Random) -> str:
    """Return a well-formed key that nobody was ever given."""
    alphabet = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
    return dialect.keys.prefix + "".join(rng.choice(alphabet) for _ in range(KEY_CHARS))
