from __future__ import annotations

from datetime import UTC, datetime
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routeproof_reference_server.retry_after import RETRY_AFTER_MAX, retry_after

NOW = 1_800_000_000.0
NO_YEAR = "Mon, 01 Jan 99999999999999999999 00:00:00 GMT"
NO_ZONE = "Mon, 01 Jan 2029 00:00:00 +999999999999999999"


def at(seconds: float) -> str:
    return format_datetime(datetime.fromtimestamp(NOW + seconds, UTC), usegmt=True)


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, None),
        ({"retry-after": "0"}, 0),
        ({"retry-after": "7"}, 7),
        ({"retry-after": "1.2"}, 2),
        ({"retry-after": "-1"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": ""}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "inf"}, RETRY_AFTER_MAX),
        ({"retry-after": "999999999"}, RETRY_AFTER_MAX),
        ({"retry-after-ms": "976", "retry-after": "60"}, 1),
        ({"retry-after-ms": "x", "retry-after": "60"}, 60),
        ({"retry-after": at(30)}, 30),
        ({"retry-after": at(-30)}, 0),
        ({"retry-after": at(30), "date": at(-10)}, 40),
        ({"retry-after": at(30), "date": "yesterday"}, 30),
        ({"retry-after": NO_YEAR}, None),
        ({"retry-after": NO_ZONE}, None),
        ({"retry-after": at(30), "date": NO_YEAR}, 30),
        ({"retry-after": at(30), "date": NO_ZONE}, 30),
    ],
)
def test_what_a_provider_asks_for_is_read_in_seconds(headers: dict[str, str], expected: int | None) -> None:
    assert retry_after(headers, NOW) == expected


NUMBERS = st.integers(-1, 10**24).map(str)
DATES = st.builds("Mon, {} Jan {} {}:00:00 {}".format, NUMBERS, NUMBERS, NUMBERS, NUMBERS.map("+{}".format))
SEEMING_DATES = st.sampled_from(["Mon, 01 Jan {} 00:00:00 GMT", "Mon, 01 Jan 2029 00:00:00 +{}"])
VALUES = st.text() | DATES | st.builds(str.format, SEEMING_DATES, NUMBERS)


@given(VALUES, VALUES)
def test_no_header_breaks_the_reader(value: str, date: str) -> None:
    found = retry_after({"retry-after": value, "date": date}, NOW)
    assert found is None or 0 <= found <= RETRY_AFTER_MAX
