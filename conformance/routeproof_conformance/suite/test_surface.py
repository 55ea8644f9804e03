"""Paths, framing, and what passes through unread."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import pytest

from routeproof_conformance.api import (
    CHAT,
    FORMS,
    MARK,
    WHOLE,
    Ask,
    Expect,
    Form,
    Gateway,
    Observed,
    Providers,
    Raw,
    Target,
    dig,
    fields_of,
    items_of,
    parsed,
    request_json,
)
from routeproof_conformance.vocabulary import client
from routeproof_conformance.vocabulary.content import content, unzipped
from routeproof_conformance.vocabulary.parameters import additions, changes, groups
from routeproof_conformance.vocabulary.refusals import refusals
from routeproof_conformance.vocabulary.shape import answer_schema, conform
from routeproof_simulator.behaviours import gzip
from routeproof_spec.contract import load_contract

MODELS: Final = Raw(method="GET", path="/models")
NOWHERE: Final = "/routeproof/no-such-path"

forms = pytest.mark.parametrize("form", FORMS, ids=str)

#: Every form with every group of parameters that it takes.
SETTINGS: Final = [pytest.param(form, name, id=f"{form}-{name}") for form in FORMS for name in groups(form)]

#: Methods that a path of the contract does not have, and the one that it has.
METHODS: Final = [
    *(pytest.param("GET", form.path, "POST", id=f"GET {form.path}") for form in WHOLE),
    pytest.param("DELETE", CHAT.path, "POST", id=f"DELETE {CHAT.path}"),
    pytest.param("PUT", MODELS.path, "GET", id=f"PUT {MODELS.path}"),
]

TOMORROW: Final = {"is": ["passed", {"through": None}, 0.5, "漢字"]}

#: Fields that no gateway knows, where a client of tomorrow might put them, by operation.
UNKNOWN: Final[dict[str, dict[str, object]]] = {
    "chat": {
        "field_of_tomorrow": TOMORROW,
        "messages": [
            {"role": "user", "content": [{"type": "part_of_tomorrow", "part_of_tomorrow": TOMORROW}]},
            {"role": "user", "content": f"Say hello. {MARK}", "member_of_tomorrow": TOMORROW},
        ],
        "tools": [{"type": "tool_of_tomorrow", "tool_of_tomorrow": TOMORROW}],
        "tool_choice": "none",
    },
    "completions": {"field_of_tomorrow": TOMORROW},
    "embeddings": {"field_of_tomorrow": TOMORROW},
}


def media_type(seen: Observed) -> str:
    """Return the content type of an answer without its parameters."""
    return (seen.header("content-type") or "").partition(";")[0].strip().lower()


async def everything_whole(gateway: Gateway, target: Target, form: Form) -> Sequence[Observed]:
    """Return answers that are no streams: of success in *form*, of the model list, of an unknown path, of refusals."""
    refused = [refusal.request for refusal in refusals(form, target)]
    return await gateway.together([Ask(form=form), MODELS, Raw(method="GET", path=NOWHERE), *refused])


@pytest.mark.requirement("surface.base.path")
@pytest.mark.parametrize("ask", [*(Ask(form=form) for form in FORMS), MODELS], ids=[*map(str, FORMS), "models"])
async def test_operation_is_served_below_the_base_url(
    gateway: Gateway, target: Target, expect: Expect, ask: Ask | Raw
) -> None:
    """Every operation is served below a base URL that ends in `/v1`."""
    prefix = load_contract().prefix
    expect(target.base_url.endswith(prefix), expected=f"a base URL that ends in {prefix}", actual=target.base_url)
    expect.success(await gateway.send(ask))


@pytest.mark.requirement("surface.answer.media_type")
@pytest.mark.parametrize("form", WHOLE, ids=str)
async def test_whole_answer_is_labelled_as_json(gateway: Gateway, target: Target, expect: Expect, form: Form) -> None:
    """Every answer that is not a stream, refusals included, has the content type `application/json`."""
    for seen in await everything_whole(gateway, target, form):
        expect(
            media_type(seen) == "application/json",
            expected="content-type application/json",
            actual=f"{seen.header('content-type')}, with {seen.said}",
        )


@pytest.mark.requirement("surface.path.unknown")
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_unknown_path_is_not_found(gateway: Gateway, expect: Expect, method: str) -> None:
    """A path that the contract does not name is answered with 404 `not_found_error`; a known one is served."""
    expect.success(await gateway.send(MODELS))
    expect.error(await gateway.send(Raw(method=method, path=NOWHERE)), 404, "not_found_error")


@pytest.mark.requirement("surface.method.other")
@pytest.mark.parametrize(("method", "path", "known"), METHODS)
async def test_other_method_is_told_which_are_allowed(
    gateway: Gateway, expect: Expect, method: str, path: str, known: str
) -> None:
    """A known path that is asked with another method is answered with 405 and a header `Allow`."""
    seen = await gateway.send(Raw(method=method, path=path))
    expect.status(seen, 405)
    allowed = [word.strip().upper() for word in (seen.header("allow") or "").split(",")]
    expect(known in allowed, expected=f"Allow: {known}", actual=seen.header("allow"))


@pytest.mark.requirement("surface.client.compatible")
@forms
async def test_official_client_can_read_the_answer(gateway: Gateway, expect: Expect, form: Form) -> None:
    """A request as the official OpenAI client puts it on the wire is served, in the shape that the client reads."""
    body = client.BODY.get(form.operation, {})
    seen = await gateway.send(Ask(form=form, headers=client.HEAD, body=body))
    expect.success(seen)
    pieces = seen.chunks if form.stream else (seen.json,)
    expect(pieces, expected="at least one chunk before [DONE]", actual=seen.said)
    for piece in pieces:
        conform(expect, piece, answer_schema(form), "a chunk" if form.stream else "an answer")


@pytest.mark.requirement("surface.client.compatible")
async def test_official_client_can_read_the_model_list(gateway: Gateway, expect: Expect) -> None:
    """The model list is served to the official OpenAI client, in the shape that it reads."""
    seen = await gateway.send(Raw(method="GET", path="/models", headers=client.HEAD))
    expect.success(seen)
    entries = items_of(seen.at("data"))
    expect(seen.at("object") == "list" and entries, expected="object: list, and a model in data", actual=seen.said)
    for entry in entries:  # what else an entry holds is for models.list to judge
        is_known = isinstance(dig(entry, "id"), str) and dig(entry, "object") == "model"
        expect(is_known, expected="id and object: model of every entry", actual=entry)


@pytest.mark.requirement("surface.framing.length")
@pytest.mark.parametrize("form", WHOLE, ids=str)
async def test_content_length_is_true(gateway: Gateway, target: Target, expect: Expect, form: Form) -> None:
    """A response's `Content-Length`, where it bears one, is the number of bytes of its body, and none is missing."""
    for seen in await everything_whole(gateway, target, form):
        told, found = seen.header("content-length"), len(seen.exchange.body)
        expect(told in (None, str(found)), expected=f"content-length {found}", actual=f"{told}, with {seen.said}")
        is_whole = media_type(seen) != "application/json" or parsed(seen.exchange.body) is not None
        expect(is_whole, expected="a body that is whole", actual=f"content-length {told}: {seen.said}")


