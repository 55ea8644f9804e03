"""Whether a body fits a schema of the contract, by a validator that is not the gateway's."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Protocol, cast

import jsonschema

from routeproof_conformance.dig import dig
from routeproof_conformance.expect import Expect
from routeproof_conformance.forms import Form
from routeproof_spec.contract import Operation, load_contract


def operation_of(form: Form) -> Operation:
    """Return the contract's operation that *form* asks for."""
    return next(each for each in load_contract().operations.values() if each.path == form.path)


def answer_schema(form: Form) -> str:
    """Return the name of the schema of a whole answer to *form*, or of one piece of a streamed answer."""
    operation = operation_of(form)
    schema = operation.event if form.stream else operation.response
    return str(dig(schema, "title"))


def conform(expect: Expect, value: object, schema: str, what: str) -> None:
    """Raise `Violation` unless *value* fits the contract's *schema*; the sentence says where in *what* it does not."""
    flaw = min(_validator(schema).iter_errors(value), key=lambda each: list(map(str, each.absolute_path)), default=None)
    found = "" if flaw is None else f"at {flaw.json_path}: {flaw.message[:300]}"
    expect(flaw is None, expected=f"{what} that fits the contract's schema {schema}", actual=found)


class _Validator(Protocol):
    """A validator of jsonschema, whose own types know no plain object."""

    def iter_errors(self, instance: object) -> Iterable[jsonschema.ValidationError]: ...


@cache
def _validator(name: str) -> _Validator:
    return cast("_Validator", jsonschema.Draft202012Validator(load_contract().schema(name)))
