"""What an operator decides: one frozen tree, read from TOML, complete and free of contradiction once it is loaded."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final, TypeAlias

import msgspec

from routeproof_reference_server.routing.catalogue import AUTO, MAX_TOKENS, Api
from routeproof_reference_server.routing.policy import BreakerConfig, RoutingConfig
from routeproof_spec.config import read_toml
from routeproof_spec.errors import ConfigError

DEFAULT_FILE: Final = Path(__file__).with_name("gateway.toml")

_Name: TypeAlias = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:-]*$", max_length=128)]
_Seconds: TypeAlias = Annotated[float, msgspec.Meta(gt=0)]
_Wait: TypeAlias = Annotated[float, msgspec.Meta(ge=0)]
_Price: TypeAlias = Annotated[float, msgspec.Meta(ge=0)]
_Port: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=65535)]
_Count: TypeAlias = Annotated[int, msgspec.Meta(ge=1)]
_Instant: TypeAlias = Annotated[datetime, msgspec.Meta(tz=True)]
_Digest: TypeAlias = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}$")]
_BaseUrl: TypeAlias = Annotated[str, msgspec.Meta(pattern=r"^https?://[^/?#\s]+(/[^?#\s]*)?$")]


class ServerConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the gateway listens, and how much it takes in."""

    host: str = "127.0.0.1"  # the address to listen on
    port: _Port = 8700  # 0: any free one
    backlog: _Count = 2048  # connections that may wait; hypercorn's 100 lets a burst of them drift by seconds
    connections_max: _Count = 1000  # to all providers together
    body_bytes_max: _Count | None = None  # of a request; the contract's limit where it is left out
    drain: _Seconds = 25.0  # that open requests get to end when the gateway is told to; Kubernetes kills after 30
    drain_delay: _Wait = 0.0  # seconds before that in which requests are still taken, though /readyz says no


class ClientsConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How many clients there may be at once, and how long each is waited for, in seconds."""

    connections_max: _Count = 4096  # at once; the one that has been idle the longest makes room for a newcomer
    requests_max: _Count = 1000  # under way at once, as many as there are connections to the providers
    requests_wait: _Wait = 0.0  # how long one more waits for its turn before its 503
    idle: _Seconds = 5.0  # a connection without a request, as hypercorn keeps it
    head: _Seconds = 10.0  # from a head's first byte to its last
    body: _Seconds = 60.0  # from the head to the body's last byte
    write: _Seconds = 30.0  # until a client has taken the next 64 KiB of an answer, or what there is of them
    write_total: _Seconds = 600.0  # that a client may keep one answer waiting, all together


class TimeoutsConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How long one attempt may take, in seconds; a request takes at most its number of attempts times `total`."""

    connect: _Seconds = 5.0  # until a connection is there, TLS and a place in the pool included; what httpx waits
    headers: _Seconds = 60.0  # from there to the answer's head; what nginx waits (proxy_read_timeout)
    first_token: _Seconds = 60.0  # from there to a stream's first content, or to a body's first byte; nginx, too
    between_tokens: _Seconds = 60.0  # between two events of a stream with content, or two pieces of a body; nginx, too
    total: _Seconds = 600.0  # from beginning to end, however the bytes drip; what the official OpenAI clients wait


class LogLevel(StrEnum):
    """How loud a line is, and from where on lines are written; the quietest first."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class LogFormat(StrEnum):
    """How a line is spelled."""

    AUTO = "auto"
    JSON = "json"
    TEXT = "text"


class LogConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is written to standard error: one line for each request, and what else happens."""

    level: LogLevel = (
        LogLevel.INFO
    )  # debug adds what providers said to failed attempts; warning leaves the good ones out
    format: LogFormat = LogFormat.AUTO  # json, text, or auto: text on a terminal, JSON elsewhere


class OperationsConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The operator's own port, with metrics and probes: whoever may ask models cannot read it by that alone."""

    host: str = "127.0.0.1"  # the address of the operator's port
    port: _Port | None = None  # of /metrics; left out: there is none; 0: any free one


class TracingConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Spans for OpenTelemetry, with the extra `routeproof[otel]`; read at the start alone."""

    enabled: bool = False  # whether spans are made at all
    endpoint: str = "http://127.0.0.1:4318/v1/traces"  # of a collector, OTLP over HTTP; its own default
    service: str = "routeproof-gateway"  # the name of the service
    sample: Annotated[float, msgspec.Meta(ge=0, le=1)] = 1.0  # the share of traces that are kept
    continue_client: bool = False  # whether a client's `traceparent` is believed; then clients decide what is kept
    tell_providers: bool = False  # whether providers get a `traceparent`


class ProviderConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One model API and the gateway's own key there."""

    name: _Name  # as deployments, logs and the provider header call it
    base_url: _BaseUrl  # as clients of its API want it: OpenAI's ends in /v1, the others' are without a version
    api: Api = Api.OPENAI  # in which it is asked: openai, anthropic or gemini
    api_key: str = ""  # the gateway's own key there; or `api_key_env`
    api_key_env: str = ""  # the environment variable that holds the key

    def __repr__(self) -> str:
        """Return it without its key, which would else stand in every traceback that shows a configuration."""
        return f"ProviderConfig(name={self.name!r}, base_url={self.base_url!r})"

    def __post_init__(self) -> None:
        """Refuse a base URL that clients of its API would not take; raises `ValueError`."""
        version = self.base_url.rpartition("/")[2]
        if self.api is Api.OPENAI and version != "v1":
            raise ValueError(f"a base_url that ends in /v1, not {self.base_url}")
        if self.api is not Api.OPENAI and re.fullmatch(r"v\d\w*", version):
            raise ValueError(f"a base_url that ends before the version, which api = '{self.api}' adds")


class CapabilitiesConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a model can be asked for."""

    chat: bool = False  # chat completions
    completions: bool = False  # text completions, the older API
    embeddings: bool = False  # vectors


class DeploymentConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One provider of a model: its own name for it and its prices, in USD for a million tokens."""

    provider: str  # the name of one of `providers`
    model: str = ""  # the provider's own name for the model; the same where it is left out
    prompt_price: _Price = 0.0  # USD for a million tokens
    completion_price: _Price = 0.0  # USD for a million tokens
    max_tokens: _Count = MAX_TOKENS  # of an answer whose request names no bound, at Anthropic, which wants one


class ModelConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A model that clients may ask for, with all that offer it."""

    name: _Name  # what clients write; also `provider/name`
    owned_by: str  # who made it, as the list of models tells
    context_window: _Count  # tokens
    capabilities: CapabilitiesConfig  # what it can be asked for
    deployments: Annotated[tuple[DeploymentConfig, ...], msgspec.Meta(min_length=1)]  # all that offer it
    tier: _Name | None = None  # an alias for the first listed model of the tier that can serve
    created: int = 0  #: Unix seconds, as the list of models tells
    breaker: bool = True  # whether circuit breakers watch over its deployments, and their Retry-After is obeyed


class KeyConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A client's key, of which only the hash is kept, and what it may use; None: everything."""

    name: str  # as logs and bills call it
    sha256: _Digest | None = None  # of the key, in hex; or `key_env`
    key_env: str = ""  # the environment variable that holds the key
    expires_at: _Instant | None = None  # an instant with its offset; never where it is left out
    revoked: bool = False  # refused from now on
    models: tuple[str, ...] | None = None  # the only ones that it may use
    providers: tuple[str, ...] | None = None  # the only ones that it may reach
    requests_per_minute: _Count | None = None  # beyond it: 429; no limit where it is left out, like the next four
    tokens_per_minute: _Count | None = None  # of prompts and answers together; beyond it: 429
    tokens_per_month: _Count | None = None  # of a calendar month in UTC; beyond it: 402
    spend_per_month: _Price | None = None  # USD; beyond it: 402
    max_tokens: _Count | None = None  # the largest that a request may name; beyond it: 422


class LimitsConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the limits of all keys are measured."""

    minute: _Seconds = 60.0  #: seconds of the window that a limit "per minute" means; shorter for tests
    completion_estimate: _Count = 256  # tokens that are reserved for an answer whose request names no max_tokens


class LedgerConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where requests and what they cost are written down, and where issued keys are kept."""

    path: str = ""  # an SQLite file, made where there is none; left out: nothing is written, and months begin anew
    url: str = ""  # postgresql://…: the database by which several gateways share it and their limits; or `url_env`
    url_env: str = ""  # the environment variable that holds the URL, for one with a password
    sync: _Seconds = 0.5  #: seconds between two exchanges with that database


class GatewayConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All that an operator decides."""

    providers: Annotated[tuple[ProviderConfig, ...], msgspec.Meta(min_length=1)]  # the model APIs
    models: Annotated[tuple[ModelConfig, ...], msgspec.Meta(min_length=1)]  # what clients may ask for
    keys: tuple[KeyConfig, ...] = ()  # who may ask; nobody where it is left out
    server: ServerConfig = ServerConfig()  # where the gateway listens
    clients: ClientsConfig = ClientsConfig()  # how many clients there may be, and how slow
    routing: RoutingConfig = RoutingConfig()  # how a provider is chosen
    breaker: BreakerConfig = BreakerConfig()  # when a provider is left alone
    timeouts: TimeoutsConfig = TimeoutsConfig()  # how long an attempt may take
    limits: LimitsConfig = LimitsConfig()  # how the limits of keys are measured
    ledger: LedgerConfig = LedgerConfig()  # where requests are written down
    log: LogConfig = LogConfig()  # what is written, and how
    operations: OperationsConfig = OperationsConfig()  # the operator's own port
    tracing: TracingConfig = TracingConfig()  # spans for OpenTelemetry

    def __post_init__(self) -> None:
        """Refuse names that contradict one another; raises `ValueError`."""
        _refuse_twice("provider", (each.name for each in self.providers))
        _refuse_twice("model", (each.name for each in self.models))
        _refuse_twice("key", (each.name for each in self.keys))
        names = {each.name for each in self.models}
        tiers = {each.tier for each in self.models if each.tier is not None}
        if taken := sorted(names & (tiers | {AUTO})):
            raise ValueError(f"a model name that is no tier and not '{AUTO}', unlike {', '.join(taken)}")
        providers = {each.name for each in self.providers}
        apis = {each.name: each.api for each in self.providers}
        for model in self.models:
            _refuse_twice(f"provider of model {model.name}", (each.provider for each in model.deployments))
            _refuse_unknown(f"provider of model {model.name}", (each.provider for each in model.deployments), providers)
            _refuse_unable(model, apis)
        for key in self.keys:
            _refuse_unknown(f"model of key {key.name}", key.models or (), names)
            _refuse_unknown(f"provider of key {key.name}", key.providers or (), providers)


def load_config(path: Path = DEFAULT_FILE, *, environ: Mapping[str, str]) -> GatewayConfig:
    """Return the configuration in *path* with every secret that it names taken from *environ*.

    Raises `ConfigError` where the file is wrong or a variable is missing.
    """
    config = read_toml(path, GatewayConfig)
    providers = tuple(
        msgspec.structs.replace(
            each, api_key=_secret(path, f"providers.{each.name}.api_key", each.api_key, each.api_key_env, environ)
        )
        for each in config.providers
    )
    return msgspec.structs.replace(
        config,
        providers=providers,
        keys=tuple(_hashed(path, each, environ) for each in config.keys),
        ledger=msgspec.structs.replace(config.ledger, url=_url(path, config.ledger, environ)),
    )


def _url(path: Path, ledger: LedgerConfig, environ: Mapping[str, str]) -> str:
    if not ledger.url and not ledger.url_env:
        return ""
    if not ledger.path:  # told here, where no value is shown: a URL may hold a password
        wanted = "a file beside the URL: there stands what was booked until the database has it"
        raise ConfigError(file=path, key="ledger.path", found="nothing", wanted=wanted)
    return _secret(path, "ledger.url", ledger.url, ledger.url_env, environ)


def _hashed(path: Path, key: KeyConfig, environ: Mapping[str, str]) -> KeyConfig:
    if key.sha256 is not None and not key.key_env:
        return key
    if key.sha256 is not None:
        raise _both(path, f"keys.{key.name}.sha256")
    plain = _secret(path, f"keys.{key.name}.sha256", "", key.key_env, environ)
    return msgspec.structs.replace(key, sha256=hashlib.sha256(plain.encode()).hexdigest())


def _secret(path: Path, place: str, value: str, variable: str, environ: Mapping[str, str]) -> str:
    if value and variable:
        raise _both(path, place)
    if value:
        return value
    if not variable:
        raise ConfigError(file=path, key=place, found="nothing", wanted="this key, or the name of a variable")
    if not environ.get(variable):
        raise ConfigError(
            file=path, key=place, found=f"no variable {variable}", wanted=f"{variable} in the environment"
        )
    return environ[variable]


def _both(path: Path, place: str) -> ConfigError:
    return ConfigError(file=path, key=place, found="a value and the name of a variable", wanted="one of the two")


def _refuse_twice(kind: str, names: Iterable[str]) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise ValueError(f"each {kind} once, but {name} stands twice")
        seen.add(name)


def _refuse_unknown(kind: str, names: Iterable[str], known: set[str]) -> None:
    for name in names:
        if name not in known:
            raise ValueError(f"a {kind} out of {', '.join(sorted(known))}, not {name}")


def _refuse_unable(model: ModelConfig, apis: Mapping[str, Api]) -> None:
    if model.capabilities.completions or model.capabilities.embeddings:
        for each in model.deployments:
            if (api := apis[each.provider]) is not Api.OPENAI:
                raise ValueError(f"model {model.name} for chat alone, for {each.provider} is asked in {api}'s API")
