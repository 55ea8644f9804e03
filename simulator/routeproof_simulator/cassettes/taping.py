"""What passes through a recorder, one answer at a time, until it is a recording; owns no stream and no clock."""

from __future__ import annotations

from typing import Final, Literal, final

from routeproof_simulator.cassettes.cassette import ANSWER_BYTES_MAX, Chunk, Recording, body_tree
from routeproof_simulator.cassettes.scrubbing import Scrubber, public_target
from routeproof_simulator.received import Received
from routeproof_spec.history import Ended, Headers, first_header

#: Headers of one connection (RFC 9110, section 7.6.1), and the length, which a recording has as a field of its own.
HOP_BY_HOP: Final = frozenset(
    {"connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade", "content-length"}
)

_ENDINGS: Final[dict[Ended, Literal["complete", "cut", "reset"]]] = {
    Ended.COMPLETE: "complete",
    Ended.CUT: "cut",
    Ended.RESET: "reset",
}


@final
class Tape:
    """Takes one answer to *request* down; the *scrubber* knows what must not be in it."""

    def __init__(self, request: Received, scrubber: Scrubber) -> None:
        self.status: int | None = None
        self._request = request
        self._scrubber = scrubber
        self._headers: Headers = ()
        self._head_at = self._last_at = request.at
        self._pieces: list[tuple[float, bytes]] = []
        self._size = 0

    def head(self, status: int, headers: Headers, at: float) -> None:
        """Note the head."""
        self.status, self._headers = status, headers
        self._head_at = self._last_at = at

    def piece(self, data: bytes, at: float) -> None:
        """Note *data* of the body; what is beyond `ANSWER_BYTES_MAX` is counted alone."""
        self._size += len(data)
        if self._size <= ANSWER_BYTES_MAX:
            self._pieces.append((at - self._last_at, data))
        self._last_at = at

    def recording(self, ended: Ended, at: float) -> Recording | None:
        """Return the recording of an answer that ended so, or None where it is too long or did not end by itself."""
        if ended not in _ENDINGS or self._size > ANSWER_BYTES_MAX:
            return None
        request, scrubber = self._request, self._scrubber
        scrubbed = scrubber.scrub_pieces(tuple(data for _, data in self._pieces))
        grown = sum(map(len, scrubbed)) - self._size
        kept = tuple((name, value) for name, value in self._headers if name not in HOP_BY_HOP)
        return Recording(
            method=request.method,
            target=scrubber.scrub_text(public_target(request)),
            request=body_tree(scrubber.scrub(request.body)),
            status=self.status,
            head_after=_rounded(self._head_at - request.at) if self.status is not None else 0.0,
            headers=scrubber.scrub_headers(kept),
            length=self._length(grown),
            chunks=tuple(
                Chunk.of(data, _rounded(after))
                for (after, _), data in zip(self._pieces, scrubbed, strict=True)
                if data or after
            ),
            end_after=_rounded(at - self._last_at),
            ended=_ENDINGS[ended],
        )

    def _length(self, grown: int) -> int | None:
        announced = first_header(self._headers, "content-length")
        is_number = announced is not None and announced.isascii() and announced.isdigit()
        return max(0, int(announced) + grown) if announced is not None and is_number else None


def _rounded(seconds: float) -> float:
    return round(max(0.0, seconds), 6)
