"""How many requests may be under way at once, and what one more is told."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Final, final

import trio

from routeproof_reference_server.errors import GatewayError
from routeproof_reference_server.headers import RETRY_AFTER

RETRY_AFTER_SECONDS: Final = 1  # a place is free again as soon as any request ends


@final
class Admission:
    """Has *requests_max* places; who finds none free waits *wait* seconds for one, in the order of coming."""

    def __init__(self, *, requests_max: int, wait: float) -> None:
        self._places = trio.CapacityLimiter(requests_max)
        self._wait = wait

    @property
    def taken(self) -> int:
        """How many requests are under way."""
        return self._places.borrowed_tokens

    @asynccontextmanager
    async def place(self) -> AsyncGenerator[None]:
        """Hold a place for the length of the block; raises `GatewayError` (503) where none becomes free in time."""
        holder = object()
        try:
            self._places.acquire_on_behalf_of_nowait(holder)
        except trio.WouldBlock:
            with trio.move_on_after(self._wait) as patience:
                await self._places.acquire_on_behalf_of(holder)
            if patience.cancelled_caught:
                text = f"There are {self._places.total_tokens:g} requests under way already."
                raise GatewayError("overloaded", text, headers={RETRY_AFTER: str(RETRY_AFTER_SECONDS)}) from None
        try:
            yield
        finally:
            self._places.release_on_behalf_of(holder)
