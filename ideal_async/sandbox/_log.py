"""What was asked and what was said: the newest requests, for the page, the terminal and tests."""

import logging
import re
import threading
from collections import deque
from collections.abc import Callable

import attrs

from ._http import Answer, Request

logger = logging.getLogger("ideal_async.sandbox")

#: Requests kept: a page shows no more, and a long run shall not fill the memory.
NEWEST = 1000

#: What only a browser asks for.
PAGES = {"/", "/docs", "/openapi.json", "/favicon.ico"}

_CODE = re.compile(rb'\{"code":(-?[0-9]{1,9}),')


@attrs.frozen
class Exchange:
    """One request and its answer.

    *at* is in seconds since the sandbox's first request. *status* is None where the connection was dropped, *code*
    where the answer was no envelope, *task_id* where it was about no task. *faults* are what the script did.
    """

    number: int
    at: float
    method: str
    path: str
    status: int | None
    code: int | None = None
    task_id: int | None = None
    faults: tuple[str, ...] = ()

    def __str__(self) -> str:
        """One line, as a terminal shows it."""
        words = [f"{self.at:9.2f}", f"{self.method:4}", self.path.rpartition("/")[2] or "/"]
        words.append("dropped" if self.status is None else str(self.status))
        words += [f"code {self.code}"] if self.code is not None else []
        words += [f"task {self.task_id}"] if self.task_id is not None else []
        words += [f"({', '.join(self.faults)})"] if self.faults else []
        return " ".join(words)


class Log:
    """The newest exchanges; *listener* hears of each."""

    def __init__(self, listener: Callable[[Exchange], object] | None) -> None:
        self._listener = listener
        self._lock = threading.Lock()  # several event loops may be served
        self._kept: deque[Exchange] = deque(maxlen=NEWEST)
        self._count = 0

    def note(self, at: float, request: Request, answer: Answer | None) -> None:
        """Keep what was said, unless it is a matter of the page's own."""
        if is_own(request):
            return
        found = _CODE.match(answer.body) if answer is not None and isinstance(answer.body, bytes) else None
        with self._lock:
            self._count += 1
            exchange = Exchange(
                self._count,
                at,
                request.method,
                request.path,
                None if answer is None else answer.status,
                None if found is None else int(found[1]),
                request.notes.task_id,
                tuple(request.notes.faults),
            )
            self._kept.append(exchange)
        if self._listener is not None:
            try:
                self._listener(exchange)
            except Exception:
                logger.exception("on_request failed")  # a listener shall not change what is said

    def after(self, number: int = 0) -> list[Exchange]:
        """The exchanges that are kept, those after the so-manyth."""
        with self._lock:
            return [exchange for exchange in self._kept if exchange.number > number]


def is_own(request: Request) -> bool:
    """Whether the sandbox asks itself: its pages, and the pictures and videos that they show."""
    shown = request.headers.get("sec-fetch-dest") in {"image", "video"}
    page = request.path in {"/", "/docs", "/openapi.json", "/favicon.ico"} or request.path.startswith(
        ("/sandbox/", "/images/")
    )
    return page or (shown and request.headers.get("sec-fetch-site") == "same-origin")
