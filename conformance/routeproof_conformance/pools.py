"""Model names that several providers offer. Each is handed out once: what a gateway learned of one stays with it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import final

from routeproof_conformance.judge.outcome import NotDeclared
from routeproof_conformance.target_file import PoolTable


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """A model name and the providers that offer it; *strategy* is the one it is bound to, or `any`."""

    model: str
    providers: tuple[str, ...]
    cheapest_first: tuple[str, ...]
    strategy: str


@final
class Pools:
    """The pools of a target that no check of the run has used yet."""

    def __init__(self, tables: Iterable[PoolTable]) -> None:
        self._fresh = [(table, name) for table in tables for name in table.names]
        self._shared: dict[tuple[str, int, str, bool], Pool] = {}

    def take(
        self,
        *,
        strategy: str = "any",
        size: int = 2,
        operation: str = "chat",
        priced: bool = False,
        breaker: bool = False,
    ) -> Pool:
        """Return a fresh pool of at least *size* providers; raise `NotDeclared` where none is left.

        A pool that is bound to another strategy does not fit, unless any will do; one of the exact size comes before a
        larger one. With *priced* its order of cost must be declared. With *breaker* a circuit breaker watches over it,
        and else none does.
        """
        fits = [
            (len(table.providers), index)
            for index, (table, _) in enumerate(self._fresh)
            if (table.strategy == strategy or "any" in (table.strategy, strategy))
            and len(table.providers) >= size
            and operation in table.operations
            and (not priced or table.cheapest_first)
            and table.breaker is breaker
        ]
        if not fits:
            watched = ", with breaker = true," * breaker
            wanted = f"fresh pool of {size} providers for {strategy} and {operation}{watched}"
            raise NotDeclared(f"the target file has no {wanted} left: add names to [[models.pools]]")
        table, name = self._fresh.pop(min(fits)[1])
        return Pool(model=name, providers=table.providers, cheapest_first=table.cheapest_first, strategy=table.strategy)

    def shared(self, *, strategy: str = "any", size: int = 2, operation: str = "chat", priced: bool = False) -> Pool:
        """Return one pool to all who ask alike: for a check that depends on nothing that a gateway may have learned."""
        key = (strategy, size, operation, priced)
        if key not in self._shared:
            self._shared[key] = self.take(strategy=strategy, size=size, operation=operation, priced=priced)
        return self._shared[key]
