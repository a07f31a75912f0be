"""The door: an ASGI app with the vendor's two endpoints, the files, a page, and a room for the key's holder."""

import logging
from collections.abc import Awaitable, Callable, Collection
from functools import cache, partial
from hmac import compare_digest
from importlib.resources import files

import anyio.to_thread

from ._admin import answer_faults, answer_ledger, answer_requests, answer_state, answer_task, replace_faults
from ._answers import answer_created, answer_json, answer_refused
from ._codes import API_KEY_INVALID, FAILED, INTERNAL_ERROR, PARAM_ERROR, Refused, failure, success, write_json
from ._disturb import disturb
from ._docs import write_docs
from ._hosts import check_hosts
from ._http import Answer, Dropped, Receive, Request, Scope, Send, TooLarge, read_body, read_head, send_answer
from ._log import Log
from ._openapi import GENERATE, RESULT, describe
from ._orders import read_order, read_task_id
from ._service import Service
from ._shelf import Shelf

logger = logging.getLogger("ideal_async.sandbox")

#: Largest request body read, in bytes. An order is a few hundred.
BODY_LIMIT = 1024 * 1024


class SandboxApp:
    """Routes a request to what answers it.

    *log* keeps what was asked; *holder* is the API key that may see and change everything; *hosts* are names it answers
    to besides the usual ones; with *http_errors* an error has an HTTP status of its own.
    """

    def __init__(
        self, service: Service, shelf: Shelf, log: Log, *, holder: str, hosts: Collection[str], http_errors: bool
    ) -> None:
        self._service = service
        self._shelf = shelf
        self._log = log
        self._holder = holder.encode()
        self._hosts = hosts
        self._http_errors = http_errors
        self._routes: dict[str, dict[str, Callable[[Request], Awaitable[Answer]]]] = {
            GENERATE: {"POST": self._generate},
            RESULT: {"GET": self._result},
            "/": {"GET": self._page},
            "/docs": {"GET": self._docs},
            "/openapi.json": {"GET": self._openapi},
            "/sandbox/state": {"GET": self._state},
            "/sandbox/task": {"GET": self._task},
            "/sandbox/requests": {"GET": self._requests},
            "/sandbox/ledger": {"GET": self._ledger},
            "/sandbox/faults": {"GET": self._faults, "PUT": self._replace_faults, "DELETE": self._clear_faults},
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI interface; a scope of another type than "http" is left alone."""
        if scope["type"] == "http":
            await send_answer(await self.respond(scope, receive), send, head=scope["method"] == "HEAD")

    async def respond(self, scope: Scope, receive: Receive) -> Answer:
        """The answer to one request.

        Raises:
            Dropped: there is none; the connection shall die.

        """
        request = read_head(scope, receive)
        try:
            answer = check_hosts(request, self._hosts) or await self._answer(self._route, request)
        except Dropped:
            self._log.note(self._service.clock(), request, None)
            raise
        self._log.note(self._service.clock(), request, answer)
        return answer

    async def _answer(self, respond: Callable[[Request], Awaitable[Answer]], request: Request) -> Answer:
        """Every refusal, and every mistake of ours, is an answer too."""
        try:
            return await respond(request)
        except Refused as refused:
            # Paths of our own are no matter of the vendor's page: HTTP's statuses say more.
            ours = not request.path.startswith("/api/")
            return answer_refused(refused, http_errors=ours or self._http_errors)
        except TooLarge:
            # The server reads on and forgets the rest. To hang up would reset the connection, and lose the answer.
            message = f"{PARAM_ERROR.message}: the body is larger than {BODY_LIMIT} bytes"
            return answer_json(failure(PARAM_ERROR.number, message), 413)
        except Dropped:
            raise
        except Exception:
            logger.exception("%s %s failed", request.method, request.path)
            return answer_refused(Refused(INTERNAL_ERROR), http_errors=True)

    async def _route(self, request: Request) -> Answer:
        methods = self._routes.get(request.path)
        # HEAD is GET without the body, except where the vendor's page knows GET alone.
        method = "GET" if request.method == "HEAD" and not request.path.startswith("/api/") else request.method
        if methods is not None and method in methods:
            return await methods[method](request)
        if methods is None and method == "GET":
            answer = await self._shelf.serve(request)
            if answer is not None:
                return answer
        # The page knows no such call, so neither the code nor the status is the vendor's.
        if methods is None:
            return answer_json(failure(FAILED.number, f"{FAILED.message}: there is no {request.path}"), 404)
        message = f"{FAILED.message}: {request.path} does not take {request.method}"
        return Answer(405, write_json(failure(FAILED.number, message)), headers={"allow": ", ".join(methods)})

    async def _generate(self, request: Request) -> Answer:
        effects = self._service.on_call("submit", request)
        return await disturb(effects, partial(self._answer, self._create, request))

    async def _create(self, request: Request) -> Answer:
        account = self._service.account(request.headers.get("apikey"))
        order = read_order(await read_body(request.receive, BODY_LIMIT))
        find_image = partial(self._shelf.find_image, own_host=request.host, local=request.local)
        task = self._service.create(account, order, find_image)
        request.notes.task_id = task.id
        return answer_created(task)

    async def _result(self, request: Request) -> Answer:
        effects = self._service.on_call("look", request, _named_task(request.query))
        return await disturb(effects, partial(self._answer, self._look, request))

    async def _look(self, request: Request) -> Answer:
        account = self._service.account(request.headers.get("apikey"))
        task_id = read_task_id(request.query)
        link = self._shelf.linker(request.base)
        return answer_json(success(self._service.look(account, task_id, link)))

    async def _page(self, _: Request) -> Answer:
        page = await anyio.to_thread.run_sync(_read_page)
        return Answer(200, page, "text/html; charset=utf-8", PAGE_HEADERS)

    async def _openapi(self, request: Request) -> Answer:
        return answer_json(describe(request.base, http_errors=self._http_errors))

    async def _docs(self, request: Request) -> Answer:
        page = write_docs(describe(request.base, http_errors=self._http_errors))
        return Answer(200, page.encode(), "text/html; charset=utf-8", PAGE_HEADERS)

    async def _task(self, request: Request) -> Answer:
        self._check_holder(request)
        return answer_task(self._service, self._shelf, self._log, request.base, read_task_id(request.query))

    async def _requests(self, request: Request) -> Answer:
        self._check_holder(request)
        return answer_requests(self._log, request.query)

    async def _state(self, request: Request) -> Answer:
        self._check_holder(request)
        return answer_state(self._service, self._shelf, request.base, request.query)

    async def _ledger(self, request: Request) -> Answer:
        self._check_holder(request)
        return answer_ledger(self._service)

    async def _faults(self, request: Request) -> Answer:
        self._check_holder(request)
        return answer_faults(self._service)

    async def _replace_faults(self, request: Request) -> Answer:
        self._check_holder(request)
        return replace_faults(self._service, await read_body(request.receive, BODY_LIMIT))

    async def _clear_faults(self, request: Request) -> Answer:
        self._check_holder(request)
        return replace_faults(self._service, b"")

    def _check_holder(self, request: Request) -> None:
        if not compare_digest(request.headers.get("apikey", "").encode(), self._holder):
            raise Refused(API_KEY_INVALID)


#: The page brings everything along; nothing else may run in it, and no other page may frame it.
PAGE_HEADERS = {
    "content-security-policy": (
        "default-src 'self'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src 'self' data:; "
        "frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
    ),
    "cache-control": "no-cache",
}


@cache
def _read_page() -> bytes:
    return files(__name__.rpartition(".")[0]).joinpath("page.html").read_bytes()


def _named_task(query: bytes) -> int | None:
    try:
        return read_task_id(query)
    except Refused:
        return None
