"""The version of every package of the distribution: they are released together."""

__version__ = "0.1.0"
