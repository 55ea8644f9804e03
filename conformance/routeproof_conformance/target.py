"""The target: what is judged, how it is reached and spoken to, and what it declares of itself.

The file is strict: a misspelt key is an error that names itself. A target declares its policy and is held to what it
declares; what holds for every gateway needs no declaration.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Final, Literal, TypeVar, final

import msgspec

from routeproof_conformance.ask import Link
from routeproof_conformance.dialect import Dialect, load_dialect
from routeproof_conformance.judge.outcome import NotDeclared
from routeproof_spec.config import parse_toml, read_toml
from routeproof_spec.errors import ConfigError

T = TypeVar("T")

KEY_CHARS: Final = 32
_UNDECLARED: Final = "the target file does not declare"


class Struct(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A table of the target file."""


class Identity(Struct):
    """Which gateway this is; `key_env` names the environment variable that holds the client's key."""

    name: str
    version: str = ""
    base_url: str = ""  # ends in the contract's prefix; a launched target's may name {{ port }}
    key_env: str = "TOKENHUB_API_KEY"


class Launch(Struct):
    """How the gateway is started; texts are Jinja2 templates over python, port, config, providers, keys."""

    command: tuple[str, ...]
    config: str = ""  # the template of its configuration file, beside the target file
    ready: str = "/models"  # below the base URL; a text that begins with http:// is taken whole
    timeout: float = 30.0  #: seconds until it must be ready
    env: dict[str, str] = {}


class DialectChoice(Struct):
    """The name of a dialect that is built in, or of a file beside the target file."""

    name: str = "tokenhub"


class ProvidersTable(Struct):
    """The fake providers behind the gateway: started here, or running already at *control_url*."""

    fleet: Literal["", "three"] = ""
    control_url: str = ""
    keys_env: dict[str, str] = {}  # provider -> variable with the key that the gateway uses there, for a running fleet
    models: tuple[str, ...] = ()  # which the gateway asks them for, beside the names of the pools
    names: dict[str, str] = {}  # provider -> what the gateway calls it, where that differs


class PoolTable(Struct):
    """Model names that several providers offer; every name is handed to one check only, so declare many."""

    names: tuple[str, ...]
    providers: tuple[str, ...]
    strategy: str = "any"  # or the one strategy that these names are configured with
    cheapest_first: tuple[str, ...] = ()
    operations: tuple[str, ...] = ("chat", "completions", "embeddings")


class ChainTable(Struct):
    """A model name that is configured with a chain, for a dialect that asks for fallback by the model's name."""

    name: str
    providers: tuple[str, ...]
    operations: tuple[str, ...] = ("chat", "completions", "embeddings")


class ModelsTable(Struct):
    """Roles to model names; `pinned` maps a provider to the name that it alone serves."""

    chat: str = ""
    completions: str = ""
    embeddings: str = ""
    pinned: dict[str, str] = {}
    pinned_completions: dict[str, str] = {}  # where other names serve the operation
    pinned_embeddings: dict[str, str] = {}
    pools: tuple[PoolTable, ...] = ()
    chains: tuple[ChainTable, ...] = ()
    tier: str = ""  # a tier alias
    tier_best: str = ""  # the best model of that tier, as the response names it
    auto: str = "auto"
    unknown: str = "no-such-model"


class RoutingTable(Struct):
    """What the gateway declares of its policy."""

    default_strategy: str = ""
    rotation: Literal["cyclic", "random"] = "cyclic"
    workers: int = 1
    warm_up: int = 6  # requests for one model until a learned preference shows
    exploration: float = 0.1  # share of requests that may go to another than the preferred provider
    cooldown: float | None = None  #: seconds until a failed provider is tried again
    retries: int = 0  # further attempts at the same provider
    falls_back_on: tuple[str, ...] = ("server_error", "refused", "reset", "timeout", "rate_limit", "broken_answer")
    relays_retry_after: bool = True


class TimingTable(Struct):
    """The gateway's declared timeouts, and the bounds of the judge; all in seconds."""

    connect: float | None = None
    first_byte: float | None = None
    idle: float | None = None
    total: float | None = None
    slack: float = 0.5  # what an upper bound is widened by
    settle: float = 2.0  # how long an attempt may still be open after its client was answered
    request_deadline: float = 30.0
    check_deadline: float = 120.0


