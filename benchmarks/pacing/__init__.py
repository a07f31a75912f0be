"""Pacing against services of many behaviours; run ``python -m benchmarks.pacing``."""
