"""The forms that a target has, for checks that ask in all of them at once."""

from __future__ import annotations

from routeproof_conformance.forms import FORMS, Form
from routeproof_conformance.judge.outcome import NotApplicable
from routeproof_conformance.target import Target


def offered(target: Target, forms: tuple[Form, ...] = FORMS, *, at_least: int = 1) -> tuple[Form, ...]:
    """Return those of *forms* that *target* has; raise `NotApplicable` where they are fewer than *at_least*."""
    lacks = {form: target.lacks(form.operation) or (target.lacks("stream") if form.stream else None) for form in forms}
    found = tuple(form for form in forms if lacks[form] is None)
    if len(found) < at_least:
        raise NotApplicable("; ".join(sorted({each for each in lacks.values() if each})))
    return found
