"""Measured, not promised: `python -m benchmarks` runs the guest's, each module its own; README.md says how to read it."""
