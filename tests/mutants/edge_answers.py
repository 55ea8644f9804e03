"""Wrong at the edge: which model serves, for whom, and what its answer says; one rule each."""

from __future__ import annotations

import base64
import struct
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Final

from routeproof_reference_server.routing import Ask, Capability, Catalogue, Deployment, Route, Router
from routeproof_reference_server.routing.catalogue import UNRESTRICTED
from tests.mutants.breaks import Break
from tests.mutants.edge import Asked, Json, Told, asking, edged, in_choices, patch, spoilt, telling

_EMBEDDINGS: Final = "/v1/embeddings"
_MODELS: Final = "/v1/models"

# Models


def _in_entries(edit: Callable[[Json], object]) -> None:
    telling(lambda tree: [edit(entry) for entry in tree["data"]], where=lambda _, asked: asked.path == _MODELS)


def lists_models_bare() -> None:
    """The model list has no envelope of the right kind."""
    telling(lambda tree: tree.update(object="models"), where=lambda _, asked: asked.path == _MODELS)


def lists_no_owner() -> None:
    """An entry does not say whose model it is."""
    _in_entries(lambda entry: entry.pop("owned_by"))


def lists_capabilities_as_words() -> None:
    """Capabilities are a list of words, not booleans."""
    _in_entries(lambda entry: entry.update(capabilities=[name for name, able in entry["capabilities"].items() if able]))


def retrieves_less_than_it_lists() -> None:
    """A model that is retrieved has less in its entry than in the list."""

    telling(lambda tree: tree.pop("context_window", None), where=lambda _, asked: asked.path.startswith(_MODELS + "/"))


def loses_escaped_slashes() -> None:
    """An id is looked up as it stands in the path, escapes and all."""
    edged(tells=lambda told, asked: spoilt(told, 404, "not_found_error") if "%2f" in asked.path.lower() else told)


def retrieves_anything() -> None:
    """A model that is not listed is retrieved all the same."""

    def tells(told: Told, asked: Asked) -> Told:
        if told.status != 404 or not asked.path.startswith(_MODELS + "/"):
            return told
        return replace(told, status=200).saying({"id": asked.path.rpartition("/")[2], "object": "model"})

    edged(tells=tells)


def _renaming(rename: Callable[[str], str]) -> None:
    def asks(asked: Asked) -> Asked:
        name = asked.json.get("model")
        return asked.saying(model=rename(name)) if isinstance(name, str) and rename(name) != name else asked

    edged(asks=asks)


def unpins_models() -> None:
    """A provider-prefixed name is taken for the model, whoever offers it."""
    _renaming(lambda name: name.rpartition("/")[2])


def serves_by_a_stranger() -> None:
    """A short name is served by a provider that does not offer the model."""
    _renaming(lambda name: "gamma/multi" if name.startswith("pair-") else name)


def serves_a_tier_by_its_second() -> None:
    """A tier is served by another model than its best."""
    _renaming(lambda name: "second" if name == "premium" else name)


def knows_no_auto() -> None:
    """`auto` is no model."""
    _renaming(lambda name: "nothing" if name == "auto" else name)


def wants_a_model_always() -> None:
    """A strategy without a model is refused."""
    asking(lambda asked: asked.having("x-inferoute-strategy", None), where=lambda asked: "model" not in asked.json)


def chooses_unasked() -> None:
    """Where neither a model nor a strategy is named, the gateway chooses."""
    asking(lambda asked: asked.saying(model="auto"), where=lambda asked: asked.json and "model" not in asked.json)


def serves_unknown_models() -> None:
    """An unknown model is served by another one."""
    _renaming(lambda name: "multi" if name == "no-such-model" else name)


def minds_no_case() -> None:
    """A model's name is known in any letter case."""
    _renaming(str.lower)


def minds_no_capability() -> None:
    """A model is chosen whatever it can do."""
    true_resolve = Catalogue.resolve

    def resolve(self: Catalogue, name: str, capability: Capability, *more: Any) -> tuple[Deployment, ...]:
        able = Capability if name == "auto" else [capability]
        return tuple(dict.fromkeys(one for each in able for one in true_resolve(self, name, each, *more)))

    patch(Catalogue, "resolve", resolve)


def names_the_alias() -> None:
    """The answer's model is the alias that was asked for."""

    def tells(told: Told, asked: Asked) -> Told:
        name = asked.json.get("model")
        is_alias = name in ("auto", "premium") and "model" in told.json
        return told.edited(lambda tree: tree.update(model=name)) if is_alias else told

    edged(tells=tells)


# Keys


def _asking_the_router(change: Callable[[Ask], Ask]) -> None:
    true_open = Router.open

    def open_route(self: Router, ask: Ask) -> Route:
        return true_open(self, change(ask))

    patch(Router, "open", open_route)


def ignores_the_keys_provider() -> None:
    """A key that is restricted to a provider may use all."""
    _asking_the_router(lambda ask: replace(ask, restriction=replace(ask.restriction, providers=None)))


def ignores_restriction_in_fallbacks() -> None:
    """A key's restriction counts for nothing where fallback is asked for."""
    _asking_the_router(lambda ask: replace(ask, restriction=UNRESTRICTED) if ask.fallback else ask)


# Bodies


def miscounts_the_total() -> None:
    """The total is not the sum of its parts."""
    telling(lambda tree: tree["usage"].update(total_tokens=1), where=lambda told, _: told.json.get("usage"))


