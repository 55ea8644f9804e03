"""A dialect is data: how one gateway names its headers, and how a client asks it for a strategy and for fallbacks."""

from __future__ import annotations

import fnmatch
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Literal, TypeAlias

import jinja2
import msgspec

from routeproof_spec.config import read_toml
from routeproof_spec.contract import load_contract
from routeproof_spec.errors import ConfigError

DIALECTS: Final = Path(__file__).parent / "dialects"
_OF_CONTRACT: Final = "contract:"

HeaderList: TypeAlias = list[tuple[str, str]]
Body: TypeAlias = dict[str, object]


class Expression(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where a wish of the client stands in the request.

    `header` and `body` name the header or the field; *value* is the Jinja2 template of the header's text, given `value`
    and `items`, the wish as a list. `model` means that the model's name is bound to it in the gateway's configuration,
    so that nothing is added to the request; `none` that it cannot be asked for.
    """

    by: Literal["header", "body", "model", "none"]
    name: str = ""
    value: str = "{{ value }}"

    def express(self, wish: str | Sequence[str], body: Body, headers: HeaderList) -> tuple[Body, HeaderList]:
        """Return *body* and *headers* with *wish* expressed in them."""
        match self.by:
            case "header":
                return body, [*headers, (self.name, self._text(wish))]
            case "body":
                return body | {self.name: wish if isinstance(wish, str) else list(wish)}, headers
            case "model" | "none":
                return body, headers

    def _text(self, wish: str | Sequence[str]) -> str:
        items = [wish] if isinstance(wish, str) else list(wish)
        text: str = jinja2.Template(self.value).render(value=", ".join(items), items=items)
        return text


class KeyRules(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a key of the gateway looks."""

    prefix: str = ""
    env: str = "TOKENHUB_API_KEY"  # where a client conventionally keeps it


class Dialect(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How one gateway is spoken to, and what of the contract it never promised."""

    name: str
    headers: dict[str, str]  # role -> header name; `contract:ROLE` stands for the contract's own name
    strategy: Expression
    fallback: Expression
    keys: KeyRules = KeyRules()
    ready: str = "/models"  # a path below the base URL that is answered once the gateway is ready
    not_promised: dict[str, str] = {}  # requirement id, or a pattern of ids -> reason

    def unpromised(self, requirement: str) -> str | None:
        """Return why *requirement* does not bind this gateway, or None where it does."""
        for pattern, reason in self.not_promised.items():
            if fnmatch.fnmatchcase(requirement, pattern):
                return reason
        return None


def load_dialect(
    name: str, *, beside: Path | None = None, said: tuple[str, str] = ("target", "dialect.name")
) -> Dialect:
    """Return the dialect of that *name*, or the one in the file of that name in the folder *beside*.

    Raises `ConfigError` where there is none, which names the file and the key where it was *said*.
    """
    path = (beside or Path()) / name if name.endswith(".toml") else DIALECTS / f"{name}.toml"
    if not name.endswith(".toml") and not path.is_file():
        known = ", ".join(sorted(each.stem for each in DIALECTS.glob("*.toml")))
        wanted = f"one of {known}, or the name of a .toml file" + " beside the target file" * (beside is not None)
        raise ConfigError(file=said[0], key=said[1], found=repr(name), wanted=wanted)
    return _resolved(read_toml(path, Dialect), file=path)


def _resolved(dialect: Dialect, *, file: Path) -> Dialect:
    def named(text: str) -> str:
        if not text.startswith(_OF_CONTRACT):
            return text
        role, headers = text.removeprefix(_OF_CONTRACT), load_contract().headers
        if role not in headers:
            raise ConfigError(file=file, key=text, found=repr(role), wanted="one of " + ", ".join(sorted(headers)))
        return headers[role]

    return msgspec.structs.replace(
        dialect,
        headers={role: named(name).lower() for role, name in dialect.headers.items()},
        strategy=msgspec.structs.replace(dialect.strategy, name=named(dialect.strategy.name)),
        fallback=msgspec.structs.replace(dialect.fallback, name=named(dialect.fallback.name)),
    )
