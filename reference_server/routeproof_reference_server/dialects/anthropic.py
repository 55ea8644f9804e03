"""Anthropic's Messages API."""

from __future__ import annotations

from typing import Final, final

import msgspec

from routeproof_reference_server.dialects import anthropic_answer, anthropic_request
from routeproof_reference_server.dialects.anthropic_answer import AnthropicReader
from routeproof_reference_server.dialects.chat import asks_for_usage, understood
from routeproof_reference_server.dialects.dialect import Question, Refusal, Sent, Tree
from routeproof_reference_server.payload import Label, error_text
from routeproof_reference_server.routing.catalogue import Deployment

VERSION: Final = "2023-06-01"


@final
class Anthropic:
    """The dialect of Anthropic."""

    def credentials(self, key: str) -> tuple[tuple[bytes, bytes], ...]:
        """Return the headers that show *key*."""
        return ((b"x-api-key", key.encode()), (b"anthropic-version", VERSION.encode()))

    def told(self, question: Question) -> Tree:
        """Return *question* as a request for a message; raises `Untranslatable`."""
        return anthropic_request.request(understood(question.body.fields, anthropic_request.API))

    def sent(self, told: Tree, question: Question, deployment: Deployment) -> Sent:
        """Return what *deployment* is asked; where the client bounds its answer not, the deployment does."""
        del question
        bounded = told["max_tokens"] or deployment.max_tokens
        body = msgspec.json.encode({"model": deployment.upstream_model, **told, "max_tokens": bounded})
        return Sent(path="/v1/messages", body=body)

    def answer(self, data: bytes, question: Question, label: Label) -> tuple[bytes, msgspec.Raw | None]:
        """Return a whole answer as OpenAI's under *label*, and its usage; raises `Unpromised` where it is none."""
        del question
        return anthropic_answer.answer(data, label)

    def reader(self, question: Question, label: Label) -> AnthropicReader:
        """Return what reads a stream."""
        return AnthropicReader(label, include_usage=asks_for_usage(question.body.fields))

    def refusal(self, status: int, data: bytes) -> Refusal:
        """Return what the body of an error says."""
        del status
        return Refusal(text=error_text(data))
