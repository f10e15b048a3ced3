"""Fine-tuning jobs: create, find, look at, steer."""

from __future__ import annotations

import asyncio
import json
import re
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING, Any

from openai import BadRequestError, ConflictError

from tunebook.analysis.run import TERMINAL, Run
from tunebook.errors import JobNotFinished, RequestError, ResultsError
from tunebook.graders import Item, unfilled
from tunebook.graders.templates import item_of
from tunebook.service.files import Files
from tunebook.service.once import AWAY, send_once
from tunebook.service.pacing import next_interval
from tunebook.service.request import JobRequest, RequestProblem
from tunebook.service.resource import Resource
from tunebook.service.terms import retirement
from tunebook.show import Card, Shown, Text, facts

if TYPE_CHECKING:
    from openai.types.fine_tuning import FineTuningJob, FineTuningJobEvent
    from openai.types.fine_tuning.jobs import FineTuningJobCheckpoint

    from tunebook.analysis.results import Results

_PAGE = 100
_LONGEST_WAIT = 4  # times the shortest pause: so much later than it ended is a job seen to have ended
_JOB_IN_NAME = re.compile(r"\.ft-([0-9a-f]{32})")
_SEEDS = 2**31  # what a seed may be


class Jobs:
    """`ws.jobs`: create a job, retrieve one by its id, list the newest."""

    def __init__(self, resource: Resource) -> None:
        self._resource = resource
        self._api = resource.client.fine_tuning.jobs

    def create(
        self,
        request: JobRequest,
        *,
        deploy: Mapping[str, Any] | None = None,
        retries: int = 2,
        say: Callable[[str], object] = print,
        sleep: Callable[[float], object] = time.sleep,
    ) -> Job:
        """Send the request, once. Raises RequestError, before anything is sent, for what the service would refuse.

        When the answer is lost, the service is asked for the job before it is sent again, at most `retries` times, and
        `say` gets a sentence about it; 0 leaves that question to the caller. So that the job can be known again, it
        gets a seed where the request has none (as the service would give it one).
        deploy: the arguments of `job.deploy_when_done`, e.g. `{"name": "support-v1", "sku": "globalstandard"}`.
        Raises ServiceError when it is not known in the end whether there is a job.
        `job.differences` says where what was accepted is not what was asked.

        >>> file = ws.files.upload("train.jsonl")
        >>> job = ws.jobs.create(tb.JobRequest(model="gpt-4.1-nano", training_file=file.id, n_epochs=1))
        >>> job.wait().status
        'succeeded'
        """
        refused = [problem for problem in request.problems() if problem.severity == "error"]
        refused += refused or [RequestProblem("grader", "error", told) for told in self._unfilled(request)]
        if refused:
            raise RequestError("This job would be refused. " + " ".join(map(str, refused)))
        order: dict[str, Any] = {"sku": "standard", "capacity": 1, "checkpoint": "diagnosis"} | dict(deploy or {})
        if deploy:
            workspace: Any = self._resource
            workspace.deployments.check_order(request.model, **order)
        body, known = request.to_json(), set[str]()
        if retries and "seed" not in body:
            body["seed"] = secrets.randbelow(_SEEDS)
        elif retries:  # jobs asked for like this before are not this one
            known = {job.id for job in self.alike(body)}
        named = {key: body[key] for key in ("model", "training_file")}
        rest = {key: value for key, value in body.items() if key not in named}
        api = self._resource.client.with_options(max_retries=0).fine_tuning.jobs
        job = send_once(
            lambda: api.create(**named, extra_body=rest),
            lambda: [job for job in self.alike(body) if job.id not in known],
            what=f"job on {request.training_file}",
            look="ws.jobs.list()",
            undo=lambda job: f'ws.jobs.retrieve("{job.id}").cancel()',
            retries=retries,
            poll_interval_s=self._resource.poll_interval_s,
            say=say,
            sleep=sleep,
        )
        made = Job(self._resource, job, asked=request)
        if deploy:
            made.deploy_when_done(**order, say=say)
        return made

    def _unfilled(self, request: JobRequest) -> list[str]:
        """What the grader names and no example of a file has; a file that cannot be read is left to the service."""
        told = []
        grader = request.grader if request.method == "reinforcement" else None
        for file_id in (request.training_file, request.validation_file) if grader else ():
            with suppress(Exception):  # gone, cut short, no JSON: the service will say so itself
                missing = unfilled(grader, self._items(str(file_id)))
                told += [f"{{{{{path}}}}} is in no example of {file_id}." for path in missing]
        return told

    def _items(self, file_id: str) -> Iterator[Item]:
        """The items of a file of the service, line by line, read no further than they are asked for."""
        with self._resource.client.files.with_streaming_response.content(file_id) as reply:
            for line in filter(str.strip, reply.iter_lines()):
                yield item_of(json.loads(line.removeprefix("\ufeff")))

    def alike(self, body: Mapping[str, Any]) -> list[FineTuningJob]:
        """Of the newest jobs those that a request with this body makes: its file, seed and suffix. Newest first."""
        newest = list(islice(self._api.list(limit=_PAGE), _PAGE))
        return [job for job in newest if job.training_file == body["training_file"] and _identified(job, body)]

    def retrieve(self, job_id: str) -> Job:
        """A handle on the job of that id. Raises the SDK's NotFoundError where there is none.

        >>> ws.jobs.retrieve(job.id).status
        'succeeded'
        """
        return Job(self._resource, self._api.retrieve(job_id))

    def list(self, limit: int = 20) -> list[Job]:
        """The newest jobs of the resource, newest first.

        >>> [job.ended for job in ws.jobs.list(limit=1)]
        [True]
        """
        return [Job(self._resource, job) for job in islice(self._api.list(limit=min(limit, _PAGE)), limit)]

    def __repr__(self) -> str:
        return f"<fine-tuning jobs of {self._resource.name}>"


