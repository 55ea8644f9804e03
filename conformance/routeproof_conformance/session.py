"""Keys under which pytest's own objects carry ours."""

from __future__ import annotations

import pytest

from routeproof_conformance.case import Case

#: The check that an item runs.
CASE: pytest.StashKey[Case] = pytest.StashKey()
