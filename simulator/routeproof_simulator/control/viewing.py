"""The fleet as the control API shows it."""

from __future__ import annotations

from collections.abc import Mapping

from routeproof_simulator import spelling
from routeproof_simulator.algebra import Behaviour, compose, parts
from routeproof_simulator.control.setting import Setting, setting_of
from routeproof_simulator.control.steering import Steering
from routeproof_simulator.control.views import (
    CastView,
    ChangeView,
    FleetView,
    ProviderView,
    ScenarioView,
)
from routeproof_simulator.journal import Journal
from routeproof_simulator.provider import Provider


def fleet_view(
    providers: Mapping[str, Provider], base_urls: Mapping[str, str], journal: Journal, steering: Steering, *, now: float
) -> FleetView:
    """Return the fleet at *now*."""
    last = steering.last
    return FleetView(
        providers=tuple(provider_view(each, base_urls[name]) for name, each in providers.items()),
        now=now,
        undo=None if last is None else ChangeView(change=last.number, says=last.says),
        schedule=steering.schedule,
        dropped=journal.dropped,
    )


def provider_view(provider: Provider, base_url: str) -> ProviderView:
    """Return *provider*, which is at *base_url*."""
    setting, tally = setting_of(provider), provider.tally
    return ProviderView(
        name=provider.name,
        base_url=base_url,
        models=provider.persona.models,
        behaviour=spelling.encode(setting.behaviour),
        configured=spelling.encode(provider.configured),
        door=setting.door,
        configured_door=provider.configured_door,
        dialect=provider.dialect,
        says=str(setting.behaviour),
        beyond=_beyond(setting.behaviour, provider.configured),
        behaviour_until=setting.behaviour_until,
        door_until=setting.door_until,
        attempts=tally.attempts,
        failed=tally.failed,
        running=tally.running,
    )


def scenario_view(steering: Steering, *, now: float) -> ScenarioView:
    """Return what stands at *now*, and what is next."""
    return ScenarioView(
        providers={name: _cast(setting_of(each)) for name, each in steering.providers.items()},
        schedule=steering.schedule,
        until=steering.schedule_until,
        now=now,
    )


def _cast(setting: Setting) -> CastView:
    return CastView(behaviour=spelling.encode(setting.behaviour), door=setting.door)


def _beyond(behaviour: Behaviour, configured: Behaviour) -> str:
    if behaviour == configured:
        return ""
    done, usual = parts(behaviour), parts(configured)
    return str(compose(*done[len(usual) :]) if done[: len(usual)] == usual else behaviour)
