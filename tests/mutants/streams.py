"""Wrong gateways that tell a stream wrongly, or break what holds for every gateway: the areas stream and universal."""

# A mutant reaches into what is private, and its lambdas stand for functions whose types they repeat.
# pyright: reportPrivateUsage=false, reportUnknownLambdaType=false, reportUnknownArgumentType=false
from __future__ import annotations

import os
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from itertools import count
from typing import Any, Final

import msgspec
import trio

from routeproof_reference_server import relay, upstream
from routeproof_reference_server.routing import Deployment, Failed
from routeproof_spec.sse import Event, SSEDecoder
from tests.mutants.breaks import Break
from tests.mutants.edge import Asked, Json, Told, edged, in_choices, patch

_ERROR: Final = b'data: {"error"'


def _events(change: Callable[[Told, Asked], bytes]) -> None:
    """Let *change* say what goes out in the place of each event of a stream."""

    def tells(told: Told, asked: Asked) -> Told:
        return replace(told, body=change(told, asked)) if told.is_stream and told.body else told

    edged(tells=tells)


def _chunks(edit: Callable[[Json], object]) -> None:
    """Let *edit* change the JSON of every event of a stream but an error."""
    _events(lambda told, _: told.body if told.body.startswith(_ERROR) else told.edited(edit).body)


def _deltas(edit: Callable[[Json], object]) -> None:
    tells = in_choices(edit)
    _events(lambda told, asked: tells(told, asked).body)


def _ending(end: Callable[[Any], AsyncGenerator[bytes, None]]) -> None:
    """Let *end* say what follows the last good event of a stream that broke."""

    async def streamed(*given: Any) -> AsyncGenerator[bytes, None]:
        stream: upstream.Stream = given[-1]
        piece: object = stream.first
        while isinstance(piece, bytes):
            yield piece
            piece = await stream.next()
        if piece is not None:
            async for last in end(stream):
                yield last

    patch(relay.Relay, "_streamed", streamed)


def _reading(kind: type[SSEDecoder]) -> None:
    patch(upstream, "SSEDecoder", kind)


# The grammar


def labels_streams_as_text() -> None:
    """A stream is labelled as plain text."""
    edged(tells=lambda told, _: told.having("content-type", "text/plain") if told.is_stream else told)


def calls_chunks_completions() -> None:
    """A chunk says that it is a whole answer."""
    _chunks(lambda tree: tree.update(object="chat.completion"))


def renames_every_chunk() -> None:
    """Every chunk bears an id of its own."""
    number = count()
    _chunks(lambda tree: tree.update(id=f"chatcmpl-th-{next(number)}"))


def repeats_the_role() -> None:
    """Every delta bears the role."""
    _deltas(lambda choice: choice.get("delta", {}).update(role="assistant"))


def numbers_choices_from_one() -> None:
    """The first choice of a stream is number one."""
    _deltas(lambda choice: choice.update(index=choice["index"] + 1))


def finishes_every_chunk() -> None:
    """Every chunk gives the finish reason."""
    _deltas(lambda choice: choice.update(finish_reason="stop"))


def leaves_out_done() -> None:
    """A stream ends without [DONE]."""
    _events(lambda told, _: b"" if b"[DONE]" in told.body else told.body)


def counts_in_every_chunk() -> None:
    """The usage stands beside the choices."""
    zero = {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}
    _chunks(lambda tree: tree.update(usage=tree.get("usage") or zero) if "usage" in tree else None)


def leaves_out_null_usage() -> None:
    """A chunk without usage does not say so."""
    _chunks(lambda tree: tree.pop("usage", None) if tree.get("usage") is None else None)


def counts_unasked() -> None:
    """A usage chunk comes although nobody asked for it."""

    def change(told: Told, asked: Asked) -> bytes:
        if (
            told.json.get("choices")
            and told.json["choices"][0].get("finish_reason")
            and not asked.json.get("stream_options")
        ):
            tree: Json = {
                **told.json,
                "choices": [],
                "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
            }
            return told.body + told.saying(tree).body
        return told.body

    _events(change)


def strips_every_piece() -> None:
    """Blanks around a piece of text are lost."""

    def edit(choice: Json) -> None:
        if choice.get("delta", {}).get("content"):
            choice["delta"]["content"] = choice["delta"]["content"].strip()
        if choice.get("text"):
            choice["text"] = choice["text"].strip()

    _deltas(edit)


def decodes_every_piece() -> None:
    """Bytes are taken for text piece by piece, wherever they were split."""

    class Hasty(SSEDecoder):
        def feed(self, data: bytes) -> Iterator[Event]:
            return super().feed(data.decode("utf-8", "replace").encode())

    _reading(Hasty)


