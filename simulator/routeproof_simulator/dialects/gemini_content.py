"""`:generateContent` and `:streamGenerateContent`: from a request to the whole answer, or to the pieces of its stream.

Source: the Gemini API reference, v1beta. Whole and stream say the same, token for token, and count the same usage. The
call of a function is never parted: it comes in one piece, its arguments as an object.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec
from msgspec import Struct

from routeproof_simulator import text
from routeproof_simulator.dialects.completion import Choice, Tool, Wish, by_turns, choose
from routeproof_simulator.dialects.gemini_requests import Content, FunctionDeclaration, GenerateRequest
from routeproof_simulator.dialects.openai_said import quoted
from routeproof_simulator.dialects.persona import Persona
from routeproof_simulator.script import Kind

DEPTH_MAX: Final = 32  # of a schema; deeper, it stands as it is

_ANY_OBJECT: Final[dict[str, Any]] = {"type": "object", "properties": {"text": {"type": "string"}}}
_FINISH: Final[Mapping[str, str]] = {"stop": "STOP", "tool_calls": "STOP", "length": "MAX_TOKENS"}
_COUNTS: Final = frozenset({"minItems", "maxItems", "minLength", "maxLength", "minProperties", "maxProperties"})

_encode: Final = msgspec.json.Encoder().encode


class Said(Struct, frozen=True, kw_only=True):
    """A completion and what identifies it."""

    id: str
    model: str
    choices: tuple[Choice, ...]
    prompt_tokens: int
    completion_tokens: int  # of all candidates together

    def usage(self) -> dict[str, object]:
        """Return what the answer cost."""
        return {**usage(self.prompt_tokens, self.completion_tokens), **_details(self.prompt_tokens)}

    def envelope(self) -> bytes:
        """Return the fields that stand behind the candidates and the usage, as JSON."""
        return b',"modelVersion":' + quoted(self.model) + b',"responseId":' + _encode(self.id) + b"}"


def say(request: GenerateRequest, model: str, persona: Persona, marker: str) -> tuple[Choice, ...]:
    """Return what *persona* answers to *request*, one choice for each candidate."""
    config = request.generation_config
    wish = Wish(
        seeds=(persona.seed, model, marker),
        provider=persona.name,
        tokens=persona.tokens,
        tokens_max=config.max_output_tokens,
        stop=tuple(config.stop_sequences),
        tool=_tool(request),
        schema=_schema(request),
    )
    return tuple([choose(wish, index) for index in range(config.candidate_count or 1)])


def prompt_tokens(request: GenerateRequest) -> int:
    """Return how many tokens a request counts for: four for each content, and its text."""
    system = [request.system_instruction] if request.system_instruction is not None else []
    return contents_tokens([*system, *request.contents])


def contents_tokens(contents: list[Content]) -> int:
    """Return how many tokens *contents* count for."""
    return 4 * len(contents) + sum([text.count_tokens(each.text) for each in contents])


def whole(said: Said) -> bytes:
    """Return the body of a whole answer."""
    candidates = [_candidate(choice, _parts(choice), choice.finish) for choice in said.choices]
    return b'{"candidates":' + _encode(candidates) + b',"usageMetadata":' + _encode(said.usage()) + said.envelope()


def pieces(said: Said) -> Iterator[tuple[bytes, Kind]]:
    """Yield the JSON of each piece of a stream: content by turns of the candidates, then why each of them ends.

    Every piece counts the prompt; the last one counts all.
    """
    begun = {"promptTokenCount": said.prompt_tokens, "totalTokenCount": said.prompt_tokens}
    end = b'],"usageMetadata":' + _encode({**begun, **_details(said.prompt_tokens)}) + said.envelope()
    texts = [choice for choice in said.choices if choice.tool is None]
    if len(texts) == 1:
        middle = b'}],"role":"model"},"index":' + str(texts[0].index).encode() + b"}" + end
        for piece in texts[0].tokens:
            yield b'{"candidates":[{"content":{"parts":[{"text":' + quoted(piece) + middle, Kind.CONTENT
    else:
        for choice, piece in by_turns(texts):
            yield b'{"candidates":[' + _encode(_candidate(choice, [{"text": piece}])) + end, Kind.CONTENT
    for choice in said.choices:
        if choice.tool is not None:
            yield b'{"candidates":[' + _encode(_candidate(choice, _parts(choice))) + end, Kind.CONTENT
    last = b'],"usageMetadata":' + _encode(said.usage()) + said.envelope()
    for choice in said.choices:
        closing = last if choice is said.choices[-1] else end
        yield b'{"candidates":[' + _encode(_candidate(choice, [{"text": ""}], choice.finish)) + closing, Kind.FINISH


def usage(prompt: int, completion: int) -> dict[str, object]:
    """Return the counts of a usage object."""
    return {
        "promptTokenCount": prompt,
        "candidatesTokenCount": completion,
        "totalTokenCount": prompt + completion,
    }


def _details(prompt: int) -> dict[str, object]:
    return {"promptTokensDetails": [{"modality": "TEXT", "tokenCount": prompt}]}


def _candidate(choice: Choice, parts: list[dict[str, Any]], finish: str | None = None) -> dict[str, Any]:
    candidate: dict[str, Any] = {"content": {"parts": parts, "role": "model"}}
    if finish is not None:
        candidate["finishReason"] = _FINISH[finish]
    return {**candidate, "index": choice.index}


def _parts(choice: Choice) -> list[dict[str, Any]]:
    if choice.tool is None:
        return [{"text": choice.text}]
    if choice.finish == "length":
        return []  # half a call is no call
    return [{"functionCall": {"name": choice.tool, "args": msgspec.json.decode(choice.text)}}]


def _tool(request: GenerateRequest) -> Tool | None:
    """Return the function to call: the first that is allowed, unless none is to be, or the client has just run one."""
    calling = request.tool_config.function_calling_config
    known = request.functions
    allowed = [known[name] for name in calling.allowed_function_names if name in known] or list(known.values())
    if not allowed or calling.mode == "NONE":
        return None
    if calling.mode != "ANY" and request.contents and request.contents[-1].responses:
        return None
    return Tool(name=allowed[0].name, parameters=_parameters(allowed[0]))


def _parameters(function: FunctionDeclaration) -> dict[str, Any]:
    if function.parameters is not None:
        return _json_schema(function.parameters, 0)
    return function.parameters_json_schema or _ANY_OBJECT


def _schema(request: GenerateRequest) -> dict[str, Any] | None:
    config = request.generation_config
    if config.response_mime_type not in ("application/json", "text/x.enum"):
        return None
    if config.response_schema is not None:
        return _json_schema(config.response_schema, 0)
    return config.response_json_schema or _ANY_OBJECT


def _json_schema(schema: dict[str, Any], depth: int) -> dict[str, Any]:
    """Return a schema of Google's as a JSON Schema: types in lower case, counts as numbers, names in camel case."""

    def inner(value: object) -> object:
        try:
            schema = msgspec.convert(value, dict[str, Any])
        except msgspec.ValidationError:
            return value
        return _json_schema(schema, depth + 1) if depth < DEPTH_MAX else value

    plain: dict[str, Any] = {}
    for snake, value in schema.items():
        first, *rest = snake.split("_")
        match first + "".join(map(str.capitalize, rest)):
            case "type" if isinstance(value, str):
                plain["type"] = value.lower()
            case "properties" if isinstance(value, dict):
                properties = msgspec.convert(value, dict[str, Any])
                plain["properties"] = {name: inner(each) for name, each in properties.items()}
            case "anyOf" if isinstance(value, list):
                plain["anyOf"] = [inner(each) for each in msgspec.convert(value, list[Any])]
            case name if name in _COUNTS and isinstance(value, str) and value.isdigit():
                plain[name] = int(value)
            case name:
                plain[name] = inner(value)
    return plain
