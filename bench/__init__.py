"""Measures the service and the core, and what they are measured against, side by side: docs/bench.md."""
