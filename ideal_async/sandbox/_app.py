"""The door: an ASGI app with the vendor's two endpoints, the result files and pictures for example.com."""

import re
from urllib.parse import unquote

from ._answers import answer_created, answer_json, answer_refused, show_task
from ._codes import FAILED, INTERNAL_ERROR, PARAM_ERROR, Refused, failure, success
from ._fetch import fetch_image
from ._http import Answer, Dropped, Receive, Scope, Send, TooLarge, read_body, send_answer
from ._orders import read_order, read_task_id
from ._service import Service

#: Largest request body read, in bytes. An order is a few hundred.
BODY_LIMIT = 1024 * 1024

GENERATE = "/api/v1/imageToVideo/generate"
RESULT = "/api/v1/imageToVideo/result"


class Door:
    """Routes a request to what answers it."""

    def __init__(self, service: Service, *, http_errors: bool) -> None:
        self._service = service
        self._http_errors = http_errors

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI interface."""
        if scope["type"] != "http":
            return
        try:
            answer = await self._answer(scope, receive)
        except Refused as refused:
            answer = answer_refused(refused, http_errors=self._http_errors)
        await send_answer(answer, send, head=scope["method"] == "HEAD")

    async def _answer(self, scope: Scope, receive: Receive) -> Answer:
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        path, method = scope["path"], scope["method"]
        base = f"{scope['scheme']}://{headers.get('host', 'localhost')}"
        if path == GENERATE and method == "POST":
            account = self._service.account(headers.get("apikey"))
            order = read_order(await read_body(receive, BODY_LIMIT))
            return answer_created(self._service.create(account, order, self._fetch))
        if path == RESULT and method == "GET":
            account = self._service.account(headers.get("apikey"))
            task_id = read_task_id(scope["query_string"])
            return self._service.look(
                account,
                task_id,
                lambda world, task: answer_json(success(show_task(world, task, f"{base}/output/{task.id}"))),
            )
        found = re.fullmatch(r"/output/([0-9]{1,19})/(video_result\.mp4|video_cover\.jpg)", path)
        if found:
            return self._file(int(found[1]), found[2])
        return answer_json(failure(1001, "not found"), 404)

    def _file(self, task_id: int, name: str) -> Answer:
        media_type = "video/mp4" if name.endswith("mp4") else "image/jpeg"
        file = self._service.file(task_id, name)
        if file is None:
            return Answer(200, f"{name} of task {task_id}".encode(), media_type)
        return Answer(200, file, media_type, size=file.stat().st_size)

    def _fetch(self, url: str) -> bytes:
        if re.match(r"https?://([^/]*\.)?example\.(com|net|org)/", url):
            from ._rooms import draw_room

            return draw_room(unquote(url.split("?")[0].rsplit("/", 1)[-1]))
        return fetch_image(url)
