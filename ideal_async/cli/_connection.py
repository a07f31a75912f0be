"""The service to talk to and the key for it; the key never comes from the command line, where everyone sees it."""

import os
from pathlib import Path
from typing import Annotated

import attrs
from cyclopts import Parameter

from ideal_async import AsyncClient, Budget, Journal, Pacing

from ._terminal import Refused

#: Bytes. A key has a few dozen; a file with more is not the one that was meant.
LARGEST_KEY_FILE = 10_000


@Parameter(name="*")
@attrs.frozen
class Connection:
    """Where the service is, and the key for it."""

    api_key_file: Annotated[
        Path | None, Parameter(help="File that holds the API key; by default IDEAL_HOUSE_API_KEY does.")
    ] = attrs.field(default=None, kw_only=True)
    base_url: Annotated[
        str | None,
        Parameter(help="Of the API; by default IDEAL_HOUSE_BASE_URL, else https://api.ideal.house."),
    ] = attrs.field(default=None, kw_only=True)
    min_interval: Annotated[
        float, Parameter(help="Seconds between two looks at a task, at least. The vendor advises 5 to 10.")
    ] = attrs.field(default=5.0, kw_only=True)

    def client(self, *, journal: Journal | None = None, budget: Budget | None = None) -> AsyncClient:
        """Make a client; only opening it needs an event loop.

        Raises:
            Refused: There is no key, or it cannot be used, or the URL cannot.
        """
        try:
            # The library's own proportion: 5 to 60 seconds.
            pacing = Pacing(min_interval=self.min_interval, max_interval=12 * self.min_interval)
            return AsyncClient(self._key(), base_url=self.base_url, pacing=pacing, journal=journal, budget=budget)
        except ValueError as error:
            raise Refused(str(error)) from None

    def _key(self) -> str:
        if self.api_key_file is not None:
            try:
                with self.api_key_file.open("rb") as file:
                    data = file.read(LARGEST_KEY_FILE + 1)
                key = data.decode("utf-8-sig").strip() if len(data) <= LARGEST_KEY_FILE else ""
            except OSError as error:
                raise Refused(f"the key in {self.api_key_file} cannot be read: {error.strerror}") from None
            except UnicodeDecodeError:
                key = ""
            if not key:
                raise Refused(f"{self.api_key_file} holds no API key")
            return key
        key = os.environ.get("IDEAL_HOUSE_API_KEY", "").strip()
        if not key:
            raise Refused("no API key: set IDEAL_HOUSE_API_KEY, or pass --api-key-file FILE")
        return key

    @property
    def origin(self) -> str:
        """Scheme, host and port of the API, as a journal names it."""
        from urllib.parse import urlsplit

        url = urlsplit(self.base_url or os.environ.get("IDEAL_HOUSE_BASE_URL") or "https://api.ideal.house")
        return f"{url.scheme}://{url.hostname}:{url.port or {'http': 80}.get(url.scheme, 443)}"
