"""What is wrong with what an answer says; its JSON is good, and changed where the dialect says that it means so."""

# ruff: noqa: D102 - the docstring of a behaviour says what calling it does

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Final, Literal, final

from routeproof_simulator.algebra import Behaviour, Meaning, Situation
from routeproof_simulator.faults.lens import Spot, Tree, edited, is_list, is_table, spots
from routeproof_simulator.ranges import Range, Text, Tokens
from routeproof_simulator.script import Kind, Script, is_stream

_REFUSED: Final = "I'm sorry, but I can't help with that."


@final
@dataclass(frozen=True, slots=True)
class WrongModel(Behaviour):
    """The answer names *model* as the one that gave it."""

    model: Text = "another-model"

    def __call__(self, script: Script, situation: Situation) -> Script:
        return _all_put(script, situation, "model", self.model)


@final
@dataclass(frozen=True, slots=True)
class FinishReason(Behaviour):
    """The answer ends for the *reason* named here."""

    reason: Text = "content_filter"

    def __call__(self, script: Script, situation: Situation) -> Script:
        return _all_put(script, situation, "finish", self.reason)


@final
@dataclass(frozen=True, slots=True)
class WrongIndex(Behaviour):
    """Every choice, or every block, of the answer bears this *index*."""

    index: Annotated[int, Range(low=-1, high=2**31)] = 7

    def __call__(self, script: Script, situation: Situation) -> Script:
        return _all_put(script, situation, "index", self.index)


@final
@dataclass(frozen=True, slots=True)
class Usage(Behaviour):
    """The answer counts *prompt* and *completion* tokens, whatever is true."""

    prompt: Tokens
    completion: Tokens

    def __call__(self, script: Script, situation: Situation) -> Script:
        counted = situation.voice.usage(self.prompt, self.completion)

        def edit(tree: Tree, kind: Kind) -> Tree:
            del kind
            for spot in _places(tree, situation, "usage"):
                if is_table(spot.value):
                    spot.put({**spot.value, **counted})
            return tree

        return edited(script, edit)


@final
@dataclass(frozen=True, slots=True)
class NoUsage(Behaviour):
    """The answer does not count its tokens."""

    def __call__(self, script: Script, situation: Situation) -> Script:
        def edit(tree: Tree, kind: Kind) -> Tree | None:
            for spot in _places(tree, situation, "usage"):
                if spot.value is not None:
                    spot.remove()
            return None if kind is Kind.USAGE else tree

        return edited(script, edit)


@final
@dataclass(frozen=True, slots=True)
class EmptyCompletion(Behaviour):
    """The answer says nothing, and ends as if it had."""

    def __call__(self, script: Script, situation: Situation) -> Script:
        def edit(tree: Tree, kind: Kind) -> Tree | None:
            said = [spot for spot in _places(tree, situation, "text") if spot.value]
            for spot in said:
                spot.put("")
            return None if said and kind is Kind.CONTENT else tree

        return edited(script, edit)


@final
@dataclass(frozen=True, slots=True)
class TruncatedArguments(Behaviour):
    """The arguments of a tool call break off in their middle, and the answer ends as if they were all."""

    def __call__(self, script: Script, situation: Situation) -> Script:
        left = _written(script, situation, "arguments") // 2

        def edit(tree: Tree, kind: Kind) -> Tree:
            nonlocal left
            del kind
            for spot in _places(tree, situation, "arguments"):
                if isinstance(spot.value, str):
                    kept = spot.value[:left]
                    left -= len(kept)
                    spot.put(kept)
            return tree

        return edited(script, edit)


@final
@dataclass(frozen=True, slots=True)
class FirstChoiceOnly(Behaviour):
    """The answer has one choice, however many were asked for with `n`."""

    def __call__(self, script: Script, situation: Situation) -> Script:
        lists = [path.partition(".*")[0] for path in situation.voice.places.get("index", ()) if ".*" in path]

        def edit(tree: Tree, kind: Kind) -> Tree | None:
            del kind
            for spot in spots(tree, lists):
                if is_list(spot.value) and spot.value:
                    kept = [each for each in spot.value if _index_of(each) == 0]
                    if not kept:
                        return None
                    spot.put(kept)
            return tree

        return edited(script, edit)


@final
@dataclass(frozen=True, slots=True)
class Refusal(Behaviour):
    """The model refuses, in *text*: where its API has a place for refusals there, else instead of what it says."""

    text: Text = _REFUSED

    def __call__(self, script: Script, situation: Situation) -> Script:
        has_place = "refusal" in situation.voice.places
        is_streamed = is_stream(script)
        said = False

        def edit(tree: Tree, kind: Kind) -> Tree | None:
            nonlocal said
            for spot in _places(tree, situation, "refusal"):
                if spot.is_there:
                    spot.put(self.text)
            spoken = [spot for spot in _places(tree, situation, "text") if spot.value]
            for spot in spoken:
                spot.put(None if has_place else "" if said else self.text)
            is_over = kind is Kind.CONTENT and is_streamed and bool(spoken) and (has_place or said)
            said = said or (is_streamed and bool(spoken))
            return None if is_over else tree

        return edited(script, edit)


@final
@dataclass(frozen=True, slots=True)
class SchemaDrift(Behaviour):
    """The answer's JSON is newer than its client: an `unknown_field`, or a `null_for_absent` fields."""

    change: Literal["unknown_field", "null_for_absent"] = "unknown_field"

    def __call__(self, script: Script, situation: Situation) -> Script:
        def edit(tree: Tree, kind: Kind) -> Tree:
            del kind
            if self.change == "unknown_field":
                return {**tree, "x_new": {"since": "tomorrow", "values": [1, None]}}
            for spot in spots(tree, (path for paths in situation.voice.places.values() for path in paths)):
                if not spot.is_there:
                    spot.put(None)
            return tree

        return edited(script, edit)


def _places(tree: Tree, situation: Situation, meaning: Meaning) -> Iterator[Spot]:
    return spots(tree, situation.voice.places.get(meaning, ()))


def _all_put(script: Script, situation: Situation, meaning: Meaning, value: object) -> Script:
    """Return *script* with *value* wherever something, and not null, means *meaning*."""

    def edit(tree: Tree, kind: Kind) -> Tree:
        del kind
        for spot in _places(tree, situation, meaning):
            if spot.value is not None:
                spot.put(value)
        return tree

    return edited(script, edit)


def _written(script: Script, situation: Situation, meaning: Meaning) -> int:
    """Return how many characters of *meaning* all frames of *script* have together."""
    count = 0

    def edit(tree: Tree, kind: Kind) -> Tree:
        nonlocal count
        del kind
        count += sum(len(spot.value) for spot in _places(tree, situation, meaning) if isinstance(spot.value, str))
        return tree

    edited(script, edit)
    return count


def _index_of(choice: object) -> object:
    return choice.get("index") if is_table(choice) else None
