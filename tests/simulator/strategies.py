"""Behaviours and scripts at random: every behaviour that can be spelled, with attributes as their types allow."""

from __future__ import annotations

import math
from dataclasses import MISSING, fields
from types import NoneType
from typing import Annotated, Any, Final, Literal, get_args, get_origin

from hypothesis import strategies as st

from routeproof_simulator import behaviours as b
from routeproof_simulator.algebra import BY_NAME, Behaviour, Chance, First
from routeproof_simulator.ranges import Range, Words, hints_of
from routeproof_simulator.script import Script
from tests.simulator.asking import answer, chat, request

NUMBER_MAX: Final = 1_000.0  # what is larger only makes the tests slow

printable = st.characters(min_codepoint=32, max_codepoint=126)


def attribute(hint: Any) -> st.SearchStrategy[Any]:
    """Return the values of an attribute of type *hint*."""
    plain: dict[Any, st.SearchStrategy[Any]] = {
        NoneType: st.none(),
        bool: st.booleans(),
        Behaviour: st.deferred(_atoms),
    }
    if hint in plain:
        return plain[hint]
    kind, *rest = get_args(hint)
    origin = get_origin(hint)
    if origin is Literal:
        return st.sampled_from([kind, *rest])
    if origin is tuple:
        return st.lists(attribute(kind), max_size=5).map(tuple)
    return _ruled(kind, *rest) if origin is Annotated else st.one_of(attribute(kind), *map(attribute, rest))


def _atoms() -> st.SearchStrategy[Behaviour]:
    return atoms


def _ruled(kind: type[object], rule: Range | Words) -> st.SearchStrategy[Any]:
    if isinstance(rule, Words):
        return st.text(alphabet=printable, max_size=20) if rule.is_printable else st.text(max_size=20)
    low, high = max(rule.low, -NUMBER_MAX), min(rule.high, NUMBER_MAX)
    return st.integers(math.ceil(low), int(high)) if kind is int else st.floats(low + 0.001 * rule.above, high)


def any_of(kind: type[Behaviour], /, **more: st.SearchStrategy[Any]) -> st.SearchStrategy[Behaviour]:
    """Return behaviours of *kind*, *more* attributes as said here, those left out that may be."""
    wanted = {name: attribute(hint) for name, hint in hints_of(kind).items()} | more
    required = {field.name for field in fields(kind) if field.default is MISSING} | set(more)
    return st.fixed_dictionaries(
        {name: each for name, each in wanted.items() if name in required},
        optional={name: each for name, each in wanted.items() if name not in required},
    ).map(lambda values: kind(**values))


def placed(kind: type[Behaviour], /, **more: Any) -> st.SearchStrategy[Behaviour]:
    """Return behaviours of *kind*, which sets in at exactly one place."""
    none: dict[str, st.SearchStrategy[Any]] = dict.fromkeys(("frames", "before", "bytes"), st.none())
    places = {name: attribute(get_args(hints_of(kind)[name])[0]) for name in none}
    return st.one_of(*(any_of(kind, **none | {name: place} | more) for name, place in places.items()))


def _pairs(high: float = 100.0) -> st.SearchStrategy[list[float]]:
    return st.lists(st.floats(0.1, high), min_size=2, max_size=2).map(sorted)


#: Those whose attributes hang together.
_SPECIAL: Final[dict[type[Behaviour], st.SearchStrategy[Behaviour]]] = {
    b.cut: placed(b.cut),
    b.reset: placed(b.reset),
    b.stall: placed(b.stall),
    b.insert: placed(b.insert),
    b.fail: st.one_of(
        any_of(b.fail, status=st.integers(300, 599), kind=st.none(), retry_after_date=st.none()),
        any_of(b.fail, status=st.none(), retry_after=st.none(), kind=st.sampled_from(["html_502", "overloaded"])),
    ),
    b.wrong_content_length: st.integers(1, 99).map(b.wrong_content_length),
    b.latency: _pairs().map(lambda pair: b.latency(pair[1], jitter=pair[0])),
    b.latency_from: _pairs().map(lambda pair: b.latency_from(tuple(pair))),
    b.speed: _pairs().map(lambda pair: b.speed(pair[0], pair[1], 60.0)),
    b.self_hosted: _pairs().map(lambda pair: b.self_hosted(gap_min=pair[0], gap_max=pair[1])),
    b.rate_limit: st.builds(b.rate_limit, rpm=st.integers(1, 100), tpm=st.none() | st.integers(1, 10_000)),
    First: st.builds(b.first, st.integers(0, 3), st.deferred(_atoms)),
    Chance: st.builds(b.chance, st.floats(0.0, 1.0), st.deferred(_atoms)),
    b.flap: st.deferred(_atoms).map(lambda inner: b.flap(9.0, 3.0, inner)),
}


def named(name: str) -> st.SearchStrategy[Behaviour]:
    """Return the behaviours of that *name*."""
    kind = BY_NAME[name]
    return _SPECIAL[kind] if kind in _SPECIAL else any_of(kind)


_INNER: Final = {"first", "chance", "flap"}

cuts = named("cut")
atoms: st.SearchStrategy[Behaviour] = st.one_of(*(named(name) for name in sorted(BY_NAME) if name not in _INNER))
chains = st.lists(atoms, max_size=4).map(lambda parts: b.compose(*parts))


def _nested(inner: st.SearchStrategy[Behaviour]) -> st.SearchStrategy[Behaviour]:
    return st.one_of(
        st.builds(b.first, st.integers(0, 3), inner),
        st.builds(b.chance, st.floats(min_value=0.0, max_value=1.0), inner),
        st.builds(_both, inner, inner),
    )


def _both(left: Behaviour, right: Behaviour) -> Behaviour:
    return left | right


any_behaviour: st.SearchStrategy[Behaviour] = st.deferred(lambda: chains | _nested(chains) | _nested(_nested(chains)))

scripts: st.SearchStrategy[Script] = st.sampled_from(
    [
        answer(request(chat())).script,
        answer(request(chat(stream=True))).script,
        answer(request(chat(stream=True, n=2, stream_options={"include_usage": True}))).script,
        answer(request(chat(), key="wrong")).script,
    ]
)
