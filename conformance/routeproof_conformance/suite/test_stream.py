"""The grammar of an answer that comes in events, and the honesty of its end."""

from __future__ import annotations

import pytest

from routeproof_conformance.api import (
    CHAT_STREAM,
    STREAMS,
    Ask,
    Expect,
    Form,
    Gateway,
    Observed,
    Providers,
    Target,
    dig,
    fields_of,
)
from routeproof_conformance.vocabulary import faults
from routeproof_conformance.vocabulary.both_sides import (
    given,
    last_attempt,
    longest_pause,
    received,
    texts,
    tool_arguments,
)
from routeproof_conformance.vocabulary.falling_back import failing
from routeproof_conformance.vocabulary.faults import Fault, cases
from routeproof_conformance.vocabulary.offered import offered
from routeproof_conformance.vocabulary.tools import TOOLS
from routeproof_simulator.behaviours import Behaviour, framing, ok, slicer, stall

pytestmark = pytest.mark.needs("stream")

each_stream = pytest.mark.parametrize("form", STREAMS, ids=str)

WITH_USAGE = {"stream_options": {"include_usage": True}}

#: Seconds for which a provider pauses: long enough that no machine which is late is taken for a gateway that waits.
PAUSE = 0.4


async def streamed(gateway: Gateway, expect: Expect, ask: Ask) -> Observed:
    """Send *ask* and return what came, which must be a 200."""
    seen = await gateway.send(ask)
    expect.status(seen, 200)
    return seen


# The grammar


@pytest.mark.requirement("stream.response.media_type")
@each_stream
async def test_stream_has_its_content_type(gateway: Gateway, expect: Expect, form: Form) -> None:
    """A stream has the content type `text/event-stream`."""
    expect.grammar(await streamed(gateway, expect, Ask(form=form)), "media_type")


@pytest.mark.requirement("stream.chunk.shape")
@each_stream
async def test_every_event_holds_a_chunk(gateway: Gateway, expect: Expect, form: Form) -> None:
    """Every event but `[DONE]` holds one JSON object of the operation's kind."""
    seen = await streamed(gateway, expect, Ask(form=form))
    expect(seen.chunks, expected="chunks", actual=seen.said)
    expect.grammar(seen, "chunk_shape")


@pytest.mark.requirement("stream.chunk.constant")
@each_stream
async def test_identity_is_the_same_in_every_chunk(gateway: Gateway, expect: Expect, form: Form) -> None:
    """`id`, `model` and `created` are the same in every chunk of a stream."""
    expect.grammar(await streamed(gateway, expect, Ask(form=form, body=WITH_USAGE)), "constant")


@pytest.mark.requirement("stream.role.first")
@pytest.mark.parametrize("choices", [1, 2])
async def test_role_comes_first_and_once(gateway: Gateway, expect: Expect, choices: int) -> None:
    """A choice's role comes in its first delta and in no other."""
    seen = await streamed(gateway, expect, Ask(form=CHAT_STREAM, body={"n": choices}))
    expect.grammar(seen, "role_first")


@pytest.mark.requirement("stream.index.contiguous")
@pytest.mark.parametrize("choices", [1, 3])
@each_stream
async def test_choices_are_numbered_from_zero(gateway: Gateway, expect: Expect, form: Form, choices: int) -> None:
    """The choices of a completed stream are numbered from 0 without a gap."""
    seen = await streamed(gateway, expect, Ask(form=form, body={"n": choices}))
    expect(seen.texts, expected="a text", actual=seen.said)
    expect.grammar(seen, "index_contiguous")


@pytest.mark.requirement("stream.finish.once")
@pytest.mark.parametrize("choices", [1, 2])
@each_stream
async def test_each_choice_finishes_once(gateway: Gateway, expect: Expect, form: Form, choices: int) -> None:
    """A completed stream gives each choice exactly one finish reason, after which the choice gets no more text."""
    seen = await streamed(gateway, expect, Ask(form=form, body={"n": choices}))
    expect.grammar(seen, "finish_once", "text_after_finish")


