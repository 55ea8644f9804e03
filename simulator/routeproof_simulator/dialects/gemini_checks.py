"""What the Gemini API refuses although it is spelled well."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from routeproof_simulator.dialects.gemini_errors import RefusedError, invalid
from routeproof_simulator.dialects.gemini_requests import Content, GenerateRequest

_REQUEST: Final = "GenerateContentRequest"
_ROLES: Final = (None, "user", "model", "function")
_JSON: Final = "application/json"


def check(request: GenerateRequest) -> None:
    """Raise `RefusedError` for a request that contradicts itself or says nothing."""
    check_contents(request.contents, _REQUEST)
    config, calling = request.generation_config, request.tool_config.function_calling_config
    schema = config.response_schema is not None or config.response_json_schema is not None
    if schema and config.response_mime_type not in (_JSON, "text/x.enum"):
        message = f"a response schema is only supported with the response mime type `{_JSON}`"
        raise invalid(message, f"{_REQUEST}.generation_config.response_mime_type")
    if request.functions and config.response_mime_type == _JSON:
        raise RefusedError(400, f"Function calling with a response mime type: '{_JSON}' is unsupported")
    if not set(calling.allowed_function_names) <= request.functions.keys():
        message = "allowed_function_names should be a subset of the names of the function_declarations."
        raise invalid(message, f"{_REQUEST}.tool_config.function_calling_config.allowed_function_names")
    if calling.mode == "ANY" and not request.functions:
        message = "Function calling config is set to ANY without function_declarations."
        raise invalid(message, f"{_REQUEST}.tool_config.function_calling_config.mode")


def check_contents(contents: Sequence[Content], request: str) -> None:
    """Raise `RefusedError` for *contents* that are none; *request* is the name of the message that holds them."""
    if not contents:
        raise invalid("contents is not specified", f"{request}.contents")
    before: Content | None = None
    for index, content in enumerate(contents):
        if content.role not in _ROLES:
            raise RefusedError(400, "Please use a valid role: user, model.")
        if not content.parts:
            raise invalid("contents.parts must not be empty.", f"{request}.contents[{index}].parts")
        for number, part in enumerate(content.parts):
            if part.is_empty:
                message = "required oneof field 'data' must have one initialized field"
                raise invalid(message, f"{request}.contents[{index}].parts[{number}].data")
        if content.responses != (before.calls if before is not None else 0):
            message = (
                "Please ensure that the number of function response parts is equal to the number of function call "
                "parts of the function call turn."
            )
            raise RefusedError(400, message)
        before = content
