"""The official client of the OpenAI API, as a gateway sees it on the wire."""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

#: The head that the official Python client sends, for streams too.
HEAD: Final = (
    ("accept", "application/json"),
    ("user-agent", "OpenAI/Python 2.8.1"),
    ("x-stainless-lang", "python"),
    ("x-stainless-package-version", "2.8.1"),
    ("x-stainless-os", "Linux"),
    ("x-stainless-arch", "x64"),
    ("x-stainless-runtime", "CPython"),
    ("x-stainless-runtime-version", "3.12.7"),
    ("x-stainless-async", "false"),
    ("x-stainless-retry-count", "0"),
    ("x-stainless-read-timeout", "600"),
)

#: What it adds to the body of its own accord, by operation.
BODY: Final = MappingProxyType({"embeddings": {"encoding_format": "base64"}})