def leaves_out_created() -> None:
    """An answer does not say when it was made."""
    telling(lambda tree: tree.pop("created"), where=lambda told, _: "created" in told.json)


def gives_no_finish_reason() -> None:
    """A choice does not say why it ended."""
    edged(tells=in_choices(lambda choice: choice.pop("finish_reason", None)))


def keeps_the_providers_id() -> None:
    """The id of a chunk is not the gateway's."""
    telling(lambda tree: tree.update(id="chatcmpl-1"), where=lambda told, _: "choices" in told.json)


def ignores_n() -> None:
    """One choice is given however many were asked for."""
    telling(lambda tree: tree["choices"].__delitem__(slice(1, None)), where=lambda told, _: "choices" in told.json)


def strips_the_text() -> None:
    """The text of an answer is tidied up."""

    def edit(choice: Json) -> None:
        for holder, name in ((choice, "text"), (choice.get("message", {}), "content")):
            if isinstance(holder.get(name), str):
                holder[name] = holder[name].replace("  ", " ").strip() + "."

    edged(tells=in_choices(edit))


def tells_every_finish_as_stop() -> None:
    """Every answer ends with `stop`."""
    edged(tells=in_choices(lambda choice: choice.update(finish_reason=choice["finish_reason"] and "stop")))


def drops_refusals() -> None:
    """A refusal does not reach the client."""
    edged(tells=in_choices(lambda choice: choice.get("message", {}).pop("refusal", None)))


def _in_vectors(edit: Callable[[Json], object]) -> None:
    def where(told: Told, asked: Asked) -> bool:
        return asked.path == _EMBEDDINGS and "data" in told.json

    telling(lambda tree: [edit(entry) for entry in tree["data"]], where=where)


def numbers_vectors_from_one() -> None:
    """The first vector has the index 1."""
    _in_vectors(lambda entry: entry.update(index=entry["index"] + 1))


def takes_no_tokens() -> None:
    """Tokens are no input."""

    def tells(told: Told, asked: Asked) -> Told:
        given = asked.json.get("input")
        is_tokens = isinstance(given, list) and not isinstance(given[0], str)
        return spoilt(told, 400, "invalid_request_error") if is_tokens else told

    edged(tells=tells)


def rounds_vectors() -> None:
    """The numbers of a vector are rounded."""

    def edit(entry: Json) -> None:
        vector: list[float] | str = entry["embedding"]
        entry["embedding"] = vector if isinstance(vector, str) else [round(each, 4) for each in vector]

    _in_vectors(edit)


def packs_vectors_in_the_wrong_order() -> None:
    """The floats in base64 are big-endian."""

    def edit(entry: Json) -> None:
        if isinstance(entry["embedding"], str):
            data = base64.b64decode(entry["embedding"])
            numbers = struct.unpack(f"<{len(data) // 4}f", data)
            entry["embedding"] = base64.b64encode(struct.pack(f">{len(numbers)}f", *numbers)).decode()

    _in_vectors(edit)


ANSWERS: Final[Sequence[Break]] = (
    Break(requirement="models.list.envelope", apply=lists_models_bare),
    Break(requirement="models.list.entry", apply=lists_no_owner),
    Break(requirement="models.list.capabilities", apply=lists_capabilities_as_words),
    Break(requirement="models.retrieve.known", apply=retrieves_less_than_it_lists),
    Break(requirement="models.retrieve.slash", apply=loses_escaped_slashes),
    Break(requirement="models.retrieve.unknown", apply=retrieves_anything),
    Break(requirement="models.name.pinned", apply=unpins_models),
    Break(requirement="models.name.short", apply=serves_by_a_stranger),
    Break(requirement="models.name.tier", apply=serves_a_tier_by_its_second),
    Break(requirement="models.name.auto", apply=knows_no_auto),
    Break(requirement="models.name.omitted", apply=wants_a_model_always),
    Break(requirement="models.name.required", apply=chooses_unasked),
    Break(requirement="models.name.unknown", apply=serves_unknown_models),
    Break(requirement="models.name.case", apply=minds_no_case),
    Break(requirement="models.choice.capable", apply=minds_no_capability),
    Break(requirement="models.served.named", apply=names_the_alias),
    Break(requirement="keys.restriction.provider", apply=ignores_the_keys_provider),
    Break(requirement="keys.restriction.fallback", apply=ignores_restriction_in_fallbacks),
    Break(requirement="usage.total.sum", apply=miscounts_the_total),
    Break(requirement="chat.response.shape", apply=leaves_out_created),
    Break(requirement="chat.response.id", apply=keeps_the_providers_id),
    Break(requirement="chat.choices.count", apply=ignores_n),
    Break(requirement="chat.choices.exact", apply=strips_the_text),
    Break(requirement="chat.choices.exact", apply=drops_refusals),
    Break(requirement="completions.response.shape", apply=gives_no_finish_reason),
    Break(requirement="completions.choices.exact", apply=tells_every_finish_as_stop),
    Break(requirement="embeddings.response.shape", apply=numbers_vectors_from_one),
    Break(requirement="embeddings.input.forms", apply=takes_no_tokens),
    Break(requirement="embeddings.vector.exact", apply=rounds_vectors),
    Break(requirement="embeddings.base64.float32", apply=packs_vectors_in_the_wrong_order),
)
