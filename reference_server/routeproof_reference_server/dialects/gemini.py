"""Google's Gemini API."""

from __future__ import annotations

import math
import re
from typing import Final, final
from urllib.parse import quote

import msgspec
from msgspec import Struct

from routeproof_reference_server.dialects import gemini_answer, gemini_request
from routeproof_reference_server.dialects.chat import asks_for_usage, understood
from routeproof_reference_server.dialects.dialect import Question, Refusal, Sent, Tree
from routeproof_reference_server.dialects.gemini_answer import GeminiReader
from routeproof_reference_server.payload import Label, error_text
from routeproof_reference_server.routing.catalogue import Deployment
from routeproof_spec.errors import NOT_JSON

_WRONG_KEY: Final = "API_KEY_INVALID"  # said with 400, as if it were the request's fault (google.rpc.ErrorInfo)
_DELAY: Final = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)s")  # google.protobuf.Duration as JSON


class _Detail(Struct, rename="camel"):
    reason: str | None = None
    retry_delay: str | None = None


class _Error(Struct):
    details: list[_Detail] = []


class _Body(Struct):
    error: _Error


@final
class Gemini:
    """The dialect of Gemini."""

    def credentials(self, key: str) -> tuple[tuple[bytes, bytes], ...]:
        """Return the headers that show *key*."""
        return ((b"x-goog-api-key", key.encode()),)

    def told(self, question: Question) -> Tree:
        """Return *question* as a request for content; raises `Untranslatable`."""
        return gemini_request.request(understood(question.body.fields, gemini_request.API))

    def sent(self, told: Tree, question: Question, deployment: Deployment) -> Sent:
        """Return what *deployment* is asked."""
        model = quote(deployment.upstream_model, safe="")
        method = "streamGenerateContent?alt=sse" if question.body.stream else "generateContent"
        return Sent(path=f"/v1beta/models/{model}:{method}", body=msgspec.json.encode(told))

    def answer(self, data: bytes, question: Question, label: Label) -> tuple[bytes, msgspec.Raw | None]:
        """Return a whole answer as OpenAI's under *label*, and its usage; raises `Unpromised` where it is none."""
        del question
        return gemini_answer.answer(data, label)

    def reader(self, question: Question, label: Label) -> GeminiReader:
        """Return what reads a stream."""
        return GeminiReader(label, include_usage=asks_for_usage(question.body.fields))

    def refusal(self, status: int, data: bytes) -> Refusal:
        """Return what the body of an error says."""
        del status
        details = _details(data)
        delays = [found[1] for each in details if (found := _DELAY.fullmatch(each.retry_delay or ""))]
        return Refusal(
            text=error_text(data),
            retry_after=math.ceil(float(delays[0])) if delays else None,
            is_ours=any(each.reason == _WRONG_KEY for each in details),
        )


def _details(data: bytes) -> list[_Detail]:
    try:
        return msgspec.json.decode(data, type=_Body).error.details
    except NOT_JSON:
        return []
