"""Wrong gateways: the true reference behind an edge that spoils what goes in or comes out, one rule each."""

from __future__ import annotations

import base64
import gzip
import importlib
import os
import struct
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

from routeproof_reference_server import scrub, upstream
from routeproof_reference_server.routing import Capability, Catalogue, Deployment, Router
from routeproof_reference_server.routing.catalogue import UNRESTRICTED
from tests.mutants.breaks import Break, _patch
from tests.mutants.edge import Answer, Asked, Change, Edge, Json, Told

_CHAT: Final = "/v1/chat/completions"
_COMPLETIONS: Final = "/v1/completions"
_EMBEDDINGS: Final = "/v1/embeddings"
_MODELS: Final = "/v1/models"


def _edged(*, asks: Change | None = None, tells: Answer | None = None) -> None:
    """Put an edge around every gateway that is made from now on."""
    serve = importlib.import_module("routeproof_reference_server.serve")  # the package has a function of that name
    given = {name: change for name, change in (("asks", asks), ("tells", tells)) if change is not None}
    true_create = serve.create_app

    def create_app(*args: Any, **more: Any) -> Any:
        return Edge(app=true_create(*args, **more), **given)

    _patch(serve, "create_app", create_app)


def _key() -> str:
    return "Bearer " + os.environ["TOKENHUB_API_KEY"]


def _error(told: Told, status: int, kind: str, code: str = "spoilt") -> Told:
    body = {"error": {"type": kind, "message": "Spoilt on purpose.", "code": code}}
    return replace(told, status=status).having("content-type", "application/json").saying(body)


def _in_choices(edit: Callable[[Json], object]) -> Answer:
    def tells(told: Told, asked: Asked) -> Told:
        del asked
        return told.edited(lambda tree: [edit(choice) for choice in tree.get("choices", [])])

    return tells


# Who may ask


def refuses_a_good_key() -> None:
    """Embeddings are refused whatever the key."""
    _edged(tells=lambda told, asked: _error(told, 401, "authentication_error") if asked.path == _EMBEDDINGS else told)


def serves_without_a_key() -> None:
    """Who sends no key is served."""
    _edged(asks=lambda asked: asked if asked.header("authorization") else asked.having("authorization", _key()))


def takes_any_scheme() -> None:
    """The key is found wherever it stands in the header."""

    def asks(asked: Asked) -> Asked:
        found = os.environ["TOKENHUB_API_KEY"] in asked.header("authorization")
        return asked.having("authorization", _key()) if found else asked

    _edged(asks=asks)


def minds_the_case_of_the_scheme() -> None:
    """Only `Bearer` is a scheme, not `bearer`."""
    _edged(asks=lambda asked: asked if asked.header("authorization").startswith("Bearer") else asked.having("authorization", None))


def takes_another_header() -> None:
    """The key may come in X-API-Key."""
    _edged(asks=lambda asked: asked.having("authorization", f"Bearer {asked.header('x-api-key')}") if asked.header("x-api-key") else asked)


def words_a_refused_key_otherwise() -> None:
    """An expired or unknown key is told in other words."""
    _edged(tells=lambda told, _: told.edited(lambda tree: tree["error"].update(message="Unauthorized.")) if told.status == 401 else told)


def hides_the_challenge() -> None:
    """A 401 does not say how to authenticate."""
    _edged(tells=lambda told, _: told.having("www-authenticate", None))


# The surface


def serves_embeddings_elsewhere() -> None:
    """Embeddings are not served below the base URL."""
    _edged(tells=lambda told, asked: _error(told, 404, "not_found_error") if asked.path == _EMBEDDINGS else told)


def labels_json_as_text() -> None:
    """Whole answers are labelled as text."""
    _edged(tells=lambda told, _: told if told.is_stream else told.having("content-type", "text/plain"))


def welcomes_every_path() -> None:
    """An unknown path is answered with 200."""
    _edged(tells=lambda told, asked: replace(told, status=200) if "no-such-path" in asked.path else told)


def hides_known_paths() -> None:
    """A known path asked with another method is answered as an unknown one."""
    _edged(tells=lambda told, _: _error(told, 404, "not_found_error") if told.status == 405 else told)


def minds_what_the_client_accepts() -> None:
    """A stream is given to those alone who say that they accept one, which the official client does not."""

    def tells(told: Told, asked: Asked) -> Told:
        unwanted = told.is_stream and asked.header("accept") == "application/json"
        return _error(told, 406, "invalid_request_error") if unwanted else told

    _edged(tells=tells)


