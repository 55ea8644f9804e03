"""Read a TOML file into a frozen tree, strictly: a misspelt key is an error that names itself and its mend."""

from __future__ import annotations

import difflib
import re
import tomllib
from enum import Enum
from pathlib import Path
from typing import TypeVar

import msgspec

from routeproof_spec.errors import ConfigError

T = TypeVar("T")

FILE_BYTES_MAX = 4 * 2**20

_UNKNOWN = re.compile(r"Object contains unknown field `(?P<field>[^`]*)`")
_MISSING = re.compile(r"Object missing required field `(?P<field>[^`]*)`")
_EXPECTED = re.compile(r"Expected `(?P<wanted>[^`]*)`(?:, got `(?P<found>[^`]*)`)?")
_PLACE = re.compile(r" - at `(?P<place>[^`]*)`$")


def read_toml(path: Path, kind: type[T]) -> T:
    """Return the TOML file at *path* as a *kind*; raise `ConfigError` where it is missing, broken or wrong."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise ConfigError(file=path, key="", found="no such file", wanted="a readable TOML file") from None
    except OSError as error:
        found = error.strerror or str(error)
        raise ConfigError(file=path, key="", found=found, wanted="a readable TOML file") from error
    if len(data) > FILE_BYTES_MAX:
        raise ConfigError(file=path, key="", found=f"{len(data)} bytes", wanted=f"at most {FILE_BYTES_MAX} bytes")
    return parse_toml(data, kind, file=str(path))


def parse_toml(data: bytes, kind: type[T], *, file: str) -> T:
    """Return TOML text as a *kind*; *file* names its origin in errors."""
    try:
        tree = tomllib.loads(data.decode("utf-8"))
    except UnicodeDecodeError as error:
        key = f"byte {error.start}"
        raise ConfigError(file=file, key=key, found="bytes that are not UTF-8", wanted="UTF-8") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(file=file, key="", found=str(error), wanted="valid TOML") from error
    return decode(tree, kind, file=file)


def decode(tree: object, kind: type[T], *, file: str) -> T:
    """Return parsed TOML or JSON as a *kind*, refusing what it does not know."""
    try:
        return msgspec.convert(tree, kind)
    except msgspec.ValidationError as error:
        raise _config_error(str(error), tree, kind, file) from error


def _config_error(message: str, tree: object, kind: object, file: str) -> ConfigError:
    place = _PLACE.search(message)
    path = place["place"].removeprefix("$").removeprefix(".") if place else ""
    sentence = _PLACE.sub("", message)
    if unknown := _UNKNOWN.match(sentence):
        field = unknown["field"]
        return ConfigError(file=file, key=_join(path, field), found="an unknown key", wanted=_nearest(field, kind))
    if missing := _MISSING.match(sentence):
        key = _join(path, missing["field"])
        return ConfigError(file=file, key=key, found="nothing", wanted="this key, which is required")
    found = _at(tree, path)
    if sentence.startswith("Invalid enum value"):
        return ConfigError(file=file, key=path, found=repr(found), wanted=_members(path, kind))
    if expected := _EXPECTED.match(sentence):
        shown = repr(found) if found is not None else expected["found"] or "something else"
        return ConfigError(file=file, key=path, found=shown, wanted=expected["wanted"] + sentence[expected.end() :])
    return ConfigError(file=file, key=path, found=repr(found), wanted=sentence)


def _join(path: str, field: str) -> str:
    return f"{path}.{field}" if path else field


def _nearest(field: str, kind: object) -> str:
    known = sorted({name for name, _ in _fields(kind, set())})
    near = difflib.get_close_matches(field, known, n=1)
    return f"'{near[0]}'" if near else "one of " + ", ".join(known)


def _members(path: str, kind: object) -> str:
    field = re.findall(r"[^.\[\]]*[^.\[\]\d][^.\[\]]*", path)[-1:]
    return one_of(*(hint for name, hint in _fields(kind, set()) if [name] == field))


def one_of(*hints: object) -> str:
    """Return the values of the enums among *hints*, unions taken apart, as a sentence says what is wanted."""
    found = {
        repr(member.value)
        for hint in hints
        for each in (hint, *getattr(hint, "__args__", ()))
        if isinstance(each, type) and issubclass(each, Enum)
        for member in each
    }
    return "one of " + ", ".join(sorted(found))


def _fields(kind: object, seen: set[object]) -> set[tuple[str, object]]:
    """Return every key that may stand anywhere in a *kind*, with its type: enough to suggest a mend."""
    found: set[tuple[str, object]] = set()
    for arg in getattr(kind, "__args__", ()):
        found |= _fields(arg, seen)
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct) and kind not in seen:
        seen.add(kind)
        for field in msgspec.structs.fields(kind):
            found |= {(field.encode_name, field.type)} | _fields(field.type, seen)
    return found


def _at(tree: object, path: str) -> object:
    """Return what stands at *path* (`keys[0].name`), or None where the path cannot be followed."""
    for step in re.findall(r"[^.\[\]]+", path):
        try:
            tree = msgspec.convert(tree, dict[str, object])[step]
        except msgspec.ValidationError:
            try:
                tree = msgspec.convert(tree, list[object])[int(step)]
            except (msgspec.ValidationError, ValueError, IndexError):
                return None
        except KeyError:
            return None
    return tree
