"""Bytes that are almost right: what is good, changed in a few places by chance. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from random import Random

#: What parsers stumble over.
TOKENS: Sequence[bytes] = (
    *(b"\r\n", b"\n", b"\r", b"\0", b" ", b"\t", b":", b",", b";", b"\r\n\r\n", b"\r\n ", b"\xff\xfe", b"\x80", b"%00"),
    *(
        b"%0d%0a",
        b"HTTP/1.1",
        b"HTTP/1.0",
        b"HTTP/2.0",
        b"http://a/",
        b"*",
        b"../",
        b"//",
        b"?",
        b"#",
        b"\xf0\x9f\x98\x80",
    ),
    *(b"Transfer-Encoding: chunked\r\n", b"Transfer-Encoding: gzip, chunked\r\n", b"Content-Length: 0\r\n"),
    *(b"Content-Length: 7\r\n", b"Content-Length: 99999999999999999999\r\n", b"Content-Length: -1\r\n"),
    *(b"Expect: 100-continue\r\n", b"Upgrade: h2c\r\n", b"Connection: close\r\n", b"Connection: upgrade\r\n"),
    *(b"Content-Encoding: gzip\r\n", b"Content-Encoding: br\r\n", b"Host: b\r\n", b"Retry-After: -1\r\n"),
    *(
        b"Retry-After: 99999999999999999999\r\n",
        b"Retry-After: Mon, 99 Foo 9999 99:99:99 GMT\r\n",
        b"Set-Cookie: a=b\r\n",
    ),
    *(b"Location: http://127.0.0.1:1/v1\r\n", b"0\r\n\r\n", b"1\r\na\r\n", b"ffffffffffffffff\r\n", b"5;a=b\r\n"),
    *(b"null", b"true", b"[]", b"{}", b'""', b"-0", b"1e999", b"9" * 400, b"[" * 3000, b'{"a":' * 3000, b'"', b"\\"),
    *(b"\\u0000", b"\\ud800", b"\\r\\nX-Injected: yes", b"data: ", b"data: [DONE]\n\n", b"event: error\n", b"id: \0\n"),
    *(b": \n\n", b"\xef\xbb\xbf", b'{"error":{"message":"x"}}', b'"choices":[]', b'"choices":null', b"x" * 20_000),
)


def mutated(rng: Random, good: bytes) -> bytes:
    """Return *good* with one to six changes."""
    data = good
    for _ in range(rng.choice((1, 1, 1, 2, 2, 3, 6))):
        data = rng.choice(_CHANGES)(rng, data)
    return data


def pieces(rng: Random, data: bytes) -> Sequence[bytes]:
    """Return *data* in up to three pieces."""
    cuts = sorted(rng.randrange(len(data) + 1) for _ in range(rng.choice((0, 0, 0, 1, 2))))
    ends = [0, *cuts, len(data)]
    return [data[begin:end] for begin, end in pairwise(ends) if begin < end]


def _span(rng: Random, data: bytes) -> tuple[int, int]:
    begin = rng.randrange(len(data) + 1)
    return begin, min(len(data), begin + rng.choice((1, 1, 2, 8, 64)))


def _insert(rng: Random, data: bytes) -> bytes:
    at, _ = _span(rng, data)
    return data[:at] + rng.choice(TOKENS) + data[at:]


def _replace(rng: Random, data: bytes) -> bytes:
    begin, end = _span(rng, data)
    return data[:begin] + rng.choice(TOKENS) + data[end:]


def _delete(rng: Random, data: bytes) -> bytes:
    begin, end = _span(rng, data)
    return data[:begin] + data[end:]


def _repeat(rng: Random, data: bytes) -> bytes:
    begin, end = _span(rng, data)
    return data[:end] + data[begin:end] * rng.choice((1, 2, 50)) + data[end:]


def _flip(rng: Random, data: bytes) -> bytes:
    at, end = _span(rng, data)
    return data[:at] + bytes(byte ^ (1 << rng.randrange(8)) for byte in data[at:end]) + data[end:]


def _cut(rng: Random, data: bytes) -> bytes:
    return data[: _span(rng, data)[0]]


def _line_twice(rng: Random, data: bytes) -> bytes:
    lines = data.split(b"\r\n")
    at = rng.randrange(len(lines))
    lines.insert(rng.randrange(len(lines) + 1), lines[at])
    return b"\r\n".join(lines)


_CHANGES: Sequence[Callable[[Random, bytes], bytes]] = (
    *(_insert, _insert, _replace, _replace, _delete, _repeat, _flip, _flip, _cut, _line_twice),
)
