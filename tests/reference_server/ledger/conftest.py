"""A PostgreSQL of the tests' own."""

from tests.databases import postgres

__all__ = ["postgres"]
