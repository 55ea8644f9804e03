"""The query of a request, read strictly."""

from __future__ import annotations

from typing import final
from urllib.parse import parse_qs

from routeproof_simulator.control.replies import Refusal

KEYS_MAX = 32


@final
class Query:
    """What stands after the question mark; of a key that is given twice the last counts.

    Every method raises `Refusal` for what is wrong.
    """

    def __init__(self, text: str) -> None:
        try:
            self._values = parse_qs(text, keep_blank_values=True, max_num_fields=KEYS_MAX)
        except ValueError:
            raise Refusal(400, "The query is too long.", found="more", wanted=f"at most {KEYS_MAX} keys") from None

    def known(self, *names: str) -> None:
        """Refuse every key that is not one of *names*."""
        unknown = sorted(self._values.keys() - set(names))
        if unknown:
            wanted = ", ".join(names) or "no query"
            raise Refusal(400, "The query has an unknown key.", found=unknown[0] or "an empty one", wanted=wanted)

    def text(self, name: str) -> str | None:
        """Return the value of *name*, or None where it is not given."""
        return self._values[name][-1] if name in self._values else None

    def whole(self, name: str) -> int | None:
        """Return *name* as a whole number that is not negative."""
        value = self.text(name)
        if value is None:
            return None
        if not (value.isascii() and value.isdigit() and len(value) < 16):
            raise self._wrong(name, value, "a sequence number, 0 or more")
        return int(value)

    def seconds(self, name: str, *, most: float) -> float | None:
        """Return *name* as a number of seconds from 0 to *most*."""
        value = self.text(name)
        if value is None:
            return None
        try:
            seconds = float(value)
        except ValueError:
            seconds = -1.0
        if not 0 <= seconds <= most:
            raise self._wrong(name, value, f"0 to {most:g} seconds")
        return seconds

    def one_of(self, name: str, *values: str) -> str | None:
        """Return *name*, one of *values*."""
        value = self.text(name)
        if value is not None and value not in values:
            raise self._wrong(name, value, " or ".join(values))
        return value

    def _wrong(self, name: str, found: str, wanted: str) -> Refusal:
        return Refusal(400, f"The query's '{name}' is wrong.", found=found or "nothing", wanted=wanted)
