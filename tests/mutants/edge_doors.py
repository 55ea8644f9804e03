"""Wrong at the edge: who is let in, what passes through, what errors and headers say; one rule each."""

from __future__ import annotations

import gzip
import os
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import Final

from routeproof_reference_server import relay, scrub
from routeproof_reference_server.dialects import openai
from tests.mutants.breaks import Break
from tests.mutants.edge import Asked, Told, asking, edged, patch, spoilt, telling

_EMBEDDINGS: Final = "/v1/embeddings"


def _key() -> str:
    return "Bearer " + os.environ["TOKENHUB_API_KEY"]


# Who may ask


def refuses_a_good_key() -> None:
    """Embeddings are refused whatever the key."""
    edged(tells=lambda told, asked: spoilt(told, 401, "authentication_error") if asked.path == _EMBEDDINGS else told)


def serves_without_a_key() -> None:
    """Who sends no key is served."""
    asking(lambda asked: asked.having("authorization", _key()), where=lambda asked: not asked.header("authorization"))


def takes_any_scheme() -> None:
    """The key is found wherever it stands in the header."""

    key = os.environ["TOKENHUB_API_KEY"]
    asking(
        lambda asked: asked.having("authorization", _key()), where=lambda asked: key in asked.header("authorization")
    )


def minds_the_case_of_the_scheme() -> None:
    """Only `Bearer` is a scheme, not `bearer`."""
    asking(
        lambda asked: asked.having("authorization", None),
        where=lambda asked: not asked.header("authorization").startswith("Bearer"),
    )


def takes_another_header() -> None:
    """The key may come in X-API-Key."""
    asking(
        lambda asked: asked.having("authorization", f"Bearer {asked.header('x-api-key')}"),
        where=lambda asked: asked.header("x-api-key"),
    )


def words_a_refused_key_otherwise() -> None:
    """An expired or unknown key is told in other words."""
    telling(lambda tree: tree["error"].update(message="Unauthorized."), where=lambda told, _: told.status == 401)


def hides_the_challenge() -> None:
    """A 401 does not say how to authenticate."""
    edged(tells=lambda told, _: told.having("www-authenticate", None))


# The surface


def serves_embeddings_elsewhere() -> None:
    """Embeddings are not served below the base URL."""
    edged(tells=lambda told, asked: spoilt(told, 404, "not_found_error") if asked.path == _EMBEDDINGS else told)


def labels_json_as_text() -> None:
    """Whole answers are labelled as text."""
    edged(tells=lambda told, _: told if told.is_stream else told.having("content-type", "text/plain"))


def welcomes_every_path() -> None:
    """An unknown path is answered with 200."""
    edged(tells=lambda told, asked: replace(told, status=200) if "no-such-path" in asked.path else told)


def hides_known_paths() -> None:
    """A known path asked with another method is answered as an unknown one."""
    edged(tells=lambda told, _: spoilt(told, 404, "not_found_error") if told.status == 405 else told)


def minds_what_the_client_accepts() -> None:
    """A stream is given to those alone who say that they accept one, which the official client does not."""

    def tells(told: Told, asked: Asked) -> Told:
        unwanted = told.is_stream and asked.header("accept") == "application/json"
        return spoilt(told, 406, "invalid_request_error") if unwanted else told

    edged(tells=tells)


def tells_a_shorter_length() -> None:
    """The content-length is that of the body before it was rewritten."""

    def tells(told: Told, _: Asked) -> Told:
        if told.is_stream or not told.body:
            return told
        short = told.body[:-2]
        return replace(told, body=short).having("content-length", f"{len(short)} ".strip())

    edged(tells=tells)


def compresses_for_everybody() -> None:
    """Whole answers are compressed, whatever the client accepts."""

    def tells(told: Told, _: Asked) -> Told:
        if told.is_stream:
            return told
        return replace(told, body=gzip.compress(told.body)).having("content-encoding", "gzip")

    edged(tells=tells)


def rounds_the_temperature() -> None:
    """A parameter reaches the provider with another value."""
    asking(lambda asked: asked.saying(temperature=0), where=lambda asked: asked.json.get("temperature") == 0.25)


def drops_a_parameter_of_streams() -> None:
    """A parameter reaches the provider, but not where the answer is streamed."""
    asking(lambda asked: asked.lacking("seed"), where=lambda asked: asked.json.get("stream"))


# Errors


def leaves_out_the_code() -> None:
    """An error has no code."""
    telling(lambda tree: tree["error"].pop("code"), where=lambda told, _: told.status >= 400)


def labels_errors_as_html() -> None:
    """An error is labelled as a page."""
    edged(tells=lambda told, _: told.having("content-type", "text/html") if told.status >= 400 else told)


def _restatus(found: int, status: int, word: str = "") -> None:
    def tells(told: Told, _: Asked) -> Told:
        return replace(told, status=status) if told.status == found and word.encode() in told.body else told

    edged(tells=tells)