@pytest.mark.requirement("surface.encoding.readable")
@pytest.mark.parametrize("accepted", ["identity", "gzip"])
@forms
async def test_compressed_answer_stays_readable(
    gateway: Gateway, providers: Providers, expect: Expect, form: Form, accepted: str
) -> None:
    """An answer that the provider sends compressed arrives complete, in an encoding that the client accepts."""
    link = gateway.chain(1, form=form)[0]
    await providers.behave(link.provider, gzip())
    seen = await gateway.send(Ask(form=form, model=link.model, headers=(("accept-encoding", accepted),)))
    expect.status(seen, 200)
    encoding = seen.header("content-encoding") or "identity"
    expect(encoding in {accepted, "identity"}, expected=f"content-encoding {accepted} or none", actual=encoding)
    body = unzipped(seen.exchange.body) if encoding == "gzip" else seen.exchange.body
    sent = content(unzipped(seen.attempts[-1].body), form) if seen.attempts else None
    expect(sent is not None and content(body, form) == sent, expected=f"all of {sent!r:.80}", actual=seen.said)


@pytest.mark.requirement("surface.parameter.unchanged")
@pytest.mark.parametrize(("form", "group"), SETTINGS)
async def test_parameters_reach_the_provider_unchanged(
    gateway: Gateway, expect: Expect, form: Form, group: str
) -> None:
    """Every parameter of the OpenAI API reaches the provider with the value it was sent with."""
    arrived = await arriving(gateway, expect, Ask(form=form, body=groups(form)[group]))
    lost = [change for seen, body in arrived for change in changes(sent_json(seen), body)]
    expect(not lost, expected="every parameter as it was sent", actual="; ".join(lost))


@pytest.mark.requirement("surface.parameter.unknown")
@forms
async def test_unknown_fields_reach_the_provider_unchanged(gateway: Gateway, expect: Expect, form: Form) -> None:
    """A field that the gateway does not know reaches the provider unchanged, inside messages and tools too."""
    arrived = await arriving(gateway, expect, Ask(form=form, body=UNKNOWN[form.operation]))
    lost = [change for seen, body in arrived for change in changes(sent_json(seen), body)]
    expect(not lost, expected="every field as it was sent", actual="; ".join(lost))


@pytest.mark.requirement("surface.parameter.uninvented")
@forms
async def test_no_parameter_is_invented(gateway: Gateway, expect: Expect, form: Form) -> None:
    """The gateway sends the provider no parameter, but for the model's name, that the client left out."""
    without = ("user", "metadata")
    arrived = await arriving(gateway, expect, Ask(form=form, without=without), Ask(form=form))
    added = [addition for seen, body in arrived for addition in additions(sent_json(seen), body)]
    expect(not added, expected="no field that the client did not send", actual="; ".join(added))


def sent_json(seen: Observed) -> dict[str, object]:
    """Return the body that the client sent."""
    return fields_of(parsed(seen.exchange.request_body))


async def arriving(gateway: Gateway, expect: Expect, *asks: Ask) -> Sequence[tuple[Observed, dict[str, object]]]:
    """Send *asks*; return each with what its provider received of it."""
    arrived: list[tuple[Observed, dict[str, object]]] = []
    for ask in asks:
        seen = await gateway.send(ask)
        expect(seen.attempts, expected="a request that reaches a provider", actual=seen.said)
        arrived.append((seen, request_json(seen.attempts[0])))
    return arrived
