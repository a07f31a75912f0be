"""One journal for many hosts, in PostgreSQL: the same order number may reach any of them, and is paid once.

When one needs it:

- one process, or several on one machine: `Journal("orders.journal")`, a file
- several hosts behind a balancer, or a fleet of workers: `PostgresJournal("postgresql://...")`
"""

try:
    import psycopg  # noqa: F401 - to say which extra brings it
except ImportError as error:
    raise ImportError("a journal in PostgreSQL needs the extra: pip install 'ideal-async[postgres]'") from error

from ._journal import Limits, PostgresJournal

__all__ = ["Limits", "PostgresJournal"]
