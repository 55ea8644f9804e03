"""How a request is led to its next attempt, and what a dialect lets the client say about it."""

from __future__ import annotations

from collections.abc import Sequence

from routeproof_conformance.ask import Ask, Link
from routeproof_conformance.expect import Expect
from routeproof_conformance.forms import Form
from routeproof_conformance.gateway import Gateway
from routeproof_conformance.judge.outcome import Fact, NotApplicable, NotDeclared
from routeproof_conformance.observed import Observed
from routeproof_conformance.pools import Pool
from routeproof_conformance.providers import Providers
from routeproof_conformance.target import Target
from routeproof_conformance.vocabulary.faults import Fault


async def failing(gateway: Gateway, providers: Providers, form: Form, fault: Fault, *, links: int) -> Observed:
    """Send a request to a chain of so many *links* whose first provider has *fault*, and return what came of it."""
    chain = gateway.chain(links, form=form)
    await fault.at(providers, chain[0].provider)
    seen = await gateway.send(Ask(form=form, chain=chain))
    if any(each.provider == chain[0].provider and not each.faults for each in seen.attempts):
        raise Fact(f"{chain[0].provider} was asked in a way in which {fault} cannot happen")
    return seen


async def falls_back(gateway: Gateway, providers: Providers, expect: Expect, form: Form, fault: Fault) -> None:
    """Expect that the second provider of a chain serves where the first has *fault*, with one attempt at each."""
    seen = await failing(gateway, providers, form, fault, links=2)
    asked = gateway.chain(2, form=form).providers
    expect.attempts(seen, *(asked if fault.is_seen else asked[1:]))
    expect.success(seen)


async def all_fall_back(
    gateway: Gateway, providers: Providers, expect: Expect, forms: Sequence[Form], fault: Fault
) -> None:
    """Expect the same of all *forms* at once, for a gateway may take its time over *fault*."""
    chains = {form: gateway.chain(2, form=form) for form in forms}
    for name in {chain[0].provider for chain in chains.values()}:
        await fault.at(providers, name)
    seen = await gateway.together([Ask(form=form, chain=chain) for form, chain in chains.items()])
    for one, chain in zip(seen, chains.values(), strict=True):
        expect.attempts(one, *chain.providers)
        expect.success(one)


async def suffering(gateway: Gateway, providers: Providers, form: Form, outage: tuple[Fault, ...]) -> Observed:
    """Send a request to a chain of which every link has its fault of *outage*, and return what came of it."""
    chain = gateway.chain(len(outage), form=form)
    for fault, name in zip(outage, chain.providers, strict=True):
        await fault.at(providers, name)
    return await gateway.send(Ask(form=form, chain=chain))


def told(seen: Observed) -> str:
    """Return the attempts of *seen* in words: who answered what."""
    return " → ".join(f"{each.provider} ({each.status or each.ended})" for each in seen.attempts) or "no attempt"


def require_attempts(seen: Observed, count: int) -> None:
    """Raise `Fact` where fewer than *count* providers were asked: what follows from their failures cannot show then."""
    if len(set(seen.providers)) < count:
        raise Fact(f"the chain was not tried so far that this could show: {told(seen)}")


def expect_alike(expect: Expect, seen: Sequence[Observed]) -> None:
    """The same providers were asked in the same order in all of *seen*."""
    asked = {str(one.ask.form): " → ".join(one.providers) or "nobody" for one in seen if isinstance(one.ask, Ask)}
    actual = "; ".join(f"{form}: {providers}" for form, providers in asked.items())
    expect(len(set(asked.values())) == 1, expected="the same attempts in every form", actual=actual)


def require_list(target: Target, *places: str) -> None:
    """Raise `NotApplicable` where a client of *target* cannot spell a fallback list in one of *places*."""
    if reason := target.lacks("fallback"):
        raise NotApplicable(reason)
    by = target.dialect.fallback.by
    if by not in places:
        raise NotApplicable(f"a client asks for fallback by {by}, not by " + " or ".join(places))


def outsider(target: Target, pool: Pool, form: Form) -> Link:
    """Return a pinned model of a provider that does not offer the model of *pool*."""
    for link in target.pinned(form.operation):
        if link.provider not in pool.providers:
            return link
    raise NotDeclared(f"the target file names no provider in models.pinned outside the pool of {pool.model}")


def require_retry_after(target: Target) -> None:
    """Raise `NotApplicable` where the target declares that it hands no `Retry-After` on."""
    if not target.routing.relays_retry_after:
        raise NotApplicable("the target declares that it hands no Retry-After on")
