from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from routeproof_reference_server.config import DEFAULT_FILE, GatewayConfig, load_config
from routeproof_spec.errors import ConfigError

FILE = """
[[providers]]
name = "one"
base_url = "http://one.test/v1"
{provider}

[[models]]
name = "m"
owned_by = "us"
context_window = 1
capabilities = {{ chat = true }}
deployments = [{{ provider = "one" }}]

[[keys]]
name = "k"
{key}
"""


def load(
    tmp_path: Path, text: str = FILE, *, provider: str = 'api_key = "sk"', key: str = 'key_env = "KEY"'
) -> GatewayConfig:
    path = tmp_path / "gateway.toml"
    path.write_text(text.format(provider=provider, key=key), encoding="utf-8")
    return load_config(path, environ={"KEY": "th-x", "EMPTY": ""})


def test_the_default_is_complete_and_only_on_loopback() -> None:
    config = load_config(environ={})
    assert config.server.host == "127.0.0.1"
    assert [each.base_url for each in config.providers] == [
        f"http://127.0.0.1:{port}/v1" for port in (8701, 8702, 8703)
    ]
    assert DEFAULT_FILE.read_bytes() == (Path(__file__).parents[2] / "reference_server" / "gateway.toml").read_bytes()


def test_of_a_key_in_the_environment_only_the_hash_is_kept(tmp_path: Path) -> None:
    config = load(tmp_path)
    assert config.keys[0].sha256 == hashlib.sha256(b"th-x").hexdigest()
    assert "th-x" not in repr(config)


@pytest.mark.parametrize(
    ("provider", "key", "told"),
    [
        ("", 'key_env = "KEY"', "providers.one.api_key: found nothing"),
        ('api_key_env = "NONE"', 'key_env = "KEY"', "providers.one.api_key: found no variable NONE"),
        ('api_key_env = "EMPTY"', 'key_env = "KEY"', "found no variable EMPTY; wanted EMPTY in the environment"),
        ('api_key = "a"\napi_key_env = "KEY"', 'key_env = "KEY"', "found a value and the name of a variable"),
        ('api_key = "a"', "", "keys.k.sha256: found nothing"),
        ('api_key = "a"', 'sha256 = "abc"', "keys[0].sha256: found 'abc'"),
        ('api_key = "a"', 'key_env = "KEY"\nexpires_at = 2025-01-01T00:00:00', "keys[0].expires_at"),
        ('api_key = "a"', 'key_env = "KEY"\nmodels = ["n"]', "a model of key k out of m, not n"),
        ('api_key = "a"', 'key_env = "KEY"\nproviders = ["two"]', "a provider of key k out of one, not two"),
        ('api_key = "a"\nbase_ur = 1', 'key_env = "KEY"', "'base_url'"),
    ],
)
def test_what_is_wrong_names_its_place(tmp_path: Path, provider: str, key: str, told: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, provider=provider, key=key)
    assert told in str(caught.value)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('provider = "one"', 'provider = "two"', "a provider of model m out of one, not two"),
        ('name = "m"', 'name = "auto"', "a model name that is no tier"),
        ('name = "m"', 'name = "m"\ntier = "m"', "a model name that is no tier"),
        ('name = "m"', 'name = "a/m"', "models[0].name"),
        ("http://one.test/v1", "one.test", "providers[0].base_url"),
        ("http://one.test/v1", "http://one.test", "a base_url that ends in /v1, not http://one.test"),
        (
            '"http://one.test/v1"',
            '"http://one.test/v1"\napi = "anthropic"',
            "before the version, which api = 'anthropic'",
        ),
        (
            '"http://one.test/v1"',
            '"http://one.test/v1beta"\napi = "gemini"',
            "before the version, which api = 'gemini'",
        ),
        ('"http://one.test/v1"', '"http://one.test/v1"\napi = "cohere"', "providers[0].api"),
        ('[{{ provider = "one" }}]', '[{{ provider = "one" }}, {{ provider = "one" }}]', "one stands twice"),
        ('[{{ provider = "one" }}]', "[]", "models[0].deployments"),
    ],
)
def test_what_contradicts_itself_is_refused(tmp_path: Path, old: str, new: str, told: str) -> None:
    assert old in FILE
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, FILE.replace(old, new))
    assert told in str(caught.value)


def test_a_shared_ledger_needs_a_file_of_its_own_and_its_password_is_not_told(tmp_path: Path) -> None:
    path = tmp_path / "gateway.toml"
    path.write_text(DEFAULT_FILE.read_text() + '\n[ledger]\nurl = "postgresql://gateway:hush@db/ledger"\n')
    with pytest.raises(ConfigError, match=r"ledger\.path: found nothing; wanted a file beside the URL") as caught:
        load_config(path, environ={})
    assert "hush" not in str(caught.value)