@pytest.mark.requirement("stream.done.present")
@pytest.mark.parametrize("body", [{}, WITH_USAGE], ids=["plain", "with-usage"])
@each_stream
async def test_stream_ends_with_done(gateway: Gateway, expect: Expect, form: Form, body: dict[str, object]) -> None:
    """A stream that completes ends with `data: [DONE]`."""
    expect.grammar(await streamed(gateway, expect, Ask(form=form, body=body)), "done_present")


@pytest.mark.requirement("stream.usage.last")
@each_stream
async def test_usage_comes_in_the_last_chunk_alone(gateway: Gateway, expect: Expect, form: Form) -> None:
    """With `include_usage` the last chunk before `[DONE]`, and only that one, holds no choice and the `usage`."""
    expect.grammar(await streamed(gateway, expect, Ask(form=form, body=WITH_USAGE)), "usage_last")


@pytest.mark.requirement("stream.usage.null")
@each_stream
async def test_usage_is_null_in_every_other_chunk(gateway: Gateway, expect: Expect, form: Form) -> None:
    """With `include_usage` every other chunk holds `usage` as null."""
    expect.grammar(await streamed(gateway, expect, Ask(form=form, body=WITH_USAGE)), "usage_null")


@pytest.mark.requirement("stream.usage.unasked")
@each_stream
async def test_no_chunk_is_without_choices_unasked(gateway: Gateway, expect: Expect, form: Form) -> None:
    """Without `include_usage` no chunk has an empty `choices`."""
    expect.grammar(await streamed(gateway, expect, Ask(form=form)), "usage_unasked")


# The text, however its bytes come


@pytest.mark.requirement("stream.text.exact")
@pytest.mark.parametrize("choices", [1, 2])
@each_stream
async def test_text_is_the_providers(gateway: Gateway, expect: Expect, form: Form, choices: int) -> None:
    """The text of a completed stream is the provider's text, whole and in order."""
    expect_exact(expect, await gateway.send(Ask(form=form, body={"n": choices})))


@pytest.mark.requirement("stream.text.utf8")
@pytest.mark.parametrize(
    "split", [stall(before="character_end", seconds=faults.BREATH), slicer(1), slicer(2), slicer(3)], ids=str
)
@each_stream
async def test_text_survives_every_split(
    gateway: Gateway, providers: Providers, expect: Expect, form: Form, split: Behaviour
) -> None:
    """Text survives however the provider's bytes are split, inside a character too."""
    await providers.behave_all(split)
    expect_exact(expect, await gateway.send(Ask(form=form, body={"max_tokens": 6})))


@pytest.mark.requirement("stream.framing.legal")
@pytest.mark.parametrize("split", [ok, slicer(5)], ids=["whole-events", "split-events"])
@pytest.mark.parametrize(
    "spelled", [framing("crlf"), framing("comments"), framing("lines"), framing("unspaced")], ids=str
)
@each_stream
async def test_every_legal_framing_is_understood(
    gateway: Gateway, providers: Providers, expect: Expect, form: Form, spelled: Behaviour, split: Behaviour
) -> None:
    """Comments, CRLF line ends, data on several lines and `data:` without a blank are understood."""
    await providers.behave_all(spelled | split)
    expect_exact(expect, await gateway.send(Ask(form=form, body={"max_tokens": 6})))


def expect_exact(expect: Expect, seen: Observed) -> None:
    """The client got an answer that says what its provider said, choice by choice."""
    expect.status(seen, 200)
    sent, got = texts(given(last_attempt(expect, seen))), texts(received(seen))
    expect(sent, expected="a text from the provider", actual=seen.said)
    expect(got == sent, expected=f"the provider's text {sent}", actual=got)


