"""What a provider says to a client, less what is not for the client: keys and internal addresses."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final, final

import httpx2

TEXT_CHARS_MAX: Final = 1000
PATH_CHARS_MIN: Final = 5  # of a base URL's path

# Key-like words, masked ones too (OpenAI quotes `sk-ab***yz`, Google's begin with AIza), and whatever follows Bearer.
_KEY = re.compile(r"\bBearer\s+[^\s\"',;]+|\b(?:sk|th|pk|rk|key)-[\w*.\-]{3,}|\bAIza[\w*.\-]{3,}", re.IGNORECASE)
_NUMBERED = r"(?:\d{1,3}\.){3}\d{1,3}|\[[0-9a-f:.]*:[0-9a-f:.]*\]"
_ADDRESS = re.compile(
    rf"(?:https?://)?(?:{_NUMBERED}|localhost|[\w.-]+\.(?:internal|local|svc|lan|cluster))(?::\d+)?(?:/[^\s\"'<>]*)?",
    re.IGNORECASE,
)


@final
class Scrubber:
    """Removes the secrets of these providers from a text, and what looks like one."""

    def __init__(self, *, keys: Iterable[str], base_urls: Iterable[str]) -> None:
        words, paths = {*keys}, set[str]()
        for base_url in base_urls:
            url = httpx2.URL(base_url)
            words |= {base_url, f"{url.host}:{url.port}" if url.port else url.host}
            paths.add(url.path.removesuffix("/v1"))
        longest_first = sorted(filter(None, words), key=len, reverse=True)
        self._own = re.compile("|".join(map(re.escape, longest_first)), re.IGNORECASE)
        # A path may name an account, and errors quote the path that they know. A short one names nobody.
        named = sorted((path for path in paths if len(path) >= PATH_CHARS_MIN), key=len, reverse=True)
        self._paths = re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, named)) or '(?!)'})(?!\w)", re.IGNORECASE)

    def clean(self, text: str) -> str:
        """Return *text* on one line, cut to `TEXT_CHARS_MAX`, with every secret replaced."""
        text = " ".join(text[: 4 * TEXT_CHARS_MAX].split())
        for pattern in (self._own, _KEY, _ADDRESS, self._paths):
            text = pattern.sub("[removed]", text)
        return text[:TEXT_CHARS_MAX]