def reads_one_framing() -> None:
    """Only `data: ` and two line feeds are understood."""

    class Narrow(SSEDecoder):
        _rest = b""

        def feed(self, data: bytes) -> Iterator[Event]:
            *frames, self._rest = (self._rest + data).split(b"\n\n")
            for frame in frames:
                if frame.startswith(b"data: "):
                    yield Event(data=frame.removeprefix(b"data: ").decode())

    _reading(Narrow)


def loses_tool_indices() -> None:
    """The deltas of a tool call bear no index."""
    _deltas(lambda choice: [call.pop("index", None) for call in choice.get("delta", {}).get("tool_calls", [])])


def empties_tool_arguments() -> None:
    """The last piece of a tool call's arguments is lost."""

    def edit(choice: Json) -> None:
        for call in choice.get("delta", {}).get("tool_calls", []):
            if call.get("function", {}).get("arguments", "").endswith("}"):
                call["function"]["arguments"] = ""

    _deltas(edit)


def begins_a_stream_to_refuse() -> None:
    """A request for a stream that fails is told in a stream."""

    def tells(told: Told, asked: Asked) -> Told:
        if told.status < 400 or not asked.json.get("stream"):
            return told
        body = b"data: " + told.body + b"\n\n"
        return replace(told, status=200, body=body).having("content-type", "text/event-stream")

    edged(tells=tells)


# How a stream fails


def ends_in_silence() -> None:
    """A stream that broke just ends."""

    async def end(_: object) -> AsyncGenerator[bytes, None]:
        yield b""

    _ending(end)


def invents_a_finish() -> None:
    """A stream that broke gets a finish reason."""

    async def end(_: object) -> AsyncGenerator[bytes, None]:
        choice: Json = {"index": 0, "delta": {}, "text": "", "finish_reason": "stop"}
        tree: Json = {"id": "x", "object": "chat.completion.chunk", "created": 1, "model": "x", "choices": [choice]}
        yield b"data: " + msgspec.json.encode(tree) + b"\n\n"

    _ending(end)


def words_an_error_its_own_way() -> None:
    """An error event has neither type nor code."""

    async def end(_: object) -> AsyncGenerator[bytes, None]:
        yield b'data: {"error": {"message": "The answer broke off."}}\n\n'

    _ending(end)


def _going_on(more: Callable[..., AsyncGenerator[bytes, None]]) -> None:
    """Let *more* say what a stream that broke goes on with, before its error is told."""
    true_streamed = relay.Relay._streamed

    async def streamed(
        self: relay.Relay, asked: relay.Asked, deployment: Deployment, *rest: Any
    ) -> AsyncGenerator[bytes, None]:
        async for piece in true_streamed(self, asked, deployment, *rest):
            if piece.startswith(_ERROR):
                async for other in more(self, asked, deployment):
                    yield other
            yield piece

    patch(relay.Relay, "_streamed", streamed)


async def _again(self: relay.Relay, asked: relay.Asked, deployment: Deployment) -> AsyncGenerator[bytes, None]:
    """Yield what *deployment* sends of a second attempt at a stream."""
    async with AsyncExitStack() as stack:
        stream = await self._attempt(asked, deployment, stack)
        assert isinstance(stream, upstream.Stream)
        piece: object = stream.first
        while isinstance(piece, bytes):
            yield piece
            piece = await stream.next()


def tells_a_broken_stream_twice() -> None:
    """A stream that broke is told once more from its beginning, by the same provider."""
    _going_on(_again)


def asks_on_after_the_first_byte() -> None:
    """When a stream breaks, the next provider is asked too, though its answer is of no use any more."""

    async def more(self: relay.Relay, asked: relay.Asked, _: Deployment) -> AsyncGenerator[bytes, None]:
        for name in asked.fallback:
            other = self._router.catalogue.resolve(name, asked.capability)[0]
            async for _piece in _again(self, asked, other):
                yield b""

    _going_on(more)


def cleans_no_stream() -> None:
    """What a provider says in a stream that has begun reaches the client as it is."""
    true_init: Any = upstream.Stream.__init__

    def init(self: upstream.Stream, *given: Any) -> None:
        true_init(self, *given[:-1], lambda outcome: outcome)

    patch(upstream.Stream, "__init__", init)


def tells_outages_as_502() -> None:
    """When no provider could answer, the status is 502."""

    def tells(told: Told, asked: Asked) -> Told:
        del asked
        return replace(told, status=502) if told.status == 503 else told

    edged(tells=tells)


