"""Measurements that the README quotes; run one with ``python -m benchmarks.pacing``."""
