"""The door: an ASGI app with the vendor's two endpoints, the files, a page, and a room for the key's holder."""

import logging
import re
from collections.abc import Awaitable, Callable
from functools import cache, partial
from hmac import compare_digest
from importlib.resources import files

import anyio.to_thread
import attrs

from ._admin import answer_faults, answer_ledger, answer_state, replace_faults
from ._answers import answer_created, answer_json, answer_refused, show_task
from ._codes import API_KEY_INVALID, FAILED, INTERNAL_ERROR, PARAM_ERROR, Refused, failure, success, write_json
from ._disturb import disturb
from ._http import Answer, Dropped, Receive, Scope, Send, TooLarge, read_body, send_answer
from ._openapi import GENERATE, RESULT, describe
from ._orders import read_order, read_task_id
from ._service import Service
from ._shelf import Shelf

logger = logging.getLogger("ideal_async.sandbox")

#: Largest request body read, in bytes. An order is a few hundred.
BODY_LIMIT = 1024 * 1024

#: What may stand in a Host header, so that a result URL built from it is one.
HOST = re.compile(r"([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?")


@attrs.frozen
class Call:
    """One request, read as far as its headers."""

    method: str
    path: str
    query: bytes
    headers: dict[str, str] = attrs.field(repr=False)  # the key is among them
    scheme: str
    host: str
    receive: Receive

    @property
    def base(self) -> str:
        """The address the client used: result URLs begin with it, so they work wherever the call worked."""
        return f"{self.scheme}://{self.host}"


class Door:
    """Routes a request to what answers it.

    *holder* is the API key that may see and change everything; with *http_errors* an error has an HTTP status of its
    own.
    """

    def __init__(self, service: Service, shelf: Shelf, *, holder: str, http_errors: bool) -> None:
        self._service = service
        self._shelf = shelf
        self._holder = holder.encode()
        self._http_errors = http_errors
        self._routes: dict[str, dict[str, Callable[[Call], Awaitable[Answer]]]] = {
            GENERATE: {"POST": self._generate},
            RESULT: {"GET": self._result},
            "/": {"GET": self._page},
            "/openapi.json": {"GET": self._openapi},
            "/sandbox/state": {"GET": self._state},
            "/sandbox/ledger": {"GET": self._ledger},
            "/sandbox/faults": {"GET": self._faults, "PUT": self._replace_faults, "DELETE": self._clear_faults},
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI interface; a scope of another type than "http" is left alone."""
        if scope["type"] != "http":
            return
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        host = headers.get("host", "")
        call = Call(
            method=scope["method"],
            path=scope["path"],
            query=scope["query_string"],
            headers=headers,
            scheme=scope["scheme"],
            host=host if HOST.fullmatch(host) else "localhost",
            receive=receive,
        )
        answer = await self._answer(self._route, call)
        await send_answer(answer, send, head=call.method == "HEAD")

    async def _answer(self, respond: Callable[[Call], Awaitable[Answer]], call: Call) -> Answer:
        """Every refusal, and every mistake of ours, is an answer too."""
        try:
            return await respond(call)
        except Refused as refused:
            # Paths of our own are no matter of the vendor's page: HTTP's statuses say more.
            ours = not call.path.startswith("/api/")
            return answer_refused(refused, http_errors=ours or self._http_errors)
        except TooLarge:
            # The server reads on and forgets the rest. To hang up would reset the connection, and lose the answer.
            message = f"{PARAM_ERROR.message}: the body is larger than {BODY_LIMIT} bytes"
            return answer_json(failure(PARAM_ERROR.number, message), 413)
        except Dropped:
            raise
        except Exception:
            logger.exception("%s %s failed", call.method, call.path)
            return answer_refused(Refused(INTERNAL_ERROR), http_errors=True)

    async def _route(self, call: Call) -> Answer:
        methods = self._routes.get(call.path)
        # HEAD is GET without the body, except where the vendor's page knows GET alone.
        method = "GET" if call.method == "HEAD" and not call.path.startswith("/api/") else call.method
        if methods is not None and method in methods:
            return await methods[method](call)
        if methods is None and method == "GET":
            answer = await self._shelf.serve(call.path, call.query, call.host, call.headers)
            if answer is not None:
                return answer
        # The page knows no such call, so neither the code nor the status is the vendor's.
        if methods is None:
            return answer_json(failure(FAILED.number, f"{FAILED.message}: there is no {call.path}"), 404)
        message = f"{FAILED.message}: {call.path} does not take {call.method}"
        return Answer(405, write_json(failure(FAILED.number, message)), headers={"allow": ", ".join(methods)})

    async def _generate(self, call: Call) -> Answer:
        effects = self._service.on_call("submit")
        return await disturb(effects, partial(self._answer, self._create, call))

    async def _create(self, call: Call) -> Answer:
        account = self._service.account(call.headers.get("apikey"))
        order = read_order(await read_body(call.receive, BODY_LIMIT))
        find_image = partial(self._shelf.find_image, own_host=call.host)
        return answer_created(self._service.create(account, order, find_image))

    async def _result(self, call: Call) -> Answer:
        effects = self._service.on_call("look", _named_task(call.query))
        return await disturb(effects, partial(self._answer, self._look, call))

    async def _look(self, call: Call) -> Answer:
        account = self._service.account(call.headers.get("apikey"))
        task_id = read_task_id(call.query)
        link = self._shelf.linker(call.base)
        return answer_json(success(self._service.look(account, task_id, partial(show_task, link=link))))

    async def _page(self, _: Call) -> Answer:
        page = await anyio.to_thread.run_sync(_read_page)
        return Answer(200, page, "text/html; charset=utf-8", PAGE_HEADERS)

    async def _openapi(self, call: Call) -> Answer:
        return answer_json(describe(call.base, http_errors=self._http_errors))

    async def _state(self, call: Call) -> Answer:
        self._check_holder(call)
        return answer_state(self._service, self._shelf, call.base)

    async def _ledger(self, call: Call) -> Answer:
        self._check_holder(call)
        return answer_ledger(self._service)

    async def _faults(self, call: Call) -> Answer:
        self._check_holder(call)
        return answer_faults(self._service)

    async def _replace_faults(self, call: Call) -> Answer:
        self._check_holder(call)
        return replace_faults(self._service, await read_body(call.receive, BODY_LIMIT))

    async def _clear_faults(self, call: Call) -> Answer:
        self._check_holder(call)
        return replace_faults(self._service, b"")

    def _check_holder(self, call: Call) -> None:
        if not compare_digest(call.headers.get("apikey", "").encode(), self._holder):
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
