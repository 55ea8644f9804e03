"""Paths, framing, and what passes through unread."""

from __future__ import annotations

import gzip
import zlib
from typing import Final

import pytest

from routeproof_conformance.api import (
    CHAT,
    FORMS,
    MARK,
    STREAMS,
    WHOLE,
    Ask,
    Contract,
    Expect,
    Form,
    Gateway,
    NotApplicable,
    Observed,
    Providers,
    Raw,
    Target,
    parsed,
    fields_of,
    request_json,
)
from routeproof_conformance.vocabulary import client
from routeproof_conformance.vocabulary.parameters import GROUPS, additions, changes, groups
from routeproof_conformance.vocabulary.refusals import refusals
from routeproof_conformance.vocabulary.shape import answer_schema, conform

MODELS: Final = Raw(method="GET", path="/models")
NOWHERE: Final = "/routeproof/no-such-path"

#: Every form with every group of parameters that it takes.
SETTINGS: Final = [pytest.param(form, name, id=f"{form}-{name}") for form in FORMS for name in groups(form)]
