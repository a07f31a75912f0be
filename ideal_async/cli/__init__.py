"""The command line: outside of the house, it stands on the public face alone.

_app        the commands and what they take
_job        one row of a batch, from the plan to the file
_run        submits, follows and downloads them all
_progress   what a terminal shows of it
_demo       a hundred videos from the sandbox
"""

from ._app import run

__all__ = ["run"]
