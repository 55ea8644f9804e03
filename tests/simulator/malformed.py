"""Requests as bytes, well-formed and not: what one reader takes for one request, and another could take for two."""

from __future__ import annotations


def head(start: str = "POST / HTTP/1.1", *lines: str, host: str = "host: alpha") -> bytes:
    return "".join(f"{line}\r\n" for line in (start, host, *lines, "")).encode("latin-1")


def post(body: bytes, *lines: str) -> bytes:
    return head("POST /v1/models?a=b HTTP/1.1", f"Content-Length: {len(body)}", *lines) + body


CHUNKED = head("POST / HTTP/1.1", "transfer-encoding: chunked")
OLD = head("GET / HTTP/1.0", host="accept: */*")


MALFORMED = {
    "another protocol": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "no method": b" / HTTP/1.1\r\n\r\n",
    "a method in small letters": b"get / HTTP/1.1\r\nhost: a\r\n\r\n",
    "a tab for a space": b"GET\t/ HTTP/1.1\r\nhost: a\r\n\r\n",
    "a space at the end": b"GET / HTTP/1.1 \r\nhost: a\r\n\r\n",
    "no such version": b"GET / HTTP/11.1\r\nhost: a\r\n\r\n",
    "a path that is no ASCII": "GET /é HTTP/1.1\r\nhost: a\r\n\r\n".encode(),
    "no colon": head("GET / HTTP/1.1", "nothing"),
    "no name": head("GET / HTTP/1.1", ": a"),
    "a quoted name": head("GET / HTTP/1.1", '"x": a'),
    "a NUL in a name": head("GET / HTTP/1.1", "x\0: a"),
    "a NUL in a value": head("GET / HTTP/1.1", "x: a\0b"),
    "a control character": head("GET / HTTP/1.1", "x: a\x01b"),
    "a length that is none": head("POST / HTTP/1.1", "content-length: x"),
    "no host": b"GET / HTTP/1.1\r\naccept: */*\r\n\r\n",
}

#: Each ends in what another reader could take for a request of its own.
SMUGGLED = b"GET /smuggled HTTP/1.1\r\nhost: alpha\r\n\r\n"
SMUGGLING = {
    "a length and chunks": head("POST / HTTP/1.1", "content-length: 5", "transfer-encoding: chunked") + b"0\r\n\r\n",
    "chunks and a length": head("POST / HTTP/1.1", "transfer-encoding: chunked", "content-length: 5") + b"0\r\n\r\n",
    "chunks in HTTP/1.0 and a length": head("POST / HTTP/1.0", "content-length: 4", "transfer-encoding: chunked"),
    "two lengths": head("POST / HTTP/1.1", "content-length: 0", "content-length: 40"),
    "one length twice": head("POST / HTTP/1.1", "content-length: 0", "content-length: 0"),
    "a list of lengths": head("POST / HTTP/1.1", "content-length: 0, 0"),
    "a length with a sign": head("POST / HTTP/1.1", "content-length: +0"),
    "a negative length": head("POST / HTTP/1.1", "content-length: -1"),
    "a length in hexadecimal": head("POST / HTTP/1.1", "content-length: 0x0"),
    "a length with a space": head("POST / HTTP/1.1", "content-length: 4 0"),
    "an empty length": head("POST / HTTP/1.1", "content-length:"),
    "a folded line": head("POST / HTTP/1.1", "x: a", " content-length: 40", "content-length: 0"),
    "folded chunks": head("POST / HTTP/1.1", "transfer-encoding:", " chunked") + b"0\r\n\r\n",
    "a first line that is folded": head("POST / HTTP/1.1", host=" host: a"),
    "line feeds alone": b"POST / HTTP/1.1\nhost: a\ncontent-length: 0\n\n",
    "one line feed alone": b"POST / HTTP/1.1\r\nhost: a\ncontent-length: 0\r\n\r\n",
    "a line feed for the end": b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\n",
    "a carriage return alone": b"POST / HTTP/1.1\r\nhost: a\rcontent-length: 0\r\n\r\n",
    "a space before the colon": head("POST / HTTP/1.1", "content-length : 0"),
    "a tab before the colon": head("POST / HTTP/1.1", "transfer-encoding\t: chunked") + b"0\r\n\r\n",
    "an unknown coding": head("POST / HTTP/1.1", "transfer-encoding: xchunked") + b"0\r\n\r\n",
    "a coding that is none": head("POST / HTTP/1.1", "transfer-encoding: identity"),
    "chunks, but not last": head("POST / HTTP/1.1", "transfer-encoding: chunked, identity") + b"0\r\n\r\n",
    "chunks twice": head("POST / HTTP/1.1", *["transfer-encoding: chunked"] * 2) + b"0\r\n\r\n",
    "chunks behind a vertical tab": head("POST / HTTP/1.1", "transfer-encoding: \x0bchunked") + b"0\r\n\r\n",
    "a chunk of no size": CHUNKED + b"\r\n\r\n",
    "a chunk of g bytes": CHUNKED + b"g\r\n\r\n",
    "a chunk of -1 bytes": CHUNKED + b"-1\r\n\r\n",
    "a chunk of 0x1 bytes": CHUNKED + b"0x1\r\na\r\n0\r\n\r\n",
    "a chunk too large to count": CHUNKED + b"1" + b"0" * 24 + b"\r\na",
    "a chunk that is longer than it says": CHUNKED + b"1\r\nabc\r\n0\r\n\r\n",
    "a chunk that ends in a line feed": CHUNKED + b"1\na\r\n0\r\n\r\n",
    "a line feed in an extension": CHUNKED + b"1;a\nb\r\na\r\n0\r\n\r\n",
    "a trailer that is none": CHUNKED + b"0\r\nx y\r\n\r\n",
    "two hosts": head("GET / HTTP/1.1", "host: beta"),
}
