"""Routes of evaluations, their runs and the items of these."""

from __future__ import annotations

from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from tunebook_local.desk import evals
from tunebook_local.desk.records import EvalItemRow, EvalRow, EvalRunRow
from tunebook_local.desk.refusals import not_found
from tunebook_local.http.serving import Json, Service, read_object, stored_page

_PAGE = 20


class EvalRoutes:
    """Parse, call one decision, write the reply."""

    def __init__(self, service: Service) -> None:
        self._service, self._desk = service, service.desk

    async def create(self, request: Request) -> Response:
        return Json((await run_in_threadpool(evals.create_eval, self._desk, await read_object(request))).told)

    def listing(self, request: Request) -> Response:
        page, more = stored_page(request, self._desk, EvalRow, _PAGE, "evaluation", order="asc")
        return Json(self._service.wire(request).page([row.told for row in page], has_more=more))

    def retrieve(self, request: Request) -> Response:
        return Json(evals.visible_eval(self._desk, request.path_params["eval"]).told)

    def delete(self, request: Request) -> Response:
        name = request.path_params["eval"]
        evals.delete_eval(self._desk, name)
        return Json({"object": "eval.deleted", "eval_id": name, "deleted": True})

    async def start(self, request: Request) -> Response:
        body = await read_object(request)
        run = await run_in_threadpool(evals.start_run, self._desk, request.path_params["eval"], body)
        self._service.supervisor.wake()
        return Json(self._run(run))

    def runs(self, request: Request) -> Response:
        name = evals.visible_eval(self._desk, request.path_params["eval"]).id
        page, more = stored_page(request, self._desk, EvalRunRow, _PAGE, "evaluation run", order="asc", eval=name)
        return Json(self._service.wire(request).page([self._run(row) for row in page], has_more=more))

    def run(self, request: Request) -> Response:
        return Json(self._run(evals.visible_run(self._desk, *_names(request))))

    def cancel(self, request: Request) -> Response:
        return Json(self._run(evals.cancel_run(self._desk, *_names(request))))

    def delete_run(self, request: Request) -> Response:
        evals.delete_run(self._desk, *_names(request))
        return Json({"object": "eval.run.deleted", "run_id": request.path_params["run"], "deleted": True})

    def items(self, request: Request) -> Response:
        run = evals.visible_run(self._desk, *_names(request))
        status = request.query_params.get("status")
        where = {"run": run.id} | ({"status": status} if status else {})
        page, more = stored_page(request, self._desk, EvalItemRow, _PAGE, "output item", order="asc", **where)
        return Json(self._service.wire(request).page([row.told for row in page], has_more=more))

    def item(self, request: Request) -> Response:
        run, name = evals.visible_run(self._desk, *_names(request)), request.path_params["item"]
        row = self._desk.store.get(EvalItemRow, id=name, run=run.id)
        if row is None:
            raise not_found("output item", name)
        return Json(row.told)

    def _run(self, run: EvalRunRow) -> dict[str, Any]:
        told = {key: value for key, value in run.told.items() if key != "total"}
        return {**told, "status": run.status, "result_counts": evals.counts(self._desk, run)}


def _names(request: Request) -> tuple[str, str]:
    return request.path_params["eval"], request.path_params["run"]
