"""The pytest plugin: `pytest --pyargs routeproof_conformance.suite --gateway-url URL`.

It is loaded in every pytest run of whoever installs the package. So this module imports nothing heavy, and adds nothing
but its options until `--gateway-url` or `--target` is given.
"""

from __future__ import annotations

import pytest

OPTIONS = "routeproof"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options of a conformance run."""
    group = parser.getgroup(OPTIONS, "conformance of an LLM gateway")
    group.addoption("--gateway-url", metavar="URL", default="", help="base URL of the gateway under test, ends in /v1")
    group.addoption("--target", metavar="FILE", default="", help="target file (TOML): providers, dialect, declarations")
    group.addoption(
        "--profile", metavar="NAME", action="append", default=[], help="judge this profile only; repeatable"
    )
    group.addoption(
        "--requirement", metavar="ID", action="append", default=[], help="judge this requirement only; repeatable"
    )
    group.addoption("--report", metavar="DIR", default="", help="write the report here: JSON, HTML, JUnit")
    group.addoption("--key-env", metavar="NAME", default="", help="environment variable that holds the client's key")
    group.addoption("--dialect", metavar="NAME", default="", help="whose promises a URL alone is held to")
    group.addoption("--model", metavar="NAME", default="", help="the model to ask a URL alone for")
    group.addoption("--seed", metavar="N", type=int, default=0, help="of everything drawn by chance (default: 0)")


@pytest.hookimpl(trylast=True)
def pytest_configure(config: pytest.Config) -> None:
    """Register the judge and its fixtures where a gateway is named."""
    if not (config.getoption("--gateway-url") or config.getoption("--target")):
        return
    from routeproof_conformance import checking  # noqa: PLC0415 - heavy: only for a run that judges a gateway

    checking.register(config)