class StatsTable(Struct):
    """Chances of a wrong verdict of a sequential test: alpha of a false alarm, beta of a miss."""

    alpha: float = 1e-6
    beta: float = 1e-3
    requests_max: int = 400  # of one test


class Expectation(Struct):
    """A check that is known to fail on this target; `check` is its name, as the report shows it."""

    check: str
    reason: str
    outcome: Literal["fail"] = "fail"
    issue: str = ""
    expires: str = ""  # a date, YYYY-MM-DD; from then on the expectation is void


class TargetFile(Struct):
    """The whole target file."""

    target: Identity
    launch: Launch | None = None
    dialect: DialectChoice = DialectChoice()
    providers: ProvidersTable | None = None
    models: ModelsTable = ModelsTable()
    keys: dict[str, str] = {}  # role -> environment variable
    capabilities: dict[str, bool] = {}
    routing: RoutingTable = RoutingTable()
    timing: TimingTable = TimingTable()
    stats: StatsTable = StatsTable()
    expected: tuple[Expectation, ...] = ()


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
    def timing(self) -> TimingTable:
        """The gateway's timeouts and the judge's bounds."""
        return self.tables.timing

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
        return self.need(named[operation], f"models.{operation}")

    def pinned(self, operation: str = "chat") -> tuple[Link, ...]:
        """Return, for each provider in the order of the file, the model name that it alone serves."""
        special = {"completions": self.models.pinned_completions, "embeddings": self.models.pinned_embeddings}
        table = special.get(operation) or self.models.pinned
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
    tables = read_toml(path, TargetFile)
    dialect = load_dialect(tables.dialect.name, beside=path.parent)
    _validate(tables, file=path, base_url=base_url)
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
        digest="sha256:" + hashlib.sha256(path.read_bytes()).hexdigest(),
    )


def url_target(base_url: str, *, environ: Mapping[str, str], rng: Random, key_env: str = "") -> Target:
    """Return a target of which only the URL is known; its models are still to be asked for (`discovered`)."""
    dialect = load_dialect("tokenhub")
    name = key_env or dialect.keys.env
    key = environ.get(name, "")
    if not key:
        found = f"the environment variable {name} unset"
        raise ConfigError(file="--gateway-url", key="--key-env", found=found, wanted="the client's key in it")
    identity = Identity(name=base_url, base_url=base_url, key_env=name)
    keys = {"main": key, "unknown": new_key(dialect, rng)}
    return Target(tables=TargetFile(target=identity), dialect=dialect, base_url=base_url.rstrip("/"), keys=keys)


def parse_target(text: bytes, *, file: str) -> TargetFile:
    """Return the tables of a target file's text."""
    return parse_toml(text, TargetFile, file=file)


def new_key(dialect: Dialect, rng: Random) -> str:
    """Return a well-formed key that nobody was ever given."""
    alphabet = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
    return dialect.keys.prefix + "".join(rng.choice(alphabet) for _ in range(KEY_CHARS))


def _validate(tables: TargetFile, *, file: Path, base_url: str) -> None:
    if not (base_url or tables.target.base_url or tables.launch):
        wanted = "the gateway's URL, or a [launch] table, or --gateway-url"
        raise ConfigError(file=file, key="target.base_url", found="nothing", wanted=wanted)
    providers = tables.providers
    if providers is not None and providers.fleet and providers.control_url:
        raise ConfigError(file=file, key="providers", found="both fleet and control_url", wanted="one of the two")
    for index, pool in enumerate(tables.models.pools):
        if set(pool.cheapest_first) - set(pool.providers):
            found = ", ".join(sorted(set(pool.cheapest_first) - set(pool.providers)))
            key = f"models.pools[{index}].cheapest_first"
            raise ConfigError(file=file, key=key, found=found, wanted="only providers of the pool")
    known = {"three": ("alpha", "beta", "gamma")}.get(providers.fleet) if providers else None
    if known is not None:
        named = {*tables.models.pinned, *(each for pool in tables.models.pools for each in pool.providers)}
        if strangers := sorted(named - set(known)):
            raise ConfigError(file=file, key="models", found=strangers[0], wanted="one of " + ", ".join(known))