def asks_a_provider_before_it_refuses() -> None:
    """A request for an unknown model goes to a provider too, and is refused afterwards."""
    true_answer = relay.Relay.answer

    async def answer(self: relay.Relay, asked: relay.Asked, stack: AsyncExitStack) -> relay.Answer:
        if asked.body.model == "no-such-model":
            await true_answer(self, replace(asked, body=replace(asked.body, model="multi")), stack)
        return await true_answer(self, asked, stack)

    patch(relay.Relay, "answer", answer)


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

    def error_text(data: bytes) -> str:
        return data.decode("utf-8", "replace")

    patch(openai, "error_text", error_text)


def repeats_the_providers_text() -> None:
    """A provider's text stands in the error a second time, outside of its message."""
    telling(
        lambda tree: tree["error"].update(upstream=tree["error"]["message"]), where=lambda told, _: told.status == 400
    )


def hides_the_providers_text() -> None:
    """The gateway has words of its own for every provider's error."""

    def error_text(_: bytes) -> str:
        return ""

    patch(openai, "error_text", error_text)


def shows_internal_addresses() -> None:
    """Addresses stay in a provider's error text."""
    true_clean = scrub.Scrubber.clean

    disguises = {".": "\u2024", "localhost": "l\u00f8calhost", "[fd": "\u27e6fd", "://": "\u2236//"}

    def clean(self: scrub.Scrubber, text: str) -> str:
        for plain, disguise in disguises.items():
            text = text.replace(plain, disguise)
        text = true_clean(self, text)
        for plain, disguise in disguises.items():
            text = text.replace(disguise, plain)
        return text

    patch(scrub.Scrubber, "clean", clean)


# Headers


def _hiding(header: str, where: Callable[[Told], bool]) -> None:
    edged(tells=lambda told, _: told.having(header, None) if where(told) else told)


def hides_the_provider_of_streams() -> None:
    """A stream does not say who serves it."""
    _hiding("x-inferoute-provider", lambda told: told.is_stream)


def hides_the_request_id_of_errors() -> None:
    """An error bears no request id."""
    _hiding("x-inferoute-request-id", lambda told: told.status >= 400)


def takes_the_clients_request_id() -> None:
    """A request id that the client sends becomes the response's."""

    def tells(told: Told, asked: Asked) -> Told:
        own = asked.header("x-request-id")
        return told.having("x-inferoute-request-id", own) if own else told

    edged(tells=tells)


def hides_the_provider_of_errors() -> None:
    """An error after routing does not say who was tried."""
    _hiding("x-inferoute-provider", lambda told: told.status >= 400)


def hides_the_latency_of_errors() -> None:
    """An error after routing does not say how long it took."""
    _hiding("x-inferoute-latency-ms", lambda told: told.status >= 400)


def _claiming(latency: Callable[[str], str], where: Callable[[Told], bool]) -> None:
    def tells(told: Told, _: Asked) -> Told:
        claimed = told.header("x-inferoute-latency-ms")
        return told.having("x-inferoute-latency-ms", latency(claimed)) if claimed and where(told) else told

    edged(tells=tells)


def tells_the_latency_with_a_fraction() -> None:
    """The latency is no whole number."""
    _claiming(lambda ms: f"{ms}.5", lambda _: True)


def tells_no_latency_of_whole_answers() -> None:
    """The latency of a whole answer is always nought."""
    _claiming(lambda _: "0", lambda told: not told.is_stream)


def tells_no_latency_of_streams() -> None:
    """The latency of a stream is always nought."""
    _claiming(lambda _: "0", lambda told: told.is_stream)


DOORS: Final[Sequence[Break]] = (
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
    Break(requirement="errors.refusal.unsent", apply=asks_a_provider_before_it_refuses),
    Break(requirement="errors.timeout.status", apply=tells_a_timeout_as_504),
    Break(requirement="errors.provider.status", apply=tells_413_as_400),
    Break(requirement="errors.provider.envelope", apply=shows_the_providers_whole_error),
    Break(requirement="errors.provider.envelope", apply=repeats_the_providers_text),
    Break(requirement="errors.provider.text", apply=hides_the_providers_text),
    Break(requirement="errors.provider.address", apply=shows_internal_addresses),
    Break(requirement="headers.provider.present", apply=hides_the_provider_of_streams),
    Break(requirement="headers.request_id.present", apply=hides_the_request_id_of_errors),
    Break(requirement="headers.request_id.unique", apply=takes_the_clients_request_id),
    Break(requirement="headers.routed.error", apply=hides_the_provider_of_errors),
    Break(requirement="headers.routed.error", apply=hides_the_latency_of_errors),
    Break(requirement="headers.latency.integer", apply=tells_the_latency_with_a_fraction),
    Break(requirement="headers.latency.whole", apply=tells_no_latency_of_whole_answers),
    Break(requirement="headers.latency.first_byte", apply=tells_no_latency_of_streams),
)
