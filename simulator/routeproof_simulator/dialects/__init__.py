"""The ways in which model providers speak: a dialect turns a request into the script of its answer."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from routeproof_simulator.dialects.anthropic import Anthropic
from routeproof_simulator.dialects.azure import AZURE
from routeproof_simulator.dialects.gemini import Gemini
from routeproof_simulator.dialects.openai import OpenAI
from routeproof_simulator.dialects.openrouter import OPENROUTER
from routeproof_simulator.dialects.persona import Answer, Call, Dialect, Persona
from routeproof_simulator.dialects.variants import Variant
from routeproof_simulator.dialects.vllm import VLLM, VLLM_NESTED

__all__ = ["DIALECTS", "Answer", "Call", "Dialect", "Persona"]

DIALECTS: Final[Mapping[str, Dialect]] = MappingProxyType(
    {
        "openai": OpenAI(),
        "anthropic": Anthropic(),
        "gemini": Gemini(),
        "azure": Variant(AZURE),
        "openrouter": Variant(OPENROUTER),
        "vllm": Variant(VLLM),
        "vllm-nested": Variant(VLLM_NESTED),
    }
)
