"""Requests off the wire: bytes in, requests out, within limits. Owns no stream.

httptools is several times faster; h11, which is Python alone, reads where httptools cannot be had. The tests hold both
to one contract.
"""

from importlib.util import find_spec
from typing import TYPE_CHECKING

if TYPE_CHECKING or find_spec("httptools") is not None:
    from routeproof_simulator.wire.reading_httptools import HttptoolsReader as Reader
else:
    from routeproof_simulator.wire.reading_h11 import H11Reader as Reader

__all__ = ["Reader"]
