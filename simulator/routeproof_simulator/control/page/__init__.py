"""The page at the root of the control API: one file that holds all it needs, put together from its parts."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path
from typing import Final

_PARTS: Final = Path(__file__).parent
_SCRIPTS: Final = ("dom.js", "words.js", "lanes.js", "requests.js", "forms.js", "cards.js", "main.js")


def _read(name: str) -> str:
    return (_PARTS / name).read_text(encoding="utf-8")


def _source(text: str) -> str:
    """Return how Content-Security-Policy names the inline *text* (CSP3, section 2.3.1)."""
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii")
    return f"'sha256-{digest}'"


_STYLE: Final = _read("style.css")
_SCRIPT: Final = '"use strict";\n' + "\n".join(map(_read, _SCRIPTS))

PAGE: Final = _read("page.html").replace("/* style */", _STYLE).replace("/* script */", _SCRIPT).encode()

_REST: Final = "connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
CONTENT_SECURITY_POLICY: Final = (
    "content-security-policy",
    f"default-src 'none'; style-src {_source(_STYLE)}; script-src {_source(_SCRIPT)}; {_REST}",
)
