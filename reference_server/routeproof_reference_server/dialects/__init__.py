"""The APIs that providers have, each told to them and understood of them. Pure: no socket, no clock, no chance."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from routeproof_reference_server.dialects.anthropic import Anthropic
from routeproof_reference_server.dialects.dialect import Dialect, Question, Reader, Refusal, Sent, Untranslatable
from routeproof_reference_server.dialects.gemini import Gemini
from routeproof_reference_server.dialects.openai import OpenAI
from routeproof_reference_server.routing.catalogue import Api

__all__ = ["DIALECTS", "Dialect", "Question", "Reader", "Refusal", "Sent", "Untranslatable"]

DIALECTS: Final[Mapping[Api, Dialect]] = MappingProxyType(
    {Api.OPENAI: OpenAI(), Api.ANTHROPIC: Anthropic(), Api.GEMINI: Gemini()}
)
