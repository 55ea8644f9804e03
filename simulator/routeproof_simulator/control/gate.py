"""Who may ask: the control API knows no password, so it answers no page of another site.

Rule 1. `Host` is an address, or a name without a dot: `localhost`, or what a container is called by its neighbours. A
        site that lets its own name point at this machine (DNS rebinding) has its name there, which has a dot.
Rule 2. `Origin`, which browsers send with whatever changes something, is the one that `Host` names.
Rule 3. A body is `application/json`: no form of another site can send that without asking first, and such asking
        (a preflight) is not answered.
Rule 4. What a page of another site loads as a picture or a script (`Sec-Fetch-Site`) is refused; a link to here is not.
"""

from __future__ import annotations

import ipaddress
import re

from routeproof_simulator.control.replies import Refusal
from routeproof_simulator.received import Received

_HOST = re.compile(r"(?:\[(?P<v6>[0-9A-Fa-f:.]+)\]|(?P<name>[^:\[\]]+))(?::\d{1,5})?")


def check(request: Received) -> None:
    """Raise `Refusal` unless *request* comes from a program, or from this API's own page."""
    host, origin = request.header("host"), request.header("origin")
    if host is not None and not _is_ours(host):
        wanted = "an IP address, or a name without a dot: ask by one of them, as http://127.0.0.1"
        raise Refusal(403, "The Host is a name that could be anybody's.", found=host[:200], wanted=wanted)
    if origin is not None and origin not in (f"http://{host}", f"https://{host}"):
        wanted = f"http://{host}, or none: only this API's own page and programs may ask"
        raise Refusal(403, "The request comes from a page of another site.", found=origin[:200], wanted=wanted)
    if request.header("sec-fetch-site") == "cross-site" and request.header("sec-fetch-mode") != "navigate":
        wanted = "this API's own page, a link to it, or a program"
        raise Refusal(403, "A page of another site loads this.", found="Sec-Fetch-Site: cross-site", wanted=wanted)
    kind = (request.header("content-type") or "").partition(";")[0].strip().lower()
    if request.body and kind != "application/json":
        found = kind[:200] or "no content-type"
        wanted = "the header Content-Type: application/json"
        raise Refusal(415, "The body is not said to be JSON.", found=found, wanted=wanted)


def _is_ours(host: str) -> bool:
    match = _HOST.fullmatch(host)
    if match is None:
        return False
    try:
        ipaddress.ip_address(match["v6"] or match["name"])
    except ValueError:
        return match["name"] is not None and "." not in match["name"]
    return True
