"""The whole service on a laptop: the documented API, real videos, no network."""

from ._sandbox import Sandbox
from ._server import serve

__all__ = ["Sandbox", "serve"]
