"""Routes of models: which there are, talking to one, grading what it says."""

from __future__ import annotations

import time

from starlette.concurrency import iterate_in_threadpool, run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from tunebook_local.desk import grading, jobs, models
from tunebook_local.desk.chat import Chat, open_chat
from tunebook_local.desk.chat_request import read_chat_request
from tunebook_local.desk.responses import read_response_request
from tunebook_local.http.completions import Completion
from tunebook_local.http.responses import TextResponse
from tunebook_local.http.serving import Json, Service, read_object


class ModelRoutes:
    """Parse, call one decision, write the reply."""

    def __init__(self, service: Service) -> None:
        self._service, self._desk = service, service.desk

    def listing(self, request: Request) -> Response:
        wire = self._service.wire(request)
        return Json(wire.page([wire.model(*model) for model in models.visible_models(self._desk)]))

    async def retrieve(self, request: Request) -> Response:
        source, job = models.visible_model(self._desk, request.path_params["id"])
        return Json(self._service.wire(request).model(source, job))

    def delete(self, request: Request) -> Response:
        name = request.path_params["id"]
        jobs.delete_model(self._desk, name)
        return Json(self._service.wire(request).deleted("model", name))

    async def run_grader(self, request: Request) -> Response:
        body, started = await read_object(request), time.perf_counter()
        grader, result = await run_in_threadpool(grading.run_grader, self._desk, body)
        return Json(self._service.wire(request).grade(grader, result, time.perf_counter() - started))

    async def validate_grader(self, request: Request) -> Response:
        grader = (await read_object(request)).get("grader")
        return Json({"grader": grading.check_grader(self._desk, grader)})

    async def chat(self, request: Request) -> Response:
        body = await read_object(request)
        name = request.path_params.get("deployment", body.get("model"))
        chat = await run_in_threadpool(open_chat, self._desk, read_chat_request(body), name)
        return await _answer(chat, Completion(chat, int(self._desk.clock.now())))

    async def respond(self, request: Request) -> Response:
        body = await read_object(request)
        asked = read_response_request(body)
        chat = await run_in_threadpool(open_chat, self._desk, asked.chat, body.get("model"))
        return await _answer(chat, TextResponse(asked, chat, int(self._desk.clock.now())))


async def _answer(chat: Chat, reply: Completion | TextResponse) -> Response:
    if chat.request.stream:
        return StreamingResponse(iterate_in_threadpool(reply.streamed()), media_type="text/event-stream")
    return Json(await run_in_threadpool(reply.whole))
