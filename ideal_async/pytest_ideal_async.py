"""What pytest loads at its start: the fixtures of `pytest_plugin`, but nothing else of this package.

To import `ideal_async.pytest_plugin` by its name would import `ideal_async` first, and httpx with it, into every run of
pytest on the machine. So the wheel has this file outside of the package, and it loads that one by its place.
"""

import sys
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path

_package = find_spec("ideal_async")  # looks for it, and does not import it
if _package is None or _package.origin is None:
    raise ImportError("pytest_ideal_async belongs to ideal_async, which is not installed")
_spec = spec_from_file_location(__name__, Path(_package.origin).with_name("pytest_plugin.py"))
if _spec is None or _spec.loader is None:
    raise ImportError("ideal_async/pytest_plugin.py cannot be loaded")
_plugin = sys.modules[__name__] = module_from_spec(_spec)
_spec.loader.exec_module(_plugin)
