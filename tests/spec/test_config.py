"""A wrong file names the file, the place, what was found and what is wanted."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path

import msgspec
import pytest

from routeproof_spec.config import FILE_BYTES_MAX, parse_toml, read_toml
from routeproof_spec.errors import ConfigError


class Strategy(StrEnum):
    COST = "cost"
    LATENCY = "latency"


class Key(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    name: str
    rate: float = 1.0

    def __post_init__(self) -> None:
        if self.rate <= 0:
            raise ValueError(f"a rate above 0, not {self.rate}")


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    keys: tuple[Key, ...] = ()
    strategy: Strategy | None = None


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (b'[[keys]]\nnmae = "a"', "settings.toml: keys[0].nmae: found an unknown key; wanted 'name'"),
        (b"colour = 1", "settings.toml: colour: found an unknown key; wanted one of keys, name, rate, strategy"),
        (b'[[keys]]\nname = "a"\nrate = "fast"', "settings.toml: keys[0].rate: found 'fast'; wanted float"),
        (b"[[keys]]\nrate = 2", "settings.toml: keys[0].name: found nothing; wanted this key, which is required"),
        (b'strategy = "cots"', "settings.toml: strategy: found 'cots'; wanted one of 'cost', 'latency'"),
        (b"keys = 3", "settings.toml: keys: found 3; wanted array"),
        (b"keys = [", "settings.toml: found Invalid value (at end of document); wanted valid TOML"),
        (b"keys = '\xff'", "settings.toml: byte 8: found bytes that are not UTF-8; wanted UTF-8"),
    ],
)
def test_a_wrong_file_says_what_was_found_and_what_is_wanted(text: bytes, sentence: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_toml(text, Settings, file="settings.toml")
    assert str(caught.value) == sentence


def test_a_rule_of_the_type_itself_names_its_place() -> None:
    with pytest.raises(ConfigError) as caught:
        parse_toml(b'[[keys]]\nname = "a"\nrate = -1', Settings, file="settings.toml")
    assert caught.value.key == "keys[0]"
    assert caught.value.wanted == "a rate above 0, not -1.0"


def test_a_good_file_is_read_whole(tmp_path: Path) -> None:
    path = tmp_path / "settings.toml"
    path.write_bytes(b'strategy = "latency"\n[[keys]]\nname = "a"\nrate = 2.5\n')
    assert read_toml(path, Settings) == Settings(keys=(Key(name="a", rate=2.5),), strategy=Strategy.LATENCY)


def test_a_missing_file_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"absent\.toml: found no such file; wanted a readable TOML file"):
        read_toml(tmp_path / "absent.toml", Settings)


def test_a_folder_is_not_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="wanted a readable TOML file"):
        read_toml(tmp_path, Settings)


def test_a_huge_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "huge.toml"
    path.write_bytes(b"#" * (FILE_BYTES_MAX + 1))
    with pytest.raises(ConfigError, match="wanted at most"):
        read_toml(path, Settings)