class Job(Shown):
    """A handle on one job: its id, the SDK's object as last read (`job`), and what can be asked and done.

    Everything is asked of the service when it is called; only `refresh` and the steering calls change `job`.

    >>> job = ws.jobs.retrieve(job.id)
    >>> job.status, job.ended, len(job.checkpoints())
    ('succeeded', True, 2)
    """

    def __init__(self, workspace: Resource, job: FineTuningJob, *, asked: JobRequest | None = None) -> None:
        self.workspace: Any = workspace  # the whole Workspace, where it came from one
        self.job = job
        self.differences = _differences(asked, as_json(job)) if asked else ()

    @property
    def id(self) -> str:
        return self.job.id

    @property
    def status(self) -> str:
        return str(self.job.status)

    @property
    def ended(self) -> bool:
        return self.status in TERMINAL

    def refresh(self) -> Job:
        """Read the job anew."""
        return self._read(self._api.retrieve(self.id))

    def cancel(self) -> Job:
        return self._read(self._api.cancel(self.id))

    def pause(self) -> Job:
        """Pause a running job that has trained at least one step; a deployable checkpoint is made.

        Raises RequestError, with the rule in words, when the service refuses it.
        """
        rule = "Only a job that is running and has trained at least one step can be paused."
        return self._steer("paused", self._api.pause, rule)

    def resume(self) -> Job:
        """Let a paused job go on. Raises RequestError when the service refuses it."""
        return self._steer("resumed", self._api.resume, "Only a paused job can be resumed.")

    @property
    def deployable(self) -> str:
        """The name to deploy: the model of a job that succeeded, else the newest checkpoint it keeps.

        Raises JobNotFinished when there is neither.
        """
        if self.status == "succeeded" and self.job.fine_tuned_model:
            return self.job.fine_tuned_model
        if kept := self.checkpoints():
            return kept[-1].fine_tuned_model_checkpoint
        advice = "" if self.ended else " Wait until it has ended, or pause it for a checkpoint."
        raise JobNotFinished(f"{self.id} is {self.status} and has no model or checkpoint to deploy.{advice}")

    def deploy_when_done(
        self,
        name: str,
        sku: str = "standard",
        *,
        capacity: int = 1,
        checkpoint: str = "diagnosis",
        say: Callable[[str], object] = print,
    ) -> Any:
        """Deploy a checkpoint when the job has succeeded: the one the diagnosis recommends, or the `last`.

        Says at once what the deployment will cost and what will end it. A watcher in this process waits for the job;
        the order stands in the state folder and is taken up by the next `tb.connect()` to the same resource, so a
        restarted kernel loses nothing. Nothing is deployed twice, and nothing when the job fails.
        `ws.deployments.orders()` shows how far it is, `ws.deployments.withdraw(job.id)` takes it back.
        Raises RequestError for a name, SKU or capacity that would be refused.

        >>> job.deploy_when_done("support-v2", say=str).state in ("waiting", "deploying", "done")
        True
        """
        deployments = self.workspace.deployments
        return deployments.when_done(self, name=name, sku=sku, capacity=capacity, checkpoint=checkpoint, say=say)

    def continue_with(self, training_file: str, **settings: Any) -> JobRequest:
        """The request for a job that trains this one's model further, on another file.

        settings: fields of JobRequest; `method` is this job's unless given, `model` a checkpoint to start from
        instead of the newest. Nothing is sent: `ws.jobs.create(request)` does that.

        >>> request = job.continue_with("file-2", n_epochs=1)
        >>> request.model == job.job.fine_tuned_model
        True
        """
        given = {"method": _method(as_json(self.job)), **settings, "training_file": training_file}
        if "model" not in given:
            given["model"] = self.deployable
        return JobRequest(**given)

    def wait(self, timeout_s: float | None = None) -> Job:
        """Block until the job has ended, however it ends, or is paused. Ctrl-C stops the waiting, never the job.

        A paused job waits for a person: it is said and returned. While the service cannot be reached, it is asked
        again. Raises TimeoutError after `timeout_s` seconds; the job goes on.

        >>> job.wait().status
        'succeeded'
        """
        began = time.monotonic()
        shortest = pause = self.workspace.poll_interval_s[0]
        while True:
            before = self.status
            with suppress(*AWAY):
                self.refresh()
            if self.status == "paused":
                print(self.pause_told())
            if self.ended or self.status == "paused":
                return self
            if timeout_s is not None and time.monotonic() - began > timeout_s:
                raise TimeoutError(
                    f"{self.id} has not ended within {timeout_s:g} s. It goes on; wait again or watch it."
                )
            changed = self.status != before
            pause = next_interval(pause, changed=changed, shortest_s=shortest, longest_s=_LONGEST_WAIT * shortest)
            time.sleep(pause)

    def pause_told(self) -> str:
        """That the job is paused, by whom as far as its events tell, and how it goes on."""
        told = []
        with suppress(*AWAY):
            told = [event.message for event in self.events() if "paus" in (event.message or "").lower()]
        why = f" The service says: {told[-1].rstrip('.')}." if told else ""
        return (
            f"{self.id} is paused, by a person or by the service (which does it at a cost limit, or when Developer "
            f'capacity is taken back).{why} It goes on with ws.jobs.retrieve("{self.id}").resume().'
        )

    async def watched(self, timeout_s: float | None = None) -> Job:
        """The awaitable twin of `wait`: the event loop stays free."""
        return await asyncio.to_thread(self.wait, timeout_s)

    def events(self, after: str | None = None) -> list[FineTuningJobEvent]:
        """Events, oldest first; `after` is an event id: only what came later (the service lists newest first).

        >>> job.events()[-1].message
        'Training tokens billed: 364'
        """
        newer = []
        for event in self._api.list_events(self.id, limit=_PAGE):
            if event.id == after:
                break
            newer.append(event)
        return newer[::-1]

    def checkpoints(self) -> list[FineTuningJobCheckpoint]:
        """The checkpoints the service kept, earliest first.

        >>> [checkpoint.step_number for checkpoint in job.checkpoints()]
        [3, 6]
        """
        return sorted(self._api.checkpoints.list(self.id, limit=_PAGE), key=lambda c: c.step_number)

    def results(self) -> Results:
        """The result file, which may be partial while the job runs; before there is one, what the events say.

        Raises JobNotFinished when not even a first step has been trained, ResultsError for a result file that is empty
        after the end, or cut short.

        >>> job.results().frame.columns[:3].tolist()
        ['step', 'train_loss', 'train_mean_token_accuracy']
        """
        if files := list(self.job.result_files or ()):
            content = Files(self.workspace).content(files[0])
            if content.strip():
                from tunebook.analysis.results import load_results  # pandas takes longer to load than a job to list

                return load_results(content, name=self.id)
            if self.status == "succeeded":
                raise ResultsError(
                    f"{self.id}: its result file {files[0]} is empty, although it succeeded. Try again; what its "
                    "events say is in job.run().results."
                )
        results = self._measured()
        if results is None:
            raise JobNotFinished(
                f"{self.id} is {self.status} and has no results yet: they begin with its first training step. "
                "Watch it with tb.watch(job), or ask again later."
            )
        return results

    def _measured(self) -> Results | None:
        """What the events say of the training so far."""
        from tunebook.analysis.results import Results

        results = Results.from_events([as_json(event) for event in self.events()], name=self.id)
        return results if len(results) else None

    def run(self) -> Run:
        """The job with its results, checkpoints and events as plain data, for analysis without the service.

        Where the result file cannot be read, `results` is what the events say, and `problems` says so.

        >>> tb.diagnose(job.run()).verdict
        'not_converged'
        """
        self.refresh()
        problems = {}
        try:
            results: Results | None = self.results()
        except JobNotFinished:
            results = None
        except ResultsError as error:
            results, problems["results.csv"] = self._measured(), str(error)
        return Run(
            job=as_json(self.job),
            results=results,
            checkpoints=tuple(as_json(c) for c in self.checkpoints()),
            events=tuple(as_json(e) for e in self.events()),
            problems=problems,
        )

    @property
    def _api(self) -> Any:
        return self.workspace.client.fine_tuning.jobs

    def _steer(self, done: str, ask: Callable[[str], FineTuningJob], rule: str) -> Job:
        try:
            return self._read(ask(self.id))
        except (BadRequestError, ConflictError) as error:
            self.refresh()
            raise RequestError(f"{self.id} is {self.status} and cannot be {done}. {rule}") from error

    def _read(self, job: FineTuningJob) -> Job:
        self.job = job
        return self

    def __repr__(self) -> str:
        return f"<Job {self.id}: {self.status}, {self.job.model} at {self.workspace.name}>"

    def _card(self) -> Card:
        end = retirement(f"{self.job.model}.ft-", today=datetime.now(UTC).date())
        rows = [
            ("job", self.id),
            ("status", self.status),
            ("model", self.job.model),
            ("at", self.workspace.name),
            ("retirement", str(end or "")),
        ]
        warnings = (Text(difference, "warning") for difference in self.differences)
        return Card(facts(rows, "Fine-tuning job"), *warnings)


