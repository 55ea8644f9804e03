"""The ways in which model providers speak: a dialect turns a request into the script of its answer."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from routeproof_simulator.dialects.openai import OpenAI
from routeproof_simulator.dialects.persona import Answer, Call, Dialect, Persona

__all__ = ["DIALECTS", "Answer", "Call", "Dialect", "Persona"]

DIALECTS: Final[Mapping[str, Dialect]] = MappingProxyType({"openai": OpenAI()})