def tells_a_shorter_length() -> None:
    """The content-length is that of the body before it was rewritten."""

    def tells(told: Told, _: Asked) -> Told:
        if told.is_stream or not told.body:
            return told
        short = told.body[:-2]
        return replace(told, body=short).having("content-length", f"{len(short)} ".strip())

    _edged(tells=tells)


def compresses_for_everybody() -> None:
    """Whole answers are compressed, whatever the client accepts."""

    def tells(told: Told, _: Asked) -> Told:
        if told.is_stream:
            return told
        return replace(told, body=gzip.compress(told.body)).having("content-encoding", "gzip")

    _edged(tells=tells)


def rounds_the_temperature() -> None:
    """A parameter reaches the provider with another value."""
    _edged(asks=lambda asked: asked.saying(temperature=round(asked.json["temperature"])) if asked.json.get("temperature") in (0.25,) else asked)


def drops_a_parameter_of_streams() -> None:
    """A parameter reaches the provider, but not where the answer is streamed."""
    _edged(asks=lambda asked: asked.lacking("seed") if asked.json.get("stream") else asked)


# Errors


def leaves_out_the_code() -> None:
    """An error has no code."""
    _edged(tells=lambda told, _: told.edited(lambda tree: tree["error"].pop("code")) if told.status >= 400 else told)


def labels_errors_as_html() -> None:
    """An error is labelled as a page."""
    _edged(tells=lambda told, _: told.having("content-type", "text/html") if told.status >= 400 else told)


def _restatus(found: int, status: int, word: str = "") -> None:
    def tells(told: Told, _: Asked) -> Told:
        return replace(told, status=status) if told.status == found and word.encode() in told.body else told

    _edged(tells=tells)


def tells_malformed_json_as_422() -> None:
    """A body that is no JSON is told as a value out of range."""
    _restatus(400, 422, "not valid JSON")


def tells_a_missing_field_as_422() -> None:
    """A missing field is told as a value out of range."""
    _restatus(400, 422, "required property")


def tells_a_timeout_as_504() -> None:
    """A provider that does not answer in time is told as 504."""
    _restatus(503, 504, "in time")


def tells_413_as_400() -> None:
    """A provider's 413 is told as 400."""
    _restatus(413, 400)


def shows_the_providers_whole_error() -> None:
    """The body of a provider's error is handed on as it came."""
    _patch(upstream, "error_text", lambda data: data.decode("utf-8", "replace"))


def shows_internal_addresses() -> None:
    """Addresses stay in a provider's error text."""
    true_clean = scrub.Scrubber.clean

    def clean(self: scrub.Scrubber, text: str) -> str:
        spelled = text.replace(".", "\u2024").replace("localhost", "l\u00f8calhost").replace("[fd", "\u27e6fd").replace("://", "\u2236//")
        cleaned = true_clean(self, spelled)
        return cleaned.replace("\u2024", ".").replace("l\u00f8calhost", "localhost").replace("\u27e6fd", "[fd").replace("\u2236//", "://")

    _patch(scrub.Scrubber, "clean", clean)


# Headers


def _hiding(header: str, where: Callable[[Told], bool]) -> None:
    _edged(tells=lambda told, _: told.having(header, None) if where(told) else told)


def hides_the_provider_of_streams() -> None:
    """A stream does not say who serves it."""
    _hiding("x-inferoute-provider", lambda told: told.is_stream)


def hides_the_request_id_of_errors() -> None:
    """An error bears no request id."""
    _hiding("x-inferoute-request-id", lambda told: told.status >= 400)


def takes_the_clients_request_id() -> None:
    """A request id that the client sends becomes the response's."""

    def tells(told: Told, asked: Asked) -> Told:
        return told.having("x-inferoute-request-id", asked.header("x-request-id")) if asked.header("x-request-id") else told

    _edged(tells=tells)


def hides_the_provider_of_errors() -> None:
    """An error after routing does not say who was tried."""
    _hiding("x-inferoute-provider", lambda told: told.status >= 400)


def hides_the_latency_of_errors() -> None:
    """An error after routing does not say how long it took."""
    _hiding("x-inferoute-latency-ms", lambda told: told.status >= 400)


def _claiming(latency: Callable[[str], str], where: Callable[[Told], bool]) -> None:
    name = "x-inferoute-latency-ms"
    _edged(tells=lambda told, _: told.having(name, latency(told.header(name))) if told.header(name) and where(told) else told)


