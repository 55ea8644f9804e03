"""What a check is written with: everything that the suite's files import, and nothing else is public."""

from routeproof_conformance.ask import MAIN, MARK, Ask, Chain, Leave, Link, Raw
from routeproof_conformance.dig import dig, fields_of, items_of, parsed, request_json
from routeproof_conformance.evidence import Evidence
from routeproof_conformance.expect import Expect
from routeproof_conformance.forms import (
    CHAT,
    CHAT_STREAM,
    COMPLETION,
    COMPLETION_STREAM,
    EMBEDDING,
    FORMS,
    STREAMS,
    WHOLE,
    Form,
)
from routeproof_conformance.gateway import Gateway
from routeproof_conformance.judge.headers import latency_breach
from routeproof_conformance.judge.outcome import Fact, NotApplicable, NotDeclared, NotTestable
from routeproof_conformance.observed import ErrorBody, Observed
from routeproof_conformance.operating import Operator
from routeproof_conformance.pools import Pool, Pools
from routeproof_conformance.providers import Providers
from routeproof_conformance.target import Target
from routeproof_conformance.trials import Trials
from routeproof_simulator import Door

__all__ = [
    "CHAT",
    "CHAT_STREAM",
    "COMPLETION",
    "COMPLETION_STREAM",
    "EMBEDDING",
    "FORMS",
    "MAIN",
    "MARK",
    "STREAMS",
    "WHOLE",
    "Ask",
    "Chain",
    "Door",
    "ErrorBody",
    "Evidence",
    "Expect",
    "Fact",
    "Form",
    "Gateway",
    "Leave",
    "Link",
    "NotApplicable",
    "NotDeclared",
    "NotTestable",
    "Observed",
    "Operator",
    "Pool",
    "Pools",
    "Providers",
    "Raw",
    "Target",
    "Trials",
    "dig",
    "fields_of",
    "items_of",
    "latency_breach",
    "parsed",
    "request_json",
]
