"""A fleet of workers over Celery."""

try:
    import celery  # noqa: F401 # pyright: ignore[reportUnusedImport]  # to say which extra brings it
except ImportError as error:
    raise ImportError("a fleet over Celery needs the extra: pip install 'ideal-async[celery]'") from error

from ._engine import Batches
from ._worker import install, run_worker

__all__ = ["Batches", "install", "run_worker"]
