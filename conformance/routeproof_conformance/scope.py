"""Which checks a run judges: by profile, by what is known of the target, and by what it promises. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from routeproof_conformance.target import Target
from routeproof_spec.requirement import Needs, Requirement


@dataclass(frozen=True, slots=True, kw_only=True)
class InScope:
    """The check is run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OutOfScope:
    """The run leaves the check out, and says why."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Unpromised:
    """The check does not apply to this target."""

    reason: str


def scope(
    requirements: Sequence[Requirement],
    *,
    capabilities: Sequence[str],
    is_two_sided: bool,
    target: Target,
    profiles: Sequence[str] = (),
    asked: Sequence[str] = (),
) -> InScope | OutOfScope | Unpromised:
    """Return whether a check of *requirements* that needs *capabilities* is judged, and why not.

    *is_two_sided* is a check that steers the providers, though a URL be enough for what it requires. Empty *profiles*,
    and an empty list of requirements *asked* for, leave nothing out.
    """
    if asked and not any(each.id in asked for each in requirements):
        return OutOfScope(reason="the requirements " + ", ".join(asked) + " were asked for")
    if profiles and not any(each.profile in profiles for each in requirements):
        return OutOfScope(reason="the profiles " + ", ".join(profiles) + " were asked for")
    is_two_sided = is_two_sided or any(each.needs is Needs.PROVIDERS for each in requirements)
    if is_two_sided and not target.is_two_sided:
        return OutOfScope(reason="it needs the providers behind the gateway: give a target file with [providers]")
    reasons = [target.dialect.unpromised(each.id) for each in requirements]
    if reasons and all(reasons):
        return Unpromised(reason=reasons[0] or "")
    for capability in capabilities:
        if reason := target.lacks(capability):
            return Unpromised(reason=reason)
    return InScope()
