"""A request that makes a model call a tool."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

#: The fields that ask for a call whose arguments are long enough to come in many pieces.
TOOLS: Final[Mapping[str, object]] = MappingProxyType(
    {
        "tools": [
            {
                "type": "function",
                "function": {
                    "name": "weather",
                    "description": "The weather of a city.",
                    "parameters": {
                        "type": "object",
                        "properties": {
                            "city": {"type": "string"},
                            "days": {"type": "integer"},
                            "unit": {"type": "string", "enum": ["celsius", "fahrenheit"]},
                        },
                        "required": ["city", "days", "unit"],
                    },
                },
            }
        ],
        "tool_choice": "required",
    }
)
