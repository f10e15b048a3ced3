"""Routes of models: which there are, and talking to one."""

from __future__ import annotations

from starlette.concurrency import iterate_in_threadpool, run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from tunebook_local.desk import grading, models
from tunebook_local.desk.chat import Answering, ChatRequest, read_chat_request
from tunebook_local.desk.deployments import Resources
from tunebook_local.desk.refusals import Refusal, invalid
from tunebook_local.http.serving import Service, read_object


class ModelRoutes:
    """Parse, call one decision, write the reply."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._store, self._clock = service.store, service.clock
        self._resources = Resources(service.store, service.clock, service.limits)

    async def listing(self, request: Request) -> Response:
        wire = self._service.wire(request)
        return JSONResponse(wire.page([wire.model(*each) for each in models.visible_models(self._store)]))

    async def retrieve(self, request: Request) -> Response:
        source, job = models.visible_model(self._store, request.path_params["id"])
        return JSONResponse(self._service.wire(request).model(source, job))

    async def delete(self, request: Request) -> Response:
        name = request.path_params["id"]
        await run_in_threadpool(models.delete_model, self._store, name, self._resources.of_job)
        return JSONResponse(self._service.wire(request).deleted("model", name))

    async def run_grader(self, request: Request) -> Response:
        return JSONResponse(await run_in_threadpool(grading.run_grader, await read_object(request)))

    async def validate_grader(self, request: Request) -> Response:
        return JSONResponse(await run_in_threadpool(grading.validate_grader, await read_object(request)))

    async def chat(self, request: Request) -> Response:
        body = await read_object(request)
        asked = read_chat_request(body)
        name = request.path_params.get("deployment", body.get("model"))
        if not isinstance(name, str) or not name:
            raise invalid("model is required: the name of a deployment.", "model")
        answering = await run_in_threadpool(self._open, asked, name)
        if asked.stream:
            pieces = iterate_in_threadpool(answering.streamed())
            return StreamingResponse(pieces, media_type="text/event-stream")
        return JSONResponse(await run_in_threadpool(answering.whole))

    def _open(self, asked: ChatRequest, name: str) -> Answering:
        """The model behind a deployment; in OpenAI's dialect a model's own name will do."""
        created = int(self._clock.now())
        folder = self._store.jobs
        try:
            deployment = self._resources.answering(name)
        except Refusal:
            source = models.find_model(self._store, name) if self._service.dialect == "openai" else None
            if source is None:
                raise
            weights = folder / source.weights if source.weights else None
            return Answering(asked, source.name, source.base.id, weights, created)
        weights = folder / deployment.weights if deployment.weights else None
        return Answering(asked, deployment.model, deployment.base_model, weights, created)
