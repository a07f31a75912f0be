"""Measured, not promised: run each with python -m benchmarks.<name>."""
