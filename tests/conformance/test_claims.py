import pytest

from routeproof_conformance.judge.outcome import NotTestable
from routeproof_conformance.vocabulary.claims import claimed, claimed_latency, named
from tests.conformance.observing import JSON, observed


def test_a_claim_is_what_the_header_says() -> None:
    seen = observed(headers=(("x-inferoute-provider", "alpha"), ("x-inferoute-latency-ms", "12")))
    assert (claimed(seen, "provider"), claimed_latency(seen)) == ("alpha", "12")


def test_truth_of_a_missing_header_is_not_testable_and_no_second_breach() -> None:
    with pytest.raises(NotTestable, match=r"no provider header \(headers: content-type\)"):
        claimed(observed(headers=JSON), "provider")


@pytest.mark.parametrize("headers", [(), (("x-inferoute-latency-ms", "12.5"),)])
def test_truth_of_a_latency_that_is_no_whole_number_is_not_testable(headers: tuple[tuple[str, str], ...]) -> None:
    with pytest.raises(NotTestable, match=r"no latency_ms header|'12\.5', which is no"):
        claimed_latency(observed(headers=headers))


def test_headers_are_named_in_words() -> None:
    assert named(observed(headers=(("server", "a"), ("vary", "b")))) == "headers: server, vary"
    assert named(observed(headers=())) == "headers: none"
