"""One running stack for all end-to-end tests of a process."""

from tests.end_to_end.stack import fleet, stack

__all__ = ["fleet", "stack"]