def tells_the_latency_with_a_fraction() -> None:
    """The latency is no whole number."""
    _claiming(lambda ms: f"{ms}.5", lambda _: True)


def tells_no_latency_of_whole_answers() -> None:
    """The latency of a whole answer is always nought."""
    _claiming(lambda _: "0", lambda told: not told.is_stream)


def tells_no_latency_of_streams() -> None:
    """The latency of a stream is always nought."""
    _claiming(lambda _: "0", lambda told: told.is_stream)


# Models


def _in_entries(edit: Callable[[Json], object]) -> None:
    def tells(told: Told, asked: Asked) -> Told:
        if asked.path != _MODELS:
            return told
        return told.edited(lambda tree: [edit(entry) for entry in tree.get("data", [])])

    _edged(tells=tells)


def lists_models_bare() -> None:
    """The model list has no envelope of the right kind."""
    _edged(tells=lambda told, asked: told.edited(lambda tree: tree.update(object="models")) if asked.path == _MODELS else told)


def lists_no_owner() -> None:
    """An entry does not say whose model it is."""
    _in_entries(lambda entry: entry.pop("owned_by"))


def lists_capabilities_as_words() -> None:
    """Capabilities are a list of words, not booleans."""
    _in_entries(lambda entry: entry.update(capabilities=[name for name, able in entry["capabilities"].items() if able]))


def retrieves_less_than_it_lists() -> None:
    """A model that is retrieved has less in its entry than in the list."""

    def tells(told: Told, asked: Asked) -> Told:
        return told.edited(lambda tree: tree.pop("context_window", None)) if asked.path.startswith(_MODELS + "/") else told

    _edged(tells=tells)


def loses_escaped_slashes() -> None:
    """An id is looked up as it stands in the path, escapes and all."""
    _edged(tells=lambda told, asked: _error(told, 404, "not_found_error") if "%2f" in asked.path.lower() else told)


def retrieves_anything() -> None:
    """A model that is not listed is retrieved all the same."""

    def tells(told: Told, asked: Asked) -> Told:
        is_lost = told.status == 404 and asked.path.startswith(_MODELS + "/")
        return replace(told, status=200).saying({"id": asked.path.rpartition("/")[2], "object": "model"}) if is_lost else told

    _edged(tells=tells)


def _renaming(rename: Callable[[str], str]) -> None:
    def asks(asked: Asked) -> Asked:
        name = asked.json.get("model")
        return asked.saying(model=rename(name)) if isinstance(name, str) and rename(name) != name else asked

    _edged(asks=asks)


def unpins_models() -> None:
    """A provider-prefixed name is taken for the model, whoever offers it."""
    _renaming(lambda name: name.rpartition("/")[2])


def serves_by_a_stranger() -> None:
    """A short name is served by a provider that does not offer the model."""
    _renaming(lambda name: "gamma/multi" if name.startswith("pair-") else name)


def serves_a_tier_by_its_second() -> None:
    """A tier is served by another model than its best."""
    _renaming(lambda name: "second" if name == "premium" else name)


def knows_no_auto() -> None:
    """`auto` is no model."""
    _renaming(lambda name: "nothing" if name == "auto" else name)


def wants_a_model_always() -> None:
    """A strategy without a model is refused."""
    _edged(asks=lambda asked: asked if "model" in asked.json else asked.having("x-inferoute-strategy", None))


def chooses_unasked() -> None:
    """Where neither a model nor a strategy is named, the gateway chooses."""
    _edged(asks=lambda asked: asked.saying(model="auto") if asked.json and "model" not in asked.json else asked)


def serves_unknown_models() -> None:
    """An unknown model is served by another one."""
    _renaming(lambda name: "multi" if name == "no-such-model" else name)


def minds_no_case() -> None:
    """A model's name is known in any letter case."""
    _renaming(str.lower)


def minds_no_capability() -> None:
    """A model is chosen whatever it can do."""
    true_resolve = Catalogue.resolve

    def resolve(self: Catalogue, name: str, capability: Capability, *more: Any) -> tuple[Deployment, ...]:
        able = Capability if name == "auto" else [capability]
        return tuple(dict.fromkeys(one for each in able for one in true_resolve(self, name, each, *more)))

    _patch(Catalogue, "resolve", resolve)


def names_the_alias() -> None:
    """The answer's model is the alias that was asked for."""

    def tells(told: Told, asked: Asked) -> Told:
        name = asked.json.get("model")
        return told.edited(lambda tree: tree.update(model=name)) if name in ("auto", "premium") and "model" in told.json else told

    _edged(tells=tells)


