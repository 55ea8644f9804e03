"""One running stack for all end-to-end tests of a process."""

from tests.databases import postgres
from tests.end_to_end.mixed import mixed, mixed_stack
from tests.end_to_end.stack import fleet, stack

__all__ = ["fleet", "mixed", "mixed_stack", "postgres", "stack"]
