"""OpenAI's API: what the client asks and what it is answered pass through byte for byte, as far as they may."""

from __future__ import annotations

from typing import final

import msgspec

from routeproof_reference_server.dialects.dialect import Question, Refusal, Sent, Tree
from routeproof_reference_server.payload import ChunkReader, Label, error_text, labelled_answer
from routeproof_reference_server.routing.catalogue import Deployment


@final
class OpenAI:
    """The dialect of OpenAI, and of all who speak it."""

    def credentials(self, key: str) -> tuple[tuple[bytes, bytes], ...]:
        """Return the headers that show *key*."""
        return ((b"authorization", f"Bearer {key}".encode()),)

    def told(self, question: Question) -> Tree:
        """Return nothing: a question is as OpenAI has it."""
        del question
        return {}

    def sent(self, told: Tree, question: Question, deployment: Deployment) -> Sent:
        """Return the body byte for byte as it came, but for the model's name."""
        del told
        return Sent(path=question.path, body=question.body.addressed_to(deployment.upstream_model))

    def answer(self, data: bytes, question: Question, label: Label) -> tuple[bytes, msgspec.Raw | None]:
        """Return a whole answer under *label*, and its usage; raises `Unpromised` where it is none."""
        return labelled_answer(data, question.capability, label)

    def reader(self, question: Question, label: Label) -> ChunkReader:
        """Return what reads a stream."""
        del question
        return ChunkReader(label)

    def refusal(self, status: int, data: bytes) -> Refusal:
        """Return what the body of an error says."""
        del status
        return Refusal(text=error_text(data))
