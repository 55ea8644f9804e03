"""Requests that every gateway refuses by itself, each wrong in one way; without its flaw the same request is served."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from routeproof_conformance.ask import MARK, Ask, Raw, Request
from routeproof_conformance.forms import CHAT, CHAT_STREAM, COMPLETION, COMPLETION_STREAM, Form
from routeproof_conformance.gateway import Gateway
from routeproof_conformance.judge.outcome import NotTestable
from routeproof_conformance.observed import Observed
from routeproof_conformance.target import Target

JSON_TYPE: Final = (("content-type", "application/json"),)

#: The field that each operation cannot do without.
REQUIRED: Final = MappingProxyType({"chat": "messages", "completions": "prompt", "embeddings": "input"})

#: The forms whose parameters have a range that the contract's pages state.
RANGED: Final = (CHAT, CHAT_STREAM, COMPLETION, COMPLETION_STREAM)

#: Bodies that are no JSON (RFC 8259), by what is wrong with them.
NOT_JSON: Final = MappingProxyType(
    {
        "a body that breaks off": b'{"model": "any", "text": "%b"' % MARK.encode(),
        "a body of words": b"Say hello. " + MARK.encode(),
        "a body with a comma too many": b'{"text": "%b",}' % MARK.encode(),
        "two values in one body": b'{"text": "%b"}{}' % MARK.encode(),
        "a body that is not UTF-8": b'{"text": "\xff\xfe %b"}' % MARK.encode(),
        "an empty body": b"",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A request that is wrong, how it is wrong, and the status that it is due."""

    flaw: str
    status: int
    request: Request


def refusals(form: Form, target: Target) -> Iterator[Refusal]:
    """Yield a request in *form* for every refusal that needs nothing but the gateway."""
    field = REQUIRED[form.operation]
    broken = Raw(method="POST", path=form.path, headers=JSON_TYPE, body=NOT_JSON["a body that breaks off"])
    yield Refusal(flaw="a body that is not JSON", status=400, request=broken)
    yield Refusal(flaw=f"no {field}", status=400, request=Ask(form=form, without=(field,)))
    yield Refusal(flaw="no key", status=401, request=Ask(form=form, key=None))
    yield Refusal(flaw="an unknown model", status=404, request=Ask(form=form, model=target.models.unknown))
    if form in RANGED:
        yield Refusal(flaw="a temperature of 3", status=422, request=Ask(form=form, body={"temperature": 3}))


async def refused(gateway: Gateway, form: Form, target: Target) -> Sequence[tuple[Refusal, Observed]]:
    """Return what came of every refusal in *form* that was one; raise `NotTestable` where none was.

    Some gateways leave a body to the provider, and some say it with another status: that is for other checks to judge.
    """
    seen = [(refusal, await gateway.send(refusal.request)) for refusal in refusals(form, target)]
    errors = [(refusal, each) for refusal, each in seen if each.status is not None and each.status >= 400]
    if not errors:
        raise NotTestable(f"no request for {form} was refused, however wrong")
    return errors
