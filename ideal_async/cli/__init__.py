"""The command line: outside of the house, it stands on the public face alone.

What comes in: `_rows` and `_sources` read jobs, `_plan` checks and names them, `_connection` finds the key.
What happens: `_run` brings a `_job` from its submit to its file, `_batch` brings all of them from one run to the next.
What comes out: `_progress` on the terminal, `_results` for programs, `_gallery` for eyes, `_summary` in words.
The commands are in `_app` and `_journal`, what they take in `_options`; each imports its own room when it is called.
"""

from ._app import run

__all__ = ["run"]