@pytest.mark.requirement("stream.relay.timely")
async def test_chunk_is_passed_on_when_it_arrives(
    gateway: Gateway, target: Target, providers: Providers, expect: Expect
) -> None:
    """A chunk is passed on when it arrives: what was sent before a pause is there before the provider goes on."""
    await providers.behave_all(stall(frames=4, seconds=PAUSE))
    asks = [Ask(form=form) for form in offered(target, STREAMS)]
    if target.lacks("tools") is None:
        # Gateways that put the usage together are known to keep a tool call's pieces back until its end.
        asks.append(Ask(form=CHAT_STREAM, body={**TOOLS, **WITH_USAGE}))
    for seen in await gateway.together(asks):
        expect.status(seen, 200)
        attempt = last_attempt(expect, seen)
        expect(len(attempt.frames) > 1, expected="a stream that is read to its end", actual=seen.said)
        until, then = longest_pause(attempt)
        sent, got = given(attempt, until=until).text, received(seen, until=then).text
        expect(got.startswith(sent), expected=f"{sent!r} within a pause of {then - until:.3f} s", actual=repr(got))


# Tool calls


@pytest.mark.requirement("stream.tool.index")
@pytest.mark.needs("tools")
async def test_every_tool_delta_bears_its_index(gateway: Gateway, expect: Expect) -> None:
    """Every delta of a tool call bears the tool call's index."""
    seen = await streamed(gateway, expect, Ask(form=CHAT_STREAM, body=TOOLS))
    expect(tool_arguments(seen), expected="a tool call", actual=seen.said)
    expect.grammar(seen, "tool_index")


@pytest.mark.requirement("stream.tool.arguments")
@pytest.mark.needs("tools")
@pytest.mark.parametrize("body", [{}, WITH_USAGE], ids=["plain", "with-usage"])
async def test_tool_arguments_join_to_the_providers(gateway: Gateway, expect: Expect, body: dict[str, object]) -> None:
    """The argument pieces of a streamed tool call join to the provider's JSON."""
    seen = await streamed(gateway, expect, Ask(form=CHAT_STREAM, body={**TOOLS, **body}))
    expect.grammar(seen, "tool_arguments")
    sent, got = given(last_attempt(expect, seen)).said, received(seen).said
    expect("0.tool0" in sent, expected="a tool call from the provider, that was asked for one", actual=sent)
    expect(got == sent, expected=f"the provider's tool call {sent}", actual=got)


# How a stream fails


@pytest.mark.requirement("stream.response.refusal")
@pytest.mark.parametrize(
    ("form", "fault"),
    cases([*faults.FAILURES, *faults.EMPTY_STREAMS, *faults.STREAM_ERRORS], forms=STREAMS),
    ids=str,
)
async def test_failure_before_the_first_event_is_an_error_status(
    gateway: Gateway, providers: Providers, expect: Expect, form: Form, fault: Fault
) -> None:
    """A stream request that fails before its first event is answered with an error status and a JSON body."""
    seen = await failing(gateway, providers, form, fault, links=1)
    expect(seen.status is not None and seen.status >= 400, expected="an error status", actual=seen.said)
    expect(not seen.is_stream, expected="a body that is no stream", actual=seen.header("content-type"))
    expect(seen.error.message, expected="a JSON body with the error", actual=seen.said)


@pytest.mark.requirement("stream.cut.error", "stream.cut.envelope", "stream.cut.undone")
@pytest.mark.parametrize(("form", "fault"), cases(faults.BROKEN_STREAMS), ids=str)
async def test_broken_stream_is_told_as_an_error_event(
    gateway: Gateway, providers: Providers, expect: Expect, form: Form, fault: Fault
) -> None:
    """A stream that breaks after its first byte ends in an error event with the envelope, and no `[DONE]` follows."""
    seen = await failing(gateway, providers, form, fault, links=1)
    if fault in faults.ROLE_ALONE and not seen.is_stream:
        # No byte had gone to the client, so an error status says it all, and sooner.
        expect(seen.status is not None and seen.status >= 400, expected="an error status or a stream", actual=seen.said)
        expect.of("stream.cut.envelope")(seen.error.message, expected="the error envelope", actual=seen.said)
        return
    expect.status(seen, 200)
    expect(seen.error_event is not None, expected="an error event", actual=seen.said)
    error = fields_of(dig(seen.error_event, "error"))
    lacking = [name for name in ("type", "message", "code") if not isinstance(error.get(name), str)]
    expect.of("stream.cut.envelope")(not lacking, expected="error with type, message and code", actual=seen.error_event)
    expect.of("stream.cut.undone").grammar(seen, "error_undone")
