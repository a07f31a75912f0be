"""What a client is made of, and how it is joined: loaded with the first client, not with the package.

Nearly all rooms of the house come together here. Who only imports the package, for its values or for its command line,
need not wait for them.
"""

import os
import random
from collections.abc import Awaitable, Callable, Coroutine
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import anyio
import attrs
import httpx

from ._background import Background
from ._books import Books
from ._credentials import check_api_key, check_base_url
from ._delivery import Deliveries
from ._download import Downloads
from ._follow import Follower, OnEnd, follower_of
from ._forecast import Forecast, Pacing
from ._identity import origin_of
from ._looks import Looks
from ._models import Task
from ._observer import Guarded, Observer
from ._photographs import LeaveLoop, Photographs, Uploads
from ._poller import Poller
from ._pricing import Budget, Prices
from ._retry import Retry
from ._session import Session
from ._submissions import Submissions
from ._transports import DOWNLOADS_AT_ONCE, Transports

if TYPE_CHECKING:
    from ._client_journal import ClientJournal
    from ._journal import JournalStore

_BASE_URL = "https://api.ideal.house"
#: Blocking calls in flight: journal writes, which share a commit, and chunks of downloads on their way to the disk.
THREADS_AT_ONCE = 16

T = TypeVar("T")


@attrs.frozen(eq=False)
class Assembly:
    """The rooms of one client, joined."""

    base_url: httpx.URL
    observer: Guarded | None
    transports: Transports
    session: Session
    journal: "ClientJournal | None"
    books: Books
    poller: Poller
    background: Background
    photographs: Photographs
    submissions: Submissions
    follower: Follower | None
    looks: Looks
    downloads: Downloads
    deliveries: Deliveries


def assemble(
    api_key: str | None,
    base_url: str | None,
    *,
    http_client: httpx.AsyncClient | None,
    transport: httpx.AsyncBaseTransport | None,
    through_httpx: bool,
    requests_at_once: int,
    retry: Retry,
    pacing: Pacing | None,
    journal: "JournalStore | None",
    account: str,
    budget: Budget | None,
    prices: Prices | None,
    follow: bool,
    on_end: OnEnd | None,
    observer: Observer | None,
    uploads: Uploads | None,
    fetch: Callable[[int], Awaitable[Task]],
    leave_loop: LeaveLoop | None,
) -> Assembly:
    """Make the rooms of one client, of what `AsyncClient` was given.

    Raises:
        ValueError: No key, a key that cannot be a header, or a base URL that would expose it; or nobody would follow.
    """
    key = check_api_key(api_key if api_key is not None else os.environ.get("IDEAL_HOUSE_API_KEY"))
    url = check_base_url(base_url or os.environ.get("IDEAL_HOUSE_BASE_URL") or _BASE_URL)
    origin = origin_of(str(url))
    guarded = None if observer is None else Guarded(observer)
    if http_client is not None:
        transports = Transports.of_client(http_client)
    elif transport is not None:
        transports = Transports.of_transport(transport, through_httpx=through_httpx)
    else:
        transports = Transports.of_our_own(url, through_httpx=through_httpx)
    session = Session(
        api_key=key,
        base_url=url,
        transports=transports,
        requests_at_once=requests_at_once,
        retry=retry,
        observer=guarded,
    )
    if leave_loop is None:  # threads of our own number: the default limiter belongs to the application
        leave_loop = partial(_in_thread, anyio.CapacityLimiter(THREADS_AT_ONCE))
    client_journal = None if journal is None else _ask(journal, origin=origin, account=account, leave_loop=leave_loop)
    books = Books(budget=budget, prices=prices, journal=client_journal, observer=guarded)

    def start_soon(function: Callable[..., Coroutine[Any, Any, None]], *args: object) -> None:
        background.start_soon(function, *args)

    poller = Poller(
        session.look,
        forecast=Forecast(pacing or Pacing(), phase=random.random()),
        retry=retry,
        looks_at_once=requests_at_once,
        start_soon=start_soon,
        on_end=books.ended,
        observer=guarded,
    )

    async def end() -> None:
        """Runs in the event loop of the client, whoever closes it from where."""
        poller.fail_all()
        books.close()
        if follower is not None:
            await follower.let_go()
        await transports.aclose()

    background = Background(poller.run, on_end=end)
    if client_journal is not None:
        background.add(client_journal.run)
    photographs = Photographs(uploads, leave_loop=leave_loop)
    follower = follower_of(books, client_journal, poller, background, follow=follow, on_end=on_end)
    if follower is not None:
        background.add(follower.run)
    downloads = Downloads(transports.web, at_once=DOWNLOADS_AT_ONCE, retry=retry, leave_loop=leave_loop)
    return Assembly(
        base_url=url,
        observer=guarded,
        transports=transports,
        session=session,
        journal=client_journal,
        books=books,
        poller=poller,
        background=background,
        photographs=photographs,
        submissions=Submissions(session, background, books, write=photographs.write),
        follower=follower,
        looks=Looks(session, background, poller, books),
        downloads=downloads,
        deliveries=Deliveries(downloads, fetch=fetch, origin=origin, leave_loop=leave_loop),
    )


def _ask(store: "JournalStore", *, origin: str, account: str, leave_loop: LeaveLoop) -> "ClientJournal":
    from ._client_journal import ClientJournal  # brings SQLite along

    return ClientJournal(store, origin=origin, account=account, leave_loop=leave_loop)


async def _in_thread(threads: anyio.CapacityLimiter, function: Callable[..., T], *args: object) -> T:
    """Leave the event loop for a function that blocks."""
    try:
        return await anyio.to_thread.run_sync(partial(function, *args), limiter=threads)
    except RuntimeError as error:
        if "start new thread" not in str(error):
            raise
        raise OSError("no thread can be started: raise this process's limit of threads (ulimit -u)") from error