def says_done_after_an_error() -> None:
    """An error event is followed by [DONE]."""
    _events(lambda told, _: told.body + b"data: [DONE]\n\n" * told.body.startswith(_ERROR))


def says_done_twice() -> None:
    """[DONE] comes twice."""
    _events(lambda told, _: told.body * (1 + (b"[DONE]" in told.body)))


# What holds for every gateway


def tells_errors_as_details() -> None:
    """An error body holds `detail`."""

    def tells(told: Told, asked: Asked) -> Told:
        del asked
        return told.saying({"detail": "No."}) if told.status >= 400 and told.body else told

    edged(tells=tells)


def lets_go_late() -> None:
    """An answer that is no longer wanted is waited for, and its connection closed seconds later."""
    true_close, true_next = upstream._close, upstream.Stream.next

    async def waited_for(self: upstream.Stream) -> Any:
        with trio.CancelScope(shield=True):
            return await true_next(self)

    patch(upstream.Stream, "next", waited_for)

    async def close(*given: Any) -> None:
        with trio.CancelScope(shield=True):
            await trio.sleep(2.0)
        await true_close(*given)

    patch(upstream, "_close", close)


def halves_embeddings() -> None:
    """An embedding loses half of its numbers."""

    def tells(told: Told, asked: Asked) -> Told:
        def edit(tree: Json) -> None:
            for entry in tree.get("data", []):
                if "embedding" in entry:
                    entry["embedding"] = entry["embedding"][: len(entry["embedding"]) // 8 * 4]

        return told.edited(edit) if asked.path == "/v1/embeddings" else told

    edged(tells=tells)


def dies_of_a_broken_stream() -> None:
    """A stream that breaks ends the gateway."""

    async def end(_: object) -> AsyncGenerator[bytes, None]:
        yield _ERROR + b': {"type": "provider_error", "message": "Adieu.", "code": "adieu"}}\n\n'
        os._exit(1)

    _ending(end)


def sulks_after_a_failure() -> None:
    """After the first provider's failure nothing is served any more."""
    true_attempt = relay.Relay._attempt
    failed: list[object] = []

    async def attempt(*given: Any) -> Any:
        result = failed[0] if failed else await true_attempt(*given)
        failed.extend([result] if isinstance(result, Failed) else [])
        return result

    patch(relay.Relay, "_attempt", attempt)


STREAMS: Final[Sequence[Break]] = (
    Break(requirement="stream.response.media_type", apply=labels_streams_as_text),
    Break(requirement="stream.response.refusal", apply=begins_a_stream_to_refuse),
    Break(requirement="stream.chunk.shape", apply=calls_chunks_completions),
    Break(requirement="stream.chunk.constant", apply=renames_every_chunk),
    Break(requirement="stream.role.first", apply=repeats_the_role),
    Break(requirement="stream.index.contiguous", apply=numbers_choices_from_one),
    Break(requirement="stream.finish.once", apply=finishes_every_chunk),
    Break(requirement="stream.text.exact", apply=strips_every_piece),
    Break(requirement="stream.text.utf8", apply=decodes_every_piece),
    Break(requirement="stream.framing.legal", apply=reads_one_framing),
    Break(requirement="stream.tool.index", apply=loses_tool_indices),
    Break(requirement="stream.tool.arguments", apply=empties_tool_arguments),
    Break(requirement="stream.usage.last", apply=counts_in_every_chunk),
    Break(requirement="stream.usage.null", apply=leaves_out_null_usage),
    Break(requirement="stream.usage.unasked", apply=counts_unasked),
    Break(requirement="stream.done.present", apply=leaves_out_done),
    Break(requirement="stream.cut.error", apply=ends_in_silence),
    Break(requirement="stream.cut.envelope", apply=words_an_error_its_own_way),
    Break(requirement="stream.cut.undone", apply=says_done_after_an_error),
    Break(requirement="fallback.first_byte.final", apply=asks_on_after_the_first_byte),
    Break(requirement="fallback.exhausted.unavailable", apply=tells_outages_as_502),
    Break(requirement="universal.text.once", apply=tells_a_broken_stream_twice),
    Break(requirement="universal.secret.provider", apply=cleans_no_stream),
    Break(requirement="universal.cut.honest", apply=invents_a_finish),
    Break(requirement="universal.done.last", apply=says_done_twice),
    Break(requirement="universal.error.message", apply=tells_errors_as_details),
    Break(requirement="universal.leaving.streaming", apply=lets_go_late),
    Break(requirement="universal.embedding.width", apply=halves_embeddings),
    Break(requirement="universal.gateway.alive", apply=dies_of_a_broken_stream),
    Break(requirement="universal.gateway.alive", apply=sulks_after_a_failure),
)
