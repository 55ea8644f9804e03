"""TLS in front of the wire: a fleet's certificates, good and bad, and a stream that ends as HTTP needs it to."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, final

import trio

from routeproof_simulator.door_states import Door

HANDSHAKE_SECONDS_MAX: Final = 60.0
FAREWELL_SECONDS_MAX: Final = 0.1  # to tell a peer that may not be reading that the stream ends

_WRONG_NAME: Final = "wrong-name.test"  # RFC 2606 keeps `.test` for such


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Certificates:
    """What the providers of a fleet show, by door, and the authority that vouches for it."""

    ca_pem: str
    contexts: Mapping[Door, ssl.SSLContext]


def issue_certificates(host: str) -> Certificates:
    """Return new certificates for a fleet at *host*, which is reached at localhost and at the loopback addresses too.

    Every one of them is the authority's own, so that a client that trusts it has one reason alone to object.
    """
    # Only a fleet with TLS pays for the import, which takes longer than the start of one without.
    import trustme  # noqa: PLC0415

    authority = trustme.CA()
    names = dict.fromkeys((host, "localhost", "127.0.0.1", "::1"))
    yesterday = datetime.now(UTC) - timedelta(days=1)
    shown = {
        Door.OPEN: authority.issue_cert(*names),
        Door.TLS_EXPIRED: authority.issue_cert(*names, not_after=yesterday),
        Door.TLS_WRONG_NAME: authority.issue_cert(_WRONG_NAME),
    }
    contexts: dict[Door, ssl.SSLContext] = {}
    for door, certificate in shown.items():
        contexts[door] = context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.set_alpn_protocols(["http/1.1"])
        # Half of its type is that of a library that it can do without.
        certificate.configure_cert(context)  # pyright: ignore[reportUnknownMemberType]
    return Certificates(ca_pem=authority.cert_pem.bytes().decode("ascii"), contexts=contexts)


@final
class TLSStream(trio.abc.HalfCloseableStream):
    """The server's end of TLS over *transport*."""

    def __init__(self, transport: trio.abc.HalfCloseableStream, context: ssl.SSLContext) -> None:
        self.transport = transport
        self._tls = trio.SSLStream(transport, context, server_side=True)

    async def do_handshake(self) -> None:
        """Agree on the keys; raise `trio.BrokenResourceError` where the peer will not, or speaks something else."""
        await self._tls.do_handshake()

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        """Return the next bytes, or none at the end."""
        return await self._tls.receive_some(max_bytes)

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Send *data*."""
        await self._tls.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        """Wait until there is room in flight."""
        await self._tls.wait_send_all_might_not_block()

    async def send_eof(self) -> None:
        """Close this direction of the transport, as HTTP servers do: the answer's own length says that it was whole."""
        await self.transport.send_eof()

    async def aclose(self) -> None:
        """Close in order, with the notice that clients need to tell an end from a cut (RFC 8446, section 6.1)."""
        # Cancelled, too: the wire closes by force whatever it has done with.
        with (
            suppress(trio.ClosedResourceError),  # a reset has closed the transport already
            trio.CancelScope(deadline=trio.current_time() + FAREWELL_SECONDS_MAX, shield=True),
        ):
            await self._tls.aclose()
