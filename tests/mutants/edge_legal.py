"""Right but different gateways: the true reference behind an edge that changes only what no requirement fixes."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import msgspec

from tests.mutants.edge import Asked, Json, Told, edged, telling


def words_errors_otherwise() -> None:
    """Every error but a refused key has other words, another code, and members beside those that are promised."""

    def edit(tree: Json) -> None:
        tree["error"] |= {
            "message": f"Sorry! {tree['error']['message']}",
            "code": "e_17",
            "param": None,
            "hint": "Ask us.",
        }
        tree["request"] = 17

    telling(edit, where=lambda told, _: told.status >= 400 and told.status != 401)


def says_more_than_it_must() -> None:
    """Answers bear headers and members that nobody asked for, in another order, and with blanks between them."""

    def tells(told: Told, asked: Asked) -> Told:
        told = told.having("server", "another/1.0").having("vary", "accept").having("x-cache", "miss")
        if told.json and not told.is_stream:
            kind, tree = told.header("content-type"), {**told.json, "aa_extra": {"cost": 0.1}}
            told = told.saying(dict(sorted(tree.items()))).having("content-type", f"{kind}; charset=utf-8")
            return replace(told, body=msgspec.json.format(told.body, indent=2))
        return told.edited(lambda tree: tree.update(extra=asked.path)) if told.json else told

    edged(tells=tells)


def frames_in_chunks() -> None:
    """Whole answers have no content-length."""
    edged(tells=lambda told, _: told.having("content-length", None))


def names_provider_and_model() -> None:
    """The answer's model is named with its provider."""

    def tells(told: Told, _: Asked) -> Told:
        provider = told.header("x-inferoute-provider")
        return (
            told.edited(lambda tree: tree.update(model=f"{provider}/{tree['model']}")) if "model" in told.json else told
        )

    edged(tells=tells)


def asks_for_keys_at_length() -> None:
    """A refusal names its realm and another scheme too."""
    long = 'Basic realm="a, b", Bearer realm="gateway", error="invalid_token"'
    edged(tells=lambda told, _: told.having("www-authenticate", long) if told.status == 401 else told)


LEGAL: Final = {
    each.__name__: each
    for each in (
        words_errors_otherwise,
        says_more_than_it_must,
        frames_in_chunks,
        names_provider_and_model,
        asks_for_keys_at_length,
    )
}
