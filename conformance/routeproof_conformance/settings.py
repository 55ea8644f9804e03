"""What a run was asked for, and the target that it means."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Final, final

import msgspec

from routeproof_conformance.target import Target, load_target, url_target
from routeproof_spec.errors import ConfigError
from routeproof_spec.requirement import PROFILES, get_requirement


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The options of a run; *report* is the folder that takes the report, None: none is written."""

    url: str = ""
    target: Path | None = None
    profiles: tuple[str, ...] = ()
    requirements: tuple[str, ...] = ()  # ids: the checks of these alone; empty: of all
    report: Path | None = None
    key_env: str = ""
    dialect: str = ""  # for a URL alone; empty: its answers tell
    model: str = ""  # for a URL alone; empty: its list tells
    seed: int = 0


#: pytest's options that make up the settings, without their dashes.
OPTIONS: Final = (
    "gateway-url",
    "target",
    "profile",
    "requirement",
    "report",
    "key-env",
    "dialect",
    "model",
    "seed",
)


def from_options(options: Mapping[str, object]) -> Settings:
    """Return the settings that pytest's *options* mean."""
    given = msgspec.convert({name.replace("-", "_"): value for name, value in options.items()}, _Options)
    return Settings(
        url=given.gateway_url,
        target=Path(given.target) if given.target else None,
        profiles=given.profile,
        requirements=given.requirement,
        report=Path(given.report) if given.report else None,
        key_env=given.key_env,
        dialect=given.dialect,
        model=given.model,
        seed=given.seed,
    )


class _Options(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    gateway_url: str
    target: str
    profile: tuple[str, ...]
    requirement: tuple[str, ...]
    report: str
    key_env: str
    dialect: str
    model: str
    seed: int


def resolve(settings: Settings, *, environ: Mapping[str, str]) -> Target:
    """Return the target that *settings* mean; raise `RouteproofError` where an option or the file is wrong."""
    for profile in settings.profiles:
        if profile not in PROFILES:
            near = difflib.get_close_matches(profile, PROFILES, n=1)
            wanted = f"'{near[0]}'" if near else "one of " + ", ".join(PROFILES)
            raise ConfigError(file="--profile", key="", found=repr(profile), wanted=wanted)
    for requirement in settings.requirements:
        get_requirement(requirement)
    if settings.url and not settings.url.startswith(("http://", "https://")):
        wanted = "a base URL that begins with http:// or https://"
        raise ConfigError(file=settings.url, key="", found="another beginning", wanted=wanted)
    rng = Random(f"{settings.seed}/keys")
    if settings.target is not None:
        _refuse_beside_a_file(settings)
        return load_target(settings.target, environ=environ, rng=rng, base_url=settings.url)
    return url_target(
        settings.url,
        environ=environ,
        rng=rng,
        key_env=settings.key_env,
        dialect=settings.dialect,
        model=settings.model,
    )


def _refuse_beside_a_file(settings: Settings) -> None:
    """Raise `ConfigError` for an option that speaks of a URL alone."""
    for option, given, key in (
        ("--dialect", settings.dialect, "[dialect] name"),
        ("--model", settings.model, "[models] chat"),
    ):
        if given:
            raise ConfigError(file=option, key="", found="a target file beside it", wanted=f"{key} in that file")
