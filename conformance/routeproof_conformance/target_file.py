"""The target file: strict tables of what is judged and what it declares of itself; a misspelt key names itself.

A target declares its policy and is held to what it declares; what holds for every gateway needs no declaration.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated, Final, Literal, TypeAlias

import msgspec

from routeproof_spec.config import read_toml
from routeproof_spec.errors import ConfigError

#: Fleets that the judge starts by itself, and their providers.
FLEETS: Final = {"three": ("alpha", "beta", "gamma")}

#: What a target may declare that it has not.
CAPABILITIES: Final = (
    "chat",
    "completions",
    "embeddings",
    "stream",
    "tools",
    "fallback",
    "strategy",
    "strategy.cost",
    "strategy.latency",
    "strategy.availability",
    "strategy.round-robin",
)

Seconds: TypeAlias = Annotated[float, msgspec.Meta(ge=0)]
Chance: TypeAlias = Annotated[float, msgspec.Meta(gt=0, lt=1)]
Count: TypeAlias = Annotated[int, msgspec.Meta(ge=0)]
Positive: TypeAlias = Annotated[int, msgspec.Meta(ge=1)]


class Identity(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which gateway this is; `key_env` names the environment variable that holds the client's key."""

    name: str
    version: str = ""
    base_url: str = ""  # ends in the contract's prefix; a launched target's may name {{ port }}
    key_env: str = "TOKENHUB_API_KEY"


