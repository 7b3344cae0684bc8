"""How long tests wait."""

START_S = 100
"""For what should happen: nothing is timed, and a loaded machine is slow."""
