"""The command line: `routeproof` and `python -m routeproof`."""

from __future__ import annotations

import importlib
import sys

import click

from routeproof._version import __version__
from routeproof.exits import explain

#: name of a command -> module under `routeproof.commands` that holds it under the same name
COMMANDS = ("demo", "serve", "providers", "check", "requirements", "chaos")


class LazyGroup(click.Group):
    """A group that imports a command when it is asked for: the help of all of them takes no heavy import."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's interface
        """Return the commands in the order in which a newcomer meets them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's interface
        """Return the command *cmd_name*, or None where there is none."""
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"routeproof.commands.{cmd_name}")
        command: click.Command = module.command
        return command


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
    try:
        code = cli.main(standalone_mode=False)
    except BaseException as error:  # noqa: BLE001 - the one place where an error becomes an exit code
        code = explain(error)
    sys.exit(code)


if __name__ == "__main__":
    main()
