"""The catalogue keeps its own rules, agrees with the OpenAPI document, and refuses a broken file with a sentence."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import msgspec
import pytest
import yaml

import routeproof_spec
from routeproof_spec.errors import ConfigError
from routeproof_spec.requirement import (
    FOLDER,
    PROFILES,
    SOURCES,
    Level,
    Needs,
    Requirement,
    UnknownRequirement,
    get_requirement,
    load_requirements,
    read_requirements,
)

CATALOGUE = load_requirements()
OPENAPI = Path(routeproof_spec.__file__).parent / "openapi.yaml"
README = FOLDER.parents[1] / "README.md"


class Operation(msgspec.Struct, frozen=True, rename={"id": "operationId", "requirements": "x-requirements"}):
    id: str
    requirements: list[str]


class Document(msgspec.Struct, frozen=True, rename={"requirements": "x-requirements"}):
    paths: dict[str, dict[str, object]]
    requirements: list[str]

    def operations(self) -> list[Operation]:
        methods = {"get", "put", "post", "delete", "options", "head", "patch", "trace"}
        found = [item for path in self.paths.values() for method, item in path.items() if method in methods]
        return msgspec.convert(found, list[Operation])


@cache
def document() -> Document:
    return msgspec.convert(yaml.safe_load(OPENAPI.read_text("utf-8")), Document)


def test_every_file_is_an_area_and_every_area_has_requirements() -> None:
    assert {entry.area for entry in CATALOGUE.values()} == {path.stem for path in FOLDER.iterdir()}


def test_no_two_requirements_say_the_same() -> None:
    texts = [entry.text for entry in CATALOGUE.values()]
    assert len(set(texts)) == len(texts)


@pytest.mark.parametrize("entry", CATALOGUE.values(), ids=CATALOGUE)
def test_a_text_is_whole_sentences(entry: Requirement) -> None:
    assert re.fullmatch(r"[A-Z`][^\n]*[.`]", entry.text)
    assert "  " not in entry.text
    assert entry.excluded is None or re.fullmatch(r"[A-Z][^\n]*\.", entry.excluded)


def test_every_profile_is_in_use() -> None:
    assert {entry.profile for entry in CATALOGUE.values()} == PROFILES.keys()


def test_every_profile_has_something_to_test() -> None:
    tested = {entry.profile for entry in CATALOGUE.values() if entry.excluded is None}
    assert tested == PROFILES.keys()


def test_a_permission_is_never_tested() -> None:
    assert all(entry.excluded for entry in CATALOGUE.values() if entry.level is Level.MAY)


def test_the_readme_tells_every_profile() -> None:
    readme = README.read_text("utf-8")
    assert [name for name in PROFILES if f"| `{name}` |" not in readme] == []


def test_the_readme_cites_only_requirements_that_exist() -> None:
    cited = re.findall(r"`([a-z]\w*\.[a-z]\w*\.[a-z]\w*)`", README.read_text("utf-8"))
    assert {name for name in cited if name not in CATALOGUE} == {"area.subject.property"}
    assert len(cited) > 1


def test_every_operation_that_a_requirement_names_is_in_the_document() -> None:
    named = {operation for entry in CATALOGUE.values() for operation in entry.operations}
    assert named <= {operation.id for operation in document().operations()}


def test_every_operation_lists_the_requirements_that_name_it() -> None:
    listed = {operation.id: operation.requirements for operation in document().operations()}
    assert listed == {
        operation: [entry.id for entry in CATALOGUE.values() if operation in entry.operations] for operation in listed
    }


def test_the_document_lists_the_requirements_that_name_no_operation() -> None:
    assert document().requirements == [entry.id for entry in CATALOGUE.values() if not entry.operations]


GOOD = {
    "id": '"chat.stream.done"',
    "level": '"MUST"',
    "text": '"A stream MUST end."',
    "source": '["kit", "openai"]',
    "profile": '"streaming"',
    "needs": '"url"',
    "operations": '["createChatCompletion"]',
}


def written(**changes: str) -> str:
    return "[[requirement]]\n" + "".join(f"{key} = {value}\n" for key, value in (GOOD | changes).items())


def test_a_good_file_is_read_whole(tmp_path: Path) -> None:
    (tmp_path / "chat.toml").write_text(written())
    assert dict(read_requirements(tmp_path)) == {
        "chat.stream.done": Requirement(
            id="chat.stream.done",
            level=Level.MUST,
            text="A stream MUST end.",
            source=("kit", "openai"),
            profile="streaming",
            needs=Needs.URL,
            operations=("createChatCompletion",),
        )
    }


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (written(levle='"MUST"'), "requirement[0].levle: found an unknown key; wanted 'level'"),
        (written(id='"chat.done"'), "chat.done: id: found 'chat.done'; wanted area.subject.property in lower case"),
        (written(id='"key.a.b"'), "key.a.b: id: found the area 'key'; wanted 'chat', the name of the file"),
        (written() * 2, "chat.stream.done: id: found an id that stands already; wanted an id of its own"),
        (
            written(text='"A stream SHOULD end, and MUST."'),
            "chat.stream.done: text: found 'A stream SHOULD end, and MUST.'; wanted a sentence that says MUST, alone",
        ),
        (
            written(profile='"stream"'),
            "chat.stream.done: profile: found 'stream'; wanted one of " + ", ".join(PROFILES),
        ),
        (
            written(source='["rfc1149"]'),
            "chat.stream.done: source: found ['rfc1149']; wanted at least one of " + ", ".join(SOURCES),
        ),
        (written(source="[]"), "chat.stream.done: source: found []; wanted at least one of " + ", ".join(SOURCES)),
        (written(excluded='" "'), "chat.stream.done: excluded: found an empty text; wanted the reason, or no such key"),
    ],
)
def test_a_broken_entry_names_itself_and_its_mend(tmp_path: Path, content: str, sentence: str) -> None:
    path = tmp_path / "chat.toml"
    path.write_text(content)
    with pytest.raises(ConfigError) as caught:
        read_requirements(tmp_path)
    assert str(caught.value) == f"{path}: {sentence}"


def test_an_unknown_level_is_refused_at_its_place(tmp_path: Path) -> None:
    (tmp_path / "chat.toml").write_text(written(level='"OUGHT"'))
    with pytest.raises(ConfigError) as caught:
        read_requirements(tmp_path)
    assert (caught.value.key, caught.value.found) == ("requirement[0].level", "'OUGHT'")


def test_an_empty_folder_is_no_catalogue(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="found no requirement; wanted a TOML file for each area"):
        read_requirements(tmp_path)


def test_a_requirement_is_found_by_its_id() -> None:
    assert get_requirement("fallback.order.listed") is CATALOGUE["fallback.order.listed"]


def test_a_mistaken_id_is_told_its_neighbours() -> None:
    with pytest.raises(UnknownRequirement) as caught:
        get_requirement("fallback.order.list")
    assert caught.value.near[0] == "fallback.order.listed"
    assert str(caught.value).startswith("there is no requirement 'fallback.order.list'; did you mean fallback.order")


def test_an_id_like_no_other_is_told_where_the_list_is() -> None:
    with pytest.raises(UnknownRequirement, match=r"'zzz'; 'routeproof requirements' lists them all"):
        get_requirement("zzz")
