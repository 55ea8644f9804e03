"""What holds for every test of the project."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

# How long an example takes says how busy the machine is, not whether the law holds. In CI the examples are the same in
# every run, so that red always means the change; everywhere else they are new each time.
settings.register_profile(
    "routeproof",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    derandomize=bool(os.environ.get("CI")),
    print_blob=True,
)
settings.load_profile("routeproof")