class Launch(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the gateway is started; texts are Jinja2 templates over python, port, config, providers, keys."""

    command: tuple[str, ...]
    config: str = ""  # the template of its configuration file, beside the target file
    ready: str = "/models"  # below the base URL; a text that begins with http:// is taken whole
    timeout: Seconds = 30.0  #: seconds until it must be ready
    install: str = ""  # how to get it, in words, for those who have it not
    env: dict[str, str] = {}


class DialectChoice(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The name of a dialect that is built in, or of a file beside the target file."""

    name: str = "tokenhub"


class ProvidersTable(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The fake providers behind the gateway: started here, or running already at *control_url*."""

    fleet: Literal["", "three"] = ""
    control_url: str = ""
    keys_env: dict[str, str] = {}  # provider -> variable with the key that the gateway uses there, for a running fleet
    models: tuple[str, ...] = ()  # which the gateway asks them for, beside the names of the pools
    names: dict[str, str] = {}  # provider -> what the gateway calls it, where that differs


class PoolTable(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Model names that several providers offer; every name is handed to one check only, so declare many."""

    names: tuple[str, ...]
    providers: tuple[str, ...]
    strategy: str = "any"  # or the one strategy that these names are configured with
    cheapest_first: tuple[str, ...] = ()
    operations: tuple[str, ...] = ("chat", "completions", "embeddings")
    breaker: bool = False  # whether a circuit breaker watches over these names


class ChainTable(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A model name that is configured with a chain, for a dialect that asks for fallback by the model's name."""

    name: str
    providers: tuple[str, ...]
    operations: tuple[str, ...] = ("chat", "completions", "embeddings")


class ModelsTable(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
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


class RoutingTable(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the gateway declares of its policy."""

    default_strategy: str = ""
    rotation: Literal["cyclic", "random"] = "cyclic"
    workers: Positive = 1
    warm_up: Count = 6  # requests for one model until a learned preference shows
    exploration: Annotated[float, msgspec.Meta(ge=0, lt=1)] = (
        0.1  # share of requests that may go to another than the preferred provider
    )
    cooldown: Seconds | None = None  #: seconds until a failed provider is tried again
    retries: Count = 0  # further attempts at the same provider
    trip: Positive | None = None  # failures in a row that open a provider's circuit breaker; None: there is none
    trip_cooldown: Seconds | None = None  #: seconds that an open breaker admits nothing, at least
    trip_cooldown_max: Seconds | None = None  #: seconds after which a breaker that has tripped once admits its probes
    probes: Positive = 1  # requests that it then admits at a time, and that must succeed
    retry_after_max: Seconds | None = None  #: seconds that a provider's Retry-After is obeyed at most; None: not at all
    falls_back_on: tuple[str, ...] = ("server_error", "refused", "reset", "timeout", "rate_limit", "broken_answer")
    relays_retry_after: bool = True


class LimitsTable(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The limits of the keys that are made to be limited (`[keys]`: `few_requests`, `few_tokens` and so on)."""

    window: Seconds | None = None  #: seconds of what is called a minute
    slot_share: Annotated[float, msgspec.Meta(ge=0, le=1)] = (
        0.05  # of the window, by which a request may be counted longer than it
    )
    requests: Positive | None = None  # a minute, of the key few_requests
    tokens: Positive | None = None  # a minute, of the key few_tokens
    tokens_month: Positive | None = None  # of the key month_tokens
    spend_month: Annotated[float, msgspec.Meta(gt=0)] | None = None  # USD, of the key month_spend
    max_tokens: Positive | None = None  # of one request, of the key small_answers
    clock_slack: Seconds = 2.0  # by which the gateway's clock and this machine's may differ


class TimingTable(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The gateway's declared timeouts, and the bounds of the judge; all in seconds."""

    connect: Seconds | None = None  # until it has a connection to a provider
    headers: Seconds | None = None  # from there to the answer's head
    first_token: Seconds | None = None  # from there to a stream's first content
    between_tokens: Seconds | None = None  # between two events with content, or two pieces of a body
    total: Seconds | None = None  # of one attempt
    write: Seconds | None = None  # that a client may let an answer lie unread
    slack: Seconds = 0.5  # what an upper bound is widened by
    settle: Seconds = 2.0  # how long an attempt may still be open after its client was answered
    request_deadline: Seconds = 30.0
    check_deadline: Seconds = 120.0


class OperationsTable(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the gateway offers to who runs it; what is left out is not judged."""

    healthz: str = ""  # the path that says that it lives, from the root of the gateway's origin
    readyz: str = ""  # the path that says that it takes requests
    drain: Seconds | None = None  #: seconds in which it ends after SIGTERM, once nothing is under way any more


class BoundsTable(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the gateway takes at most; what is left out is not judged."""

    requests_max: Positive | None = None  # requests for an answer that may be under way at once


class StatsTable(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Chances of a wrong verdict of a sequential test: alpha of a false alarm, beta of a miss."""

    alpha: Chance = 1e-6
    beta: Chance = 1e-3
    requests_max: Positive = 400  # of one test


class Expectation(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A check that is known to fail on this target; `check` is its name, as the report shows it."""

    check: str
    reason: str
    outcome: Literal["fail"] = "fail"
    issue: str = ""
    expires: str = ""  # a date, YYYY-MM-DD; from then on the expectation is void


class TargetFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The whole target file."""

    target: Identity
    launch: Launch | None = None
    dialect: DialectChoice = DialectChoice()
    providers: ProvidersTable | None = None
    models: ModelsTable = ModelsTable()
    keys: dict[str, str] = {}  # role -> environment variable
    capabilities: dict[str, bool] = {}
    routing: RoutingTable = RoutingTable()
    limits: LimitsTable = LimitsTable()
    timing: TimingTable = TimingTable()
    operations: OperationsTable = OperationsTable()
    bounds: BoundsTable = BoundsTable()
    stats: StatsTable = StatsTable()
    expected: tuple[Expectation, ...] = ()


def read_target_file(path: Path, *, base_url: str = "") -> TargetFile:
    """Return the tables of the target file at *path*; *base_url* stands for the file's own where it is given.

    Raises `ConfigError` where the file is wrong, or contradicts itself.
    """
    tables = read_toml(path, TargetFile)
    _validate(tables, file=path, base_url=base_url)
    return tables


def _validate(tables: TargetFile, *, file: Path, base_url: str) -> None:
    if not (base_url or tables.target.base_url or tables.launch):
        wanted = "the gateway's URL, or a [launch] table, or --gateway-url"
        raise ConfigError(file=file, key="target.base_url", found="nothing", wanted=wanted)
    for name in tables.capabilities:
        if name not in CAPABILITIES:
            wanted = _near(name, CAPABILITIES)
            raise ConfigError(file=file, key=f"capabilities.{name}", found="no capability", wanted=wanted)
    providers = tables.providers
    if providers is not None and providers.fleet and providers.control_url:
        raise ConfigError(file=file, key="providers", found="both fleet and control_url", wanted="one of the two")
    for index, pool in enumerate(tables.models.pools):
        if set(pool.cheapest_first) - set(pool.providers):
            found = ", ".join(sorted(set(pool.cheapest_first) - set(pool.providers)))
            key = f"models.pools[{index}].cheapest_first"
            raise ConfigError(file=file, key=key, found=found, wanted="only providers of the pool")
    known = FLEETS.get(providers.fleet) if providers else None
    if known is not None:
        named = {*tables.models.pinned, *(each for pool in tables.models.pools for each in pool.providers)}
        if strangers := sorted(named - set(known)):
            raise ConfigError(file=file, key="models", found=strangers[0], wanted="one of " + ", ".join(known))


def refuse_unknown(expected: Sequence[Expectation], names: Sequence[str], *, file: str) -> None:
    """Raise `ConfigError` for an expectation of a check that is not among *names*, those of all checks of some areas.

    A name of another area is passed over, for its checks may belong to another run, unless it looks misspelt.
    """
    known = {*names, *(name.partition("[")[0] for name in names)}
    areas = {name.partition("/")[0] for name in names}
    for index, each in enumerate(expected):
        if each.check in known:
            continue
        if each.check.partition("/")[0] in areas or difflib.get_close_matches(each.check, known, n=1, cutoff=0.9):
            wanted = _near(each.check, known)
            raise ConfigError(file=file, key=f"expected[{index}].check", found=repr(each.check), wanted=wanted)


def _near(name: str, known: Iterable[str]) -> str:
    known = sorted(known)
    near = difflib.get_close_matches(name, known, n=1)
    if near:
        return f"'{near[0]}'"
    return (
        "one of " + ", ".join(known) if len(known) <= len(CAPABILITIES) else "the name of a check, as reports show it"
    )
