"""The network in memory as the HTTP client dials it: its own connections and pool run above, unchanged."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import final

import httpcore2
import trio

from routeproof_simulator.world.network import MemoryNetwork, MemoryStream


@final
class MemoryDialling(httpcore2.AsyncNetworkBackend):
    """Dials *network* by host name; there is no TLS. For whatever takes a network backend of httpcore2."""

    def __init__(self, network: MemoryNetwork) -> None:
        self._network = network

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[object] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        """Connect; the errors are those of httpcore2's own backends."""
        del local_address, socket_options  # there is one interface, and no socket
        try:
            with trio.fail_after(math.inf if timeout is None else timeout):
                return _Stream(await self._network.connect(host, port))
        except trio.TooSlowError as error:
            raise httpcore2.ConnectTimeout("no connection in time") from error
        except OSError as error:
            raise httpcore2.ConnectError(str(error)) from error

    async def sleep(self, seconds: float) -> None:
        """Sleep on Trio's clock."""
        await trio.sleep(seconds)


@final
class _Stream(httpcore2.AsyncNetworkStream):
    def __init__(self, stream: MemoryStream) -> None:
        self._stream = stream

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        try:
            with trio.fail_after(math.inf if timeout is None else timeout):
                return await self._stream.receive_some(max_bytes)
        except trio.TooSlowError as error:
            raise httpcore2.ReadTimeout("no bytes in time") from error
        except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
            raise httpcore2.ReadError(str(error)) from error

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        if not buffer:
            return
        try:
            with trio.fail_after(math.inf if timeout is None else timeout):
                await self._stream.send_all(buffer)
        except trio.TooSlowError as error:
            raise httpcore2.WriteTimeout("the bytes were not taken in time") from error
        except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
            raise httpcore2.WriteError(str(error)) from error

    async def aclose(self) -> None:
        await self._stream.aclose()

    def get_extra_info(self, info: str) -> object:
        return self._stream.is_readable if info == "is_readable" else None
