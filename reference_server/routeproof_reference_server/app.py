"""The gateway as an ASGI app: each operation of the contract is bound to its handler by id.

A handler checks what costs least first: the key, the headers, the body, the key's limits; only then it routes.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from random import Random
from types import MappingProxyType
from typing import Final, final

import httpcore2
import msgspec
from quart import Response, request
from werkzeug.exceptions import HTTPException, MethodNotAllowed
from werkzeug.routing import PathConverter

from routeproof_reference_server.admission import Admission
from routeproof_reference_server.asgi import Gateway, visit
from routeproof_reference_server.auth import Caller, Issued, KeyRing
from routeproof_reference_server.config import GatewayConfig, ModelConfig
from routeproof_reference_server.dial import Dialling
from routeproof_reference_server.errors import GatewayError, echoed
from routeproof_reference_server.headers import FALLBACK, REQUEST_ID, STRATEGY, asked_fallback, asked_strategy
from routeproof_reference_server.limits.limiter import Limiter
from routeproof_reference_server.limits.rules import usd_to_pico
from routeproof_reference_server.operations.drain import Drain
from routeproof_reference_server.records import Observer, Observers
from routeproof_reference_server.relay import Asked, Relay
from routeproof_reference_server.routing import (
    Api,
    Ask,
    Capability,
    Catalogue,
    Deployment,
    Listed,
    Model,
    Router,
    Strategy,
)
from routeproof_reference_server.upstream import EVENT_STREAM, JSON, Upstream
from routeproof_reference_server.validation import BodyReader
from routeproof_spec.contract import Operation, load_contract

_CONTRACT = load_contract()

INFERENCE: Final[Mapping[str, Capability]] = MappingProxyType(
    {
        "createChatCompletion": Capability.CHAT,
        "createCompletion": Capability.COMPLETIONS,
        "createEmbedding": Capability.EMBEDDINGS,
    }
)

TOKENS_PRICED: Final = 1_000_000  # by a price of the configuration

# What Quart and Werkzeug refuse on their own, by status.
_REFUSALS: Final[Mapping[int, str]] = MappingProxyType(
    {
        404: "path_not_found",
        405: "method_not_allowed",
        408: "request_timeout",
        413: "payload_too_large",
        500: "internal_error",
    }
)


def create_app(
    config: GatewayConfig,
    *,
    network: httpcore2.AsyncNetworkBackend | None = None,
    rng: Random | None = None,
    wall: Callable[[], float] = time.time,
    limits: Limiter | None = None,
    issued: Issued = lambda _: None,
    observer: Observer | None = None,
    drain: Drain | None = None,
) -> Gateway:
    """Return the gateway that *config* describes.

    Chance comes from *rng* and Unix time from *wall*; all other time is Trio's. *network* is where the providers
    are dialled; the default is Trio's sockets. *limits* are those of a gateway before, whose sums go on; *issued* finds
    keys that the configuration does not know; *observer* is told of every request, *drain* says when no more are taken.
    """
    chance = rng or Random()
    dial = Dialling(connections_max=config.server.connections_max, network=network)
    apis = {each.name: each.api for each in config.providers}
    catalogue = Catalogue(tuple(_model(each, apis) for each in config.models))
    router = Router(catalogue, config.routing, config.breaker, chance)
    upstream = Upstream(dial, config.providers, config.timeouts, wall=wall)
    limiter = limits or Limiter(wall)
    handlers = _Handlers(
        keys=KeyRing(config.keys, config.limits, issued=issued),
        catalogue=catalogue,
        relay=Relay(router, upstream, chance),
        limits=limiter,
        admission=Admission(requests_max=config.clients.requests_max, wait=config.clients.requests_wait),
        default_strategy=config.routing.default_strategy,
        wall=wall,
        drain=drain or Drain(),
    )
    observers = (limiter,) if observer is None else (limiter, observer)
    app = Gateway(chance, Observers(observers), router, dial)
    app.config["RESPONSE_TIMEOUT"] = None  # deadlines are per attempt; a stream may be long
    app.config["BODY_TIMEOUT"] = config.clients.body
    app.config["MAX_CONTENT_LENGTH"] = config.server.body_bytes_max or _CONTRACT.limits.body_bytes_max
    handlers.bind(app)
    app.after_serving(dial.aclose)
    return app


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class _Handlers:
    keys: KeyRing
    catalogue: Catalogue
    relay: Relay
    limits: Limiter
    admission: Admission
    default_strategy: Strategy
    wall: Callable[[], float]
    drain: Drain

    def bind(self, app: Gateway) -> None:
        """Give every operation of the contract its handler, and every error its envelope."""
        app.url_map.converters["rest"] = _Rest
        bound: dict[str, Callable[..., Awaitable[Response]]] = {
            "listModels": self.list_models,
            "retrieveModel": self.retrieve_model,
        }
        for id_, capability in INFERENCE.items():
            operation = _CONTRACT.operations[id_]
            bound[id_] = partial(self.infer, operation, capability, BodyReader(operation))
        for operation in _CONTRACT.operations.values():
            # A model id may hold a slash, so the parameter takes all that is left of the path.
            path = _CONTRACT.prefix + operation.path.replace("{model}", "<rest:model>")
            handler = bound[operation.id]
            app.add_url_rule(path, operation.id, handler, methods=[operation.method], provide_automatic_options=False)
        app.register_error_handler(GatewayError, _told)
        app.register_error_handler(HTTPException, _refused)
        app.after_request(self._named)

    async def infer(self, operation: Operation, capability: Capability, reader: BodyReader) -> Response:
        """Answer with the help of a provider."""
        caller = self._caller()
        strategy = asked_strategy(request.headers.getlist(STRATEGY))
        fallback = asked_fallback(request.headers.getlist(FALLBACK))
        await visit().stack.enter_async_context(self.admission.place())
        body = reader.read(await _body(), strategy_is_given=strategy is not None)
        record = visit().record
        record.asked(operation.id, caller, body, strategy or self.default_strategy)
        asked = Asked(
            operation=operation,
            capability=capability,
            caller=caller,
            body=body,
            strategy=strategy,
            fallback=fallback,
            record=record,
        )
        able = partial(self._deployments, asked.ask())
        self.limits.admit(record, able, answers=capability is not Capability.EMBEDDINGS)
        answer = await self.relay.answer(asked, visit().stack)
        if isinstance(answer.body, bytes):
            return Response(answer.body, 200, answer.headers, content_type=JSON)
        headers = {**answer.headers, "Cache-Control": "no-cache"}
        return Response(answer.body, 200, headers, content_type=EVENT_STREAM)

    async def list_models(self) -> Response:
        """List what the key may use."""
        listed = self.catalogue.listed(self._caller().restriction)
        return _json({"object": "list", "data": [_entry(each) for each in listed]})

    async def retrieve_model(self, model: str) -> Response:
        """Describe one model that the key may use."""
        for each in self.catalogue.listed(self._caller().restriction):
            if each.id == model:
                return _json(_entry(each))
        raise GatewayError("model_not_found", f"There is no model '{echoed(model)}' here.", param="model")

    def _deployments(self, ask: Ask) -> Iterator[Deployment]:
        """Yield every deployment that may come to serve *ask*."""
        for name in (ask.model, *ask.fallback):
            yield from self.catalogue.resolve(name, ask.capability, ask.restriction)

    def _caller(self) -> Caller:
        caller = self.keys.caller(request.headers.getlist("Authorization"), self.wall())
        visit().record.caller = caller
        self.drain.admit()
        return caller

    def _known(self) -> Caller | None:
        """Return whose key it is where no handler has asked: a path or a method that there is not."""
        with suppress(GatewayError):
            return self.keys.caller(request.headers.getlist("Authorization"), self.wall())
        return None

    async def _named(self, response: Response) -> Response:
        record = visit().record
        record.operation, record.status = request.endpoint, response.status_code
        response.headers[REQUEST_ID] = record.id
        if (caller := record.caller or self._known()) is not None:
            response.headers.update(self.limits.headers(caller.key, caller.limits))
        if self.drain.is_leaving:
            response.headers["Connection"] = "close"
        return response


class _Rest(PathConverter):
    """All that is left of a path, a line break in it too: Werkzeug's own ends there."""

    regex = r"[^/](?s:.*?)"