def job_of(model: str) -> str | None:
    """The id of the job that made a fine-tuned model or a checkpoint, which stands in its name."""
    named = _JOB_IN_NAME.search(model)
    return f"ftjob-{named[1]}" if named else None


def as_json(record: Any) -> dict[str, Any]:
    """An SDK object as the service sent it, extra keys included."""
    return record.to_dict(mode="json")


def _identified(job: FineTuningJob, body: Mapping[str, Any]) -> bool:
    """Whether a job has the seed and the suffix of a request, as far as the service tells them."""
    run = Run(job=as_json(job))
    told = {name: value for name, value in (("seed", run.seed), ("suffix", run.suffix)) if value is not None}
    return bool(told) and all(body.get(name) == value for name, value in told.items())


def _method(job: Mapping[str, Any]) -> Any:
    return (job.get("method") or {}).get("type") or "supervised"


def _differences(asked: JobRequest, accepted: Mapping[str, Any]) -> tuple[str, ...]:
    """Where what was accepted is not what was asked. What the service has not resolved yet is no difference."""
    run = Run(job=accepted)
    wanted: dict[str, Any] = {**asked.hyperparameters, "seed": asked.seed, "suffix": asked.suffix}
    got = {**run.hyperparameters, "seed": run.seed, "suffix": run.suffix}
    return tuple(
        f"{name}: asked for {json.dumps(value)}, the service accepted {json.dumps(got[name])}."
        for name, value in wanted.items()
        if value is not None and got.get(name) not in (None, value)
    )
