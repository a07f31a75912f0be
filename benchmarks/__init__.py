"""Measured, not promised: `python -m benchmarks` shows how light a guest we are; README.md says how to read it."""