async def _body() -> bytes:
    return await request.get_data(cache=False, as_text=False, parse_form_data=False)


async def _told(error: GatewayError) -> Response:
    visit().record.refused(error)
    return Response(error.envelope(), error.status, dict(error.headers), content_type=JSON)


async def _refused(error: HTTPException) -> Response:
    headers: dict[str, str] = {}
    if isinstance(error, MethodNotAllowed) and error.valid_methods:
        headers["Allow"] = ", ".join(sorted(error.valid_methods))
    return await _told(GatewayError(_REFUSALS.get(error.code or 500, "malformed_request"), headers=headers))


def _json(tree: object) -> Response:
    return Response(msgspec.json.encode(tree), 200, content_type=JSON)


def _entry(listed: Listed) -> dict[str, object]:
    model = listed.model
    return {
        "id": listed.id,
        "object": "model",
        "created": model.created,
        "owned_by": model.owned_by,
        "context_window": model.context_window,
        "capabilities": {each.value: each in model.capabilities for each in Capability},
    }


def _model(config: ModelConfig, apis: Mapping[str, Api]) -> Model:
    able = config.capabilities
    return Model(
        name=config.name,
        owned_by=config.owned_by,
        context_window=config.context_window,
        capabilities=frozenset(each for each in Capability if getattr(able, each.value)),
        deployments=tuple(
            Deployment(
                model=config.name,
                provider=each.provider,
                upstream_model=each.model or config.name,
                price=each.prompt_price + each.completion_price,
                breaker=config.breaker,
                prompt_price=usd_to_pico(each.prompt_price / TOKENS_PRICED),
                completion_price=usd_to_pico(each.completion_price / TOKENS_PRICED),
                api=apis[each.provider],
                max_tokens=each.max_tokens,
            )
            for each in config.deployments
        ),
        tier=config.tier,
        created=config.created,
    )
