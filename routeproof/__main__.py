"""The command line: `routeproof` and `python -m routeproof`."""

from __future__ import annotations

import importlib
import signal
import sys
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import click

from routeproof._version import __version__
from routeproof.exits import explain

#: Name of a command, which is `command` in the module of that name under `routeproof.commands`, and what it is for.
COMMANDS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "demo": "Prove the reference gateway over three fake providers, all on loopback.",
        "serve": "Start the reference gateway.",
        "config": "Check, show and describe the gateway's configuration.",
        "keys": "Issue, list and revoke keys of the reference gateway.",
        "usage": "Show what was asked of it, and what it cost.",
        "providers": "Start fake providers that misbehave on demand.",
        "record": "Keep what a real API answers.",
        "replay": "Answer as a real API did when it was recorded.",
        "doctor": "Prove that a gateway is wired so that a verdict means something.",
        "check": "Judge a gateway by both of its sides.",
        "requirements": "List the requirements, or explain one.",
        "chaos": "Live through outages in virtual time.",
    }
)


class LazyGroup(click.Group):
    """A group that imports a command when it is asked for, so that no command waits for the others' imports."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's interface
        """Return the commands in the order in which a newcomer meets them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's interface
        """Return the command *cmd_name*, or None where there is none."""
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(f"routeproof.commands.{cmd_name}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's
        """Write the table of commands without importing one."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    epilog="Start with `routeproof demo`. Exit codes: 0 held, 1 violated, 2 usage, 3 unverified, 4 our own error.",
)
@click.version_option(__version__, prog_name="routeproof")
def cli() -> None:
    """Prove what an LLM gateway does: routing, fallback, streams, errors, headers, from both of its sides."""


def main() -> None:
    """Run the command line and exit with the code that the outcome deserves."""
    # Told to end, we end as after Ctrl-C, which Trio knows how to take: with the gateways closed that we started.
    # A shell has its background commands ignore Ctrl-C, and Trio takes none then: so the default is set.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, lambda _signal, _frame: signal.raise_signal(signal.SIGINT))
    try:
        code = cli.main(standalone_mode=False)
    except BaseException as error:  # noqa: BLE001 - the one place where an error becomes an exit code
        code = explain(error)
    sys.exit(code)


if __name__ == "__main__":
    main()
