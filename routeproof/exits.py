"""Exit codes, the same for every command, and the one place where an error becomes a sentence and a code."""

from __future__ import annotations

import sys
import traceback
from enum import IntEnum
from typing import cast

import click

from routeproof_spec.errors import RouteproofError, TargetUnreachable


class Exit(IntEnum):
    """What a command's exit code says."""

    HELD = 0  # everything that was checked held
    VIOLATED = 1  # a requirement or an invariant was broken
    USAGE = 2  # an option, a file or a setting is wrong
    UNVERIFIED = 3  # nothing that counts was checked, or the run did not finish
    OURS = 4  # an error of routeproof itself
    INTERRUPTED = 130  # Ctrl-C, as shells count it


def explain(error: BaseException) -> Exit:
    """Print what *error* means to the user and return the exit code that it deserves."""
    match _single(error):
        case click.ClickException() as usage:
            usage.show()
            return Exit.USAGE
        case click.Abort() | KeyboardInterrupt():
            click.echo("Interrupted.", err=True)
            return Exit.INTERRUPTED
        case TargetUnreachable() as unreachable:
            click.echo(f"Error: {unreachable}", err=True)
            return Exit.UNVERIFIED
        case RouteproofError() as mistake:
            click.echo(f"Error: {mistake}", err=True)
            return Exit.USAGE
        case ours:
            traceback.print_exception(ours, file=sys.stderr)
            click.echo("This is an error of routeproof itself, not of your gateway: please report it.", err=True)
            return Exit.OURS


def _single(error: BaseException) -> BaseException:
    """Return the one error inside nested groups of one: nurseries wrap what was raised in them."""
    match error:
        case BaseExceptionGroup():
            inner = cast("tuple[BaseException, ...]", error.exceptions)
            return _single(inner[0]) if len(inner) == 1 else error
        case _:
            return error
