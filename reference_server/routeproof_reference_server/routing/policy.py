"""What an operator decides about learning and about leaving alone: two tables of the configuration."""

from __future__ import annotations

from typing import Annotated, TypeAlias

import msgspec

from routeproof_reference_server.routing.strategy import Strategy

_Seconds: TypeAlias = Annotated[float, msgspec.Meta(gt=0)]
_Share: TypeAlias = Annotated[float, msgspec.Meta(ge=0, le=1)]
_Count: TypeAlias = Annotated[int, msgspec.Meta(ge=1)]


class RoutingConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a provider is chosen where the client does not say, and what `latency` and `availability` learn by."""

    default_strategy: Strategy = Strategy.COST  # where a request names none
    # Finagle's peak EWMA decays over 10 s.
    half_life: _Seconds = 10.0  #: seconds after which an observation weighs half
    # Finagle's success rate looks back 30 s.
    forget_after: _Seconds = 30.0  #: seconds after which an observation is none
    # Hystrix sleeps for 5 s.
    cooldown: _Seconds = 5.0  #: seconds during which a provider that failed is tried last
    # Vowpal Wabbit explores with epsilon 0.05.
    exploration: Annotated[float, msgspec.Meta(ge=0, le=0.5)] = 0.05  # share of requests that look at another
    # The official OpenAI clients wait at most 8 s before they try again. In the manner of the error penalty of gRPC's
    # weighted round robin: what fails fast must not look fast.
    failure_cost: Annotated[float, msgspec.Meta(ge=0)] = 8.0  #: seconds that a failure counts for


class BreakerConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When a deployment is not asked any more, for how long, and how it comes back."""

    # Envoy's consecutive_5xx and Finagle's failure accrual: 5.
    failures: _Count = 5  # in a row trip
    # Hystrix' errorThresholdPercentage and resilience4j's failureRateThreshold: 50 %.
    failure_share: Annotated[float, msgspec.Meta(gt=0, le=1)] = 0.5  # trips, once there are enough observations
    # Hystrix' requestVolumeThreshold: 20.
    observations_min: _Count = 20  # by their weight, so that old ones count less
    # Finagle marks dead for 5 s at first, Hystrix sleeps for 5 s.
    cooldown: _Seconds = 5.0  #: seconds that the first trip lasts; each further one twice as long as the one before
    # resilience4j's waitDurationInOpenState: 60 s.
    cooldown_max: _Seconds = 60.0  #: seconds
    # gRPC jitters its connection backoff by 0.2. Here it only adds, so that `cooldown` is a promise.
    jitter: _Share = 0.2  # share of a cool-down that chance may add to it
    # Hystrix and Finagle let one request through.
    probes: _Count = 1  # that may be under way when the cool-down is over, and that must succeed
    # The official OpenAI clients obey a Retry-After of up to 120 s.
    retry_after_max: _Seconds = 120.0  #: seconds that a provider's Retry-After is obeyed at most

    def __post_init__(self) -> None:
        """Refuse a cap below what it caps; raises `ValueError`."""
        if self.cooldown > self.cooldown_max:
            raise ValueError(f"a cooldown_max of at least the cooldown, {self.cooldown:g}")
