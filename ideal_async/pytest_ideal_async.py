"""What pytest loads at its start: the fixtures of `pytest_plugin`, but nothing else of this package.

To import `ideal_async.pytest_plugin` by its name would import `ideal_async` first, and httpx with it, into every run of
pytest on the machine. So the wheel has this file outside of the package, and it loads that one by its place.
"""

import sys
from importlib.machinery import SourceFileLoader
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

_package = find_spec("ideal_async")  # looks for it, and does not import it
if _package is None or _package.origin is None:
    raise ImportError("pytest_ideal_async belongs to ideal_async, which is not installed")
_loader = SourceFileLoader(__name__, str(Path(_package.origin).with_name("pytest_plugin.py")))
_plugin = sys.modules[__name__] = ModuleType(__name__)
_plugin.__file__ = _loader.path
_loader.exec_module(_plugin)
