"""Request bodies, held to the contract's schemas, which are compiled once.

The contract's table says whether a keyword that fails makes the body malformed (400) or a value out of range (422);
where several fail the smaller status is answered, for a body that is not understood cannot be judged.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

import jsonschema_rs
import msgspec

from routeproof_reference_server.errors import GatewayError, echoed
from routeproof_reference_server.headers import STRATEGY
from routeproof_reference_server.routing.catalogue import AUTO
from routeproof_spec.contract import Operation, load_contract
from routeproof_spec.errors import NOT_JSON

_ROWS = load_contract()
_FIELDS = msgspec.json.Decoder(dict[str, msgspec.Raw])


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """A request's body: its fields as the client spelled them, and the two that the gateway reads."""

    fields: Mapping[str, msgspec.Raw]
    model: str
    stream: bool

    def addressed_to(self, model: str) -> bytes:
        """Return the body byte for byte as it came, but for the model's name."""
        return msgspec.json.encode({**self.fields, "model": model})


@final
class BodyReader:
    """Reads the bodies of one operation."""

    def __init__(self, operation: Operation) -> None:
        assert operation.request is not None
        self._validator = jsonschema_rs.validator_for(operation.request)
        self._model_is_optional = operation.model_optional_with_header

    def read(self, data: bytes, *, strategy_is_given: bool) -> Body:
        """Return the body in *data*; raise `GatewayError` (400, 422) that names the place and what is wanted there."""
        try:
            tree: Any = msgspec.json.decode(data)
        except NOT_JSON as error:
            raise GatewayError("malformed_request", f"The body is not valid JSON: {error}.") from error
        if not self._validator.is_valid(tree):
            raise _refusal(list(self._validator.iter_errors(tree)))
        if "model" not in tree and not (strategy_is_given and self._model_is_optional):
            wanted = f"model is missing; it is required where no {STRATEGY} header is given."
            raise GatewayError("malformed_request", wanted, param="model")
        return Body(fields=_FIELDS.decode(data), model=tree.get("model", AUTO), stream=tree.get("stream") is True)


def _refusal(errors: Sequence[jsonschema_rs.ValidationError]) -> GatewayError:
    worst = min(errors, key=lambda error: _ROWS.validation.get(error.kind.name, 400))
    row = "malformed_request" if _ROWS.validation.get(worst.kind.name, 400) == 400 else "out_of_range"
    place = echoed(_spelled(worst.instance_path))
    return GatewayError(row, f"{place or 'The body'}: {echoed(worst.message)}.", param=place or None)


def _spelled(path: Sequence[str | int]) -> str:
    """Return *path* as people write it: `messages[0].content`."""
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path).removeprefix(".")
