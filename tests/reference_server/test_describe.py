"""What editors and people are told of the configuration is what the program holds it to."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import jsonschema_rs
import msgspec
import pytest

from routeproof_reference_server import DEFAULT_FILE
from routeproof_reference_server.config import GatewayConfig
from routeproof_reference_server.describe import SCHEMA_FILE, descriptions, page, schema, schema_text, tables
from routeproof_spec.config import decode
from routeproof_spec.errors import ConfigError

PAGE = Path(__file__).parents[2] / "docs/configuration.md"
ANEW = "python -m routeproof_reference_server.describe"
DEFAULT: dict[str, Any] = tomllib.loads(DEFAULT_FILE.read_text("utf-8"))
VALIDATOR = jsonschema_rs.validator_for(schema())


def test_the_schema_s_file_is_what_the_program_says() -> None:
    assert SCHEMA_FILE.read_text("utf-8") == schema_text(), f"write it anew: {ANEW}"


def test_the_page_is_what_the_program_says() -> None:
    assert PAGE.read_text("utf-8") == page(), f"write it anew: {ANEW}"


def test_every_key_is_described() -> None:
    silent = [
        f"{table.__name__}.{key}" for table in tables() for key, text in descriptions(table).items() if not text.strip()
    ]
    assert silent == [], "put a comment beside each of these keys"


def test_every_key_of_every_table_is_described_once() -> None:
    for table in tables():
        assert list(descriptions(table)) == [field.name for field in msgspec.structs.fields(table)]


def test_the_default_file_fits_its_own_schema_and_names_it() -> None:
    assert DEFAULT_FILE.read_text("utf-8").startswith("#:schema ./gateway.schema.json\n")
    VALIDATOR.validate(msgspec.to_builtins(DEFAULT))


WRONG: dict[str, dict[str, Any]] = {
    "an unknown key": {"server": {"prot": 1}},
    "an unknown table": {"sever": {}},
    "a wrong type": {"server": {"port": "8700"}},
    "out of range": {"server": {"port": 70000}},
    "no time at all": {"timeouts": {"headers": 0}},
    "an unknown word": {"routing": {"default_strategy": "cheapest"}},
    "a required list that is empty": {"providers": []},
    "a required key that is missing": {"providers": [{"name": "alpha"}]},
    "a base URL of another shape": {"providers": [{"name": "alpha", "base_url": "api.example"}]},
}


@pytest.mark.parametrize("change", WRONG.values(), ids=WRONG)
def test_an_editor_marks_what_the_program_refuses(change: dict[str, Any]) -> None:
    tree = {**DEFAULT, **change}
    assert not VALIDATOR.is_valid(msgspec.to_builtins(tree))
    with pytest.raises(ConfigError):
        decode(tree, GatewayConfig, file="gateway.toml")
