"""Server-sent events: bytes in, events out, wherever the bytes are split (WHATWG event-stream format)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from routeproof_spec.errors import RemoteProtocolError

EVENT_BYTES_MAX = 4 * 2**20  # a line or an event beyond this is an attack or a defect, not an answer

DONE = "[DONE]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One dispatched event: its data lines joined by newlines, and its type where one was named."""

    data: str
    type: str = "message"


class SSEDecoder:
    """Turn bytes into events. Owns no socket, so that every split of the bytes can be tested.

    Comments, CRLF, CR, multi-line data and `data:` without a blank are legal. Raises `RemoteProtocolError` for a line
    beyond `EVENT_BYTES_MAX` and for bytes that are not UTF-8.
    """

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._searched = 0  # bytes of the buffer known to hold no line end: keeps a drip linear
        self._data: list[str] = []
        self._data_bytes = 0
        self._type = ""
        self._skip_newline = False  # a CR was the buffer's last byte: a LF that follows belongs to it
        self._at_start = True
        self.comments = 0  # how many comment lines have passed

    def feed(self, data: bytes) -> Iterator[Event]:
        """Take *data* in and yield the events that it completes."""
        self._buffer += data
        while (line := self._next_line()) is not None:
            event = self._take(line)
            if event is not None:
                yield event

    @property
    def is_clean(self) -> bool:
        """Whether nothing is left over: no half line, no event without its blank line."""
        return not self._buffer and not self._data

    def _next_line(self) -> bytes | None:
        buffer = self._buffer
        if self._skip_newline and buffer:
            self._skip_newline = False
            if buffer[0] == 0x0A:
                del buffer[0]
        lf = buffer.find(b"\n", self._searched)
        cr = buffer.find(b"\r", self._searched, lf if lf >= 0 else len(buffer))
        end = cr if cr >= 0 else lf
        if end < 0:
            self._searched = len(buffer)
            if len(buffer) > EVENT_BYTES_MAX:
                raise RemoteProtocolError(f"an event-stream line is longer than {EVENT_BYTES_MAX} bytes")
            return None
        line = bytes(buffer[:end])
        self._skip_newline = buffer[end] == 0x0D
        del buffer[: end + 1]
        self._searched = 0
        return line

    def _take(self, line: bytes) -> Event | None:
        try:
            text = line.decode("utf-8")
        except UnicodeDecodeError as error:
            raise RemoteProtocolError("an event-stream line is not UTF-8", offending=line) from error
        if self._at_start:
            text = text.removeprefix("\ufeff")
            self._at_start = False
        if not text:
            return self._dispatch()
        name, _, value = text.partition(":")
        value = value.removeprefix(" ")
        if not name:
            self.comments += 1
        elif name == "data":
            self._data_bytes += len(line)
            if self._data_bytes > EVENT_BYTES_MAX:
                raise RemoteProtocolError(f"an event is longer than {EVENT_BYTES_MAX} bytes")
            self._data.append(value)
        elif name == "event":
            self._type = value
        return None

    def _dispatch(self) -> Event | None:
        data, kind = self._data, self._type
        self._data, self._type, self._data_bytes = [], "", 0
        return Event(data="\n".join(data), type=kind or "message") if data else None
