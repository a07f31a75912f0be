"""The service to talk to and the key for it; the key never comes from the command line, where everyone sees it."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import attrs
import httpx
from cyclopts import Group, Parameter

from ideal_async import AsyncClient, Budget, JournalStore, Observer, Pacing

from ._terminal import Refused

if TYPE_CHECKING:
    from ideal_async.buckets import Bucket


#: Bytes. A key has a few dozen; a file with more is not the one that was meant.
LARGEST_KEY_FILE = 10_000


def _checked(key: str, otherwise: str) -> str:
    """Return what can be a key; another text than that is named by its place, and not repeated.

    Raises:
        Refused: It cannot.
    """
    if not (key.isascii() and key.isprintable()):
        raise Refused(f"{otherwise}: it has characters that cannot be in a header")
    return key


SERVICE = Group("Service", sort_key=6)


@Parameter(name="*")
@attrs.frozen
class Connection:
    """Where the service is, and the key for it."""

    api_key_file: Annotated[
        Path | None, Parameter(group=SERVICE, help="File that holds the API key; by default IDEAL_HOUSE_API_KEY does.")
    ] = attrs.field(default=None, kw_only=True)
    base_url: Annotated[
        str | None,
        Parameter(group=SERVICE, help="Of the API; by default IDEAL_HOUSE_BASE_URL, else https://api.ideal.house."),
    ] = attrs.field(default=None, kw_only=True)
    min_interval: Annotated[
        float,
        Parameter(group=SERVICE, help="Seconds between two looks at a task, at least. The vendor advises 5 to 10."),
    ] = attrs.field(default=5.0, kw_only=True)

    def client(
        self,
        *,
        journal: JournalStore | None = None,
        account: str | None = None,
        budget: Budget | None = None,
        http_client: httpx.AsyncClient | None = None,
        uploads: "Bucket | None" = None,
        observer: Observer | None = None,
    ) -> AsyncClient:
        """Make a client; only opening it needs an event loop.

        Raises:
            Refused: There is no key, or it cannot be used, or the URL cannot.
        """
        try:
            # The library's own proportion: 5 to 60 seconds.
            pacing = Pacing(min_interval=self.min_interval, max_interval=12 * self.min_interval)
            return AsyncClient(
                self._key(),
                base_url=self.base_url,
                pacing=pacing,
                journal=journal,
                account=account,
                budget=budget,
                http_client=http_client,
                uploads=uploads,
                observer=observer,
            )
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
            return _checked(key, f"{self.api_key_file} holds no API key")
        key = os.environ.get("IDEAL_HOUSE_API_KEY", "").strip()
        if not key:
            raise Refused("no API key: set IDEAL_HOUSE_API_KEY, or pass --api-key-file FILE")
        return _checked(key, "IDEAL_HOUSE_API_KEY is no API key")

    @property
    def origin(self) -> str:
        """The API, as a journal names it; no key is needed to know it.

        Raises:
            Refused: The URL cannot be used.
        """
        try:
            return AsyncClient("only-for-its-url", base_url=self.base_url).origin
        except ValueError as error:
            raise Refused(str(error)) from None

    @property
    def options(self) -> list[str]:
        """The options that lead to the same service, for a command to paste."""
        named = (("--base-url", self.base_url), ("--api-key-file", self.api_key_file))
        return [word for name, value in named if value is not None for word in (name, str(value))]