# Keys


def _restricting(change: Callable[[Any], Any]) -> None:
    true_open = Router.open
    _patch(Router, "open", lambda self, ask: true_open(self, change(ask)))


def ignores_the_keys_provider() -> None:
    """A key that is restricted to a provider may use all."""
    _restricting(lambda ask: replace(ask, restriction=replace(ask.restriction, providers=None)))


def ignores_restriction_in_fallbacks() -> None:
    """A key's restriction counts for nothing where fallback is asked for."""
    _restricting(lambda ask: replace(ask, restriction=UNRESTRICTED) if ask.fallback else ask)


# Bodies


def miscounts_the_total() -> None:
    """The total is not the sum of its parts."""
    _edged(tells=lambda told, _: told.edited(lambda tree: tree["usage"].update(total_tokens=1)) if told.json.get("usage") else told)


def leaves_out_created() -> None:
    """An answer does not say when it was made."""
    _edged(tells=lambda told, _: told.edited(lambda tree: tree.pop("created", None)))


def gives_no_finish_reason() -> None:
    """A choice does not say why it ended."""
    _edged(tells=_in_choices(lambda choice: choice.pop("finish_reason", None)))


def keeps_the_providers_id() -> None:
    """The id of a chunk is not the gateway's."""
    _edged(tells=lambda told, asked: told.edited(lambda tree: tree.update(id="chatcmpl-1")) if asked.path == _CHAT and "choices" in told.json else told)


def ignores_n() -> None:
    """One choice is given however many were asked for."""
    _edged(tells=lambda told, _: told.edited(lambda tree: tree.update(choices=tree["choices"][:1])) if "choices" in told.json else told)


def strips_the_text() -> None:
    """The text of an answer is tidied up."""

    def edit(choice: Json) -> None:
        for holder, name in ((choice, "text"), (choice.get("message", {}), "content")):
            if isinstance(holder.get(name), str):
                holder[name] = holder[name].replace("  ", " ").strip() + "."

    _edged(tells=_in_choices(edit))


def tells_every_finish_as_stop() -> None:
    """Every answer ends with `stop`."""
    _edged(tells=_in_choices(lambda choice: choice.update(finish_reason="stop") if choice.get("finish_reason") else None))


def drops_refusals() -> None:
    """A refusal does not reach the client."""
    _edged(tells=_in_choices(lambda choice: choice.get("message", {}).pop("refusal", None)))


def numbers_vectors_from_one() -> None:
    """The first vector has the index 1."""
    _edged(tells=lambda told, asked: told.edited(lambda tree: [each.update(index=each["index"] + 1) for each in tree.get("data", [])]) if asked.path == _EMBEDDINGS else told)


def takes_no_tokens() -> None:
    """Tokens are no input."""

    def tells(told: Told, asked: Asked) -> Told:
        given = asked.json.get("input")
        is_tokens = isinstance(given, list) and not isinstance(given[0], str)
        return _error(told, 400, "invalid_request_error") if is_tokens else told

    _edged(tells=tells)


def rounds_vectors() -> None:
    """The numbers of a vector are rounded."""

    def edit(entry: Json) -> None:
        if isinstance(entry["embedding"], list):
            entry["embedding"] = [round(each, 4) for each in entry["embedding"]]

    _edged(tells=lambda told, asked: told.edited(lambda tree: [edit(each) for each in tree.get("data", [])]) if asked.path == _EMBEDDINGS else told)


def packs_vectors_in_the_wrong_order() -> None:
    """The floats in base64 are big-endian."""

    def edit(entry: Json) -> None:
        if isinstance(entry["embedding"], str):
            data = base64.b64decode(entry["embedding"])
            numbers = struct.unpack(f"<{len(data) // 4}f", data)
            entry["embedding"] = base64.b64encode(struct.pack(f">{len(numbers)}f", *numbers)).decode()

    _edged(tells=lambda told, asked: told.edited(lambda tree: [edit(each) for each in tree.get("data", [])]) if asked.path == _EMBEDDINGS else told)


