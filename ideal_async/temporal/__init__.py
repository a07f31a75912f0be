"""A fleet of workers over Temporal."""

try:
    import temporalio  # noqa: F401 # pyright: ignore[reportUnusedImport]  # to say which extra brings it
except ImportError as error:
    raise ImportError("a fleet over Temporal needs the extra: pip install 'ideal-async[temporal]'") from error

from ._engine import Batches
from ._worker import plugin, run_worker

__all__ = ["Batches", "plugin", "run_worker"]
