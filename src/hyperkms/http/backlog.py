"""How many callers may wait."""

BACKLOG = 1024
"""Connections that may wait to be taken, on each socket."""