EDGE_BREAKS: Final = {
    each.name: each
    for each in (
        Break(requirement="auth.key.accepted", apply=refuses_a_good_key),
        Break(requirement="auth.key.missing", apply=serves_without_a_key),
        Break(requirement="auth.scheme.malformed", apply=takes_any_scheme),
        Break(requirement="auth.scheme.case", apply=minds_the_case_of_the_scheme),
        Break(requirement="auth.header.substitute", apply=takes_another_header),
        Break(requirement="auth.error.body", apply=words_a_refused_key_otherwise),
        Break(requirement="auth.error.challenge", apply=hides_the_challenge),
        Break(requirement="surface.base.path", apply=serves_embeddings_elsewhere),
        Break(requirement="surface.answer.media_type", apply=labels_json_as_text),
        Break(requirement="surface.path.unknown", apply=welcomes_every_path),
        Break(requirement="surface.method.other", apply=hides_known_paths),
        Break(requirement="surface.client.compatible", apply=minds_what_the_client_accepts),
        Break(requirement="surface.framing.length", apply=tells_a_shorter_length),
        Break(requirement="surface.encoding.readable", apply=compresses_for_everybody),
        Break(requirement="surface.parameter.unchanged", apply=rounds_the_temperature),
        Break(requirement="surface.parameter.unchanged", apply=drops_a_parameter_of_streams),
        Break(requirement="errors.body.members", apply=leaves_out_the_code),
        Break(requirement="errors.body.media_type", apply=labels_errors_as_html),
        Break(requirement="errors.json.malformed", apply=tells_malformed_json_as_422),
        Break(requirement="errors.field.missing", apply=tells_a_missing_field_as_422),
        Break(requirement="errors.timeout.status", apply=tells_a_timeout_as_504),
        Break(requirement="errors.provider.status", apply=tells_413_as_400),
        Break(requirement="errors.provider.envelope", apply=shows_the_providers_whole_error),
        Break(requirement="errors.provider.address", apply=shows_internal_addresses),
        Break(requirement="headers.provider.present", apply=hides_the_provider_of_streams),
        Break(requirement="headers.request_id.present", apply=hides_the_request_id_of_errors),
        Break(requirement="headers.request_id.unique", apply=takes_the_clients_request_id),
        Break(requirement="headers.routed.error", apply=hides_the_provider_of_errors),
        Break(requirement="headers.routed.error", apply=hides_the_latency_of_errors),
        Break(requirement="headers.latency.integer", apply=tells_the_latency_with_a_fraction),
        Break(requirement="headers.latency.whole", apply=tells_no_latency_of_whole_answers),
        Break(requirement="headers.latency.first_byte", apply=tells_no_latency_of_streams),
        Break(requirement="models.list.envelope", apply=lists_models_bare),
        Break(requirement="models.list.entry", apply=lists_no_owner),
        Break(requirement="models.list.capabilities", apply=lists_capabilities_as_words),
        Break(requirement="models.retrieve.known", apply=retrieves_less_than_it_lists),
        Break(requirement="models.retrieve.slash", apply=loses_escaped_slashes),
        Break(requirement="models.retrieve.unknown", apply=retrieves_anything),
        Break(requirement="models.name.pinned", apply=unpins_models),
        Break(requirement="models.name.short", apply=serves_by_a_stranger),
        Break(requirement="models.name.tier", apply=serves_a_tier_by_its_second),
        Break(requirement="models.name.auto", apply=knows_no_auto),
        Break(requirement="models.name.omitted", apply=wants_a_model_always),
        Break(requirement="models.name.required", apply=chooses_unasked),
        Break(requirement="models.name.unknown", apply=serves_unknown_models),
        Break(requirement="models.name.case", apply=minds_no_case),
        Break(requirement="models.choice.capable", apply=minds_no_capability),
        Break(requirement="models.served.named", apply=names_the_alias),
        Break(requirement="keys.restriction.provider", apply=ignores_the_keys_provider),
        Break(requirement="keys.restriction.fallback", apply=ignores_restriction_in_fallbacks),
        Break(requirement="usage.total.sum", apply=miscounts_the_total),
        Break(requirement="chat.response.shape", apply=leaves_out_created),
        Break(requirement="chat.response.id", apply=keeps_the_providers_id),
        Break(requirement="chat.choices.count", apply=ignores_n),
        Break(requirement="chat.choices.exact", apply=strips_the_text),
        Break(requirement="chat.choices.exact", apply=drops_refusals),
        Break(requirement="completions.response.shape", apply=gives_no_finish_reason),
        Break(requirement="completions.choices.exact", apply=tells_every_finish_as_stop),
        Break(requirement="embeddings.response.shape", apply=numbers_vectors_from_one),
        Break(requirement="embeddings.input.forms", apply=takes_no_tokens),
        Break(requirement="embeddings.vector.exact", apply=rounds_vectors),
        Break(requirement="embeddings.base64.float32", apply=packs_vectors_in_the_wrong_order),
    )
}
