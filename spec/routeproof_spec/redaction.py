"""Secrets are redacted when they are recorded, never first when they are shown.

A redacted credential keeps a fingerprint, so that a judge can still tell whose key it was that arrived somewhere.
"""

from __future__ import annotations

import hashlib

from routeproof_spec.history import Headers

#: The headers by which clients show keys to the APIs of providers and of those in front of them.
KEY_HEADERS = frozenset(
    {
        "authorization",
        "api-key",  # Azure
        "x-api-key",  # Anthropic
        "x-goog-api-key",  # Gemini
        "ocp-apim-subscription-key",  # Azure API Management
        "x-amz-security-token",  # Bedrock
        "x-portkey-api-key",
    }
)
SECRET_HEADERS = KEY_HEADERS | {"proxy-authorization", "cookie", "set-cookie"}


def fingerprint(secret: str) -> str:
    """Return `sha256:` and twelve hex digits: enough to compare two keys, not enough to use one."""
    return "sha256:" + hashlib.sha256(secret.encode("utf-8", "surrogateescape")).hexdigest()[:12]


def redact_headers(headers: Headers) -> Headers:
    """Return *headers* with names in lower case and every credential replaced by its fingerprint."""
    return tuple((name.lower(), _redact(name.lower(), value)) for name, value in headers)


def _redact(name: str, value: str) -> str:
    if name not in SECRET_HEADERS:
        return value
    scheme, blank, token = value.partition(" ")
    return f"{scheme} {fingerprint(token)}" if blank else fingerprint(value)
