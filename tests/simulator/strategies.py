"""Behaviours and scripts at random."""

from __future__ import annotations

from typing import Literal, get_args

from hypothesis import strategies as st

from routeproof_simulator import behaviours as b
from routeproof_simulator.algebra import Behaviour
from routeproof_simulator.script import Place, Script
from tests.simulator.asking import answer, chat, request

seconds = st.floats(min_value=0.0, max_value=100.0)
positive = st.floats(min_value=0.001, max_value=100.0)
counts = st.integers(min_value=0, max_value=20)
words = st.none() | st.text(max_size=20)
places: st.SearchStrategy[Place] = st.sampled_from(get_args(Place))
styles: st.SearchStrategy[Literal["crlf", "comments", "lines", "unspaced"]] = st.sampled_from(
    ("crlf", "comments", "lines", "unspaced")
)
tokens = st.none() | st.text(alphabet=st.characters(min_codepoint=32, max_codepoint=126), max_size=20)

cuts = st.one_of(counts.map(b.cut), places.map(lambda place: b.cut(before=place)), counts.map(lambda n: b.cut(bytes=n)))

atoms: st.SearchStrategy[Behaviour] = st.one_of(
    cuts,
    st.builds(b.latency, seconds),
    st.builds(b.ttft, seconds),
    st.builds(b.pace, positive),
    st.builds(b.slicer, st.integers(1, 50), seconds),
    st.builds(b.drip, positive, st.integers(1, 50)),
    st.builds(
        b.fail,
        st.integers(300, 599),
        retry_after=st.none() | seconds | st.just("Wed, 21 Oct 2015 07:28:00 GMT"),
        message=words,
        code=words,
        body=words,
        content_type=tokens,
    ),
    st.builds(b.empty),
    st.builds(b.answer, st.text(max_size=20)),
    st.builds(b.gzip),
    st.builds(b.insert, counts, text=st.text(max_size=20)),
    styles.map(b.framing),
    st.builds(b.wrong_content_type, st.just("text/plain")),
    st.builds(b.error_in_200, message=words),
    st.builds(b.stream_error, counts, message=words),
    counts.map(b.reset),
    places.map(lambda place: b.reset(before=place)),
    st.builds(b.stall, counts, seconds=st.none() | positive),
    st.builds(b.bad_json, counts),
    st.builds(b.no_done),
    st.builds(b.no_finish),
    st.builds(b.usage, counts, counts),
)

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
