"""The control API of a fleet, on a port of its own: JSON in, JSON out, played by the same wire as the providers.

What it offers is in `openapi.json`, which `GET /openapi.json` answers; a person has the page at `GET /`.
What is wrong in a request is answered with `{"error": {"message", "found", "wanted", …}}` and changes nothing.
"""

from routeproof_simulator.control.api import Control
from routeproof_simulator.control.pages import PAGE_ATTEMPTS_MAX, JournalPage
from routeproof_simulator.control.views import FleetView, ProviderView

__all__ = ["PAGE_ATTEMPTS_MAX", "Control", "FleetView", "JournalPage", "ProviderView"]
