"""Renderings of a report, each from its JSON alone."""
