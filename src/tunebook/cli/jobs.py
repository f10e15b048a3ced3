"""`tunebook create`, `jobs …` and `files …`: jobs and files at the service."""

from __future__ import annotations

import json
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tunebook.cli.asking import add_spending, allow
from tunebook.cli.output import answer, connected, say, table
from tunebook.errors import RequestError

if TYPE_CHECKING:
    from tunebook.service import JobRequest, JobSnapshot, Workspace
    from tunebook.service.jobs import Job

Verb = Callable[..., ArgumentParser]


def add_jobs(verb: Verb) -> None:
    """`tunebook jobs …`; `verb` adds one below it."""
    listing = verb("list", _list, "List the newest jobs.")
    listing.add_argument("--limit", type=int, default=20, metavar="N", help="how many (default: 20)")
    for name, run, help_ in (
        ("show", _show, "Say how jobs stand, with their losses and what these say."),
        ("watch", _watch, "Follow jobs to their ends; exit code 1 when one does not succeed."),
        ("pause", _pause, "Pause running jobs; what they learned so far is kept as a checkpoint."),
        ("cancel", _cancel, "Cancel jobs for good."),
        ("archive", _archive, "Download jobs with results and events, for comparing without the service."),
    ):
        sub = verb(name, run, help_)
        sub.add_argument("ids", nargs="+", metavar="JOB")
        if name == "watch":
            sub.add_argument("--notify", action="store_true", help="tell the webhook of TUNEBOOK_WEBHOOK of each end")
        if name == "archive":
            sub.add_argument("--folder", type=Path, default=Path("runs"), help="where to (default: runs)")
    resume = verb("resume", _resume, "Let a paused job go on, which is billed.")
    resume.add_argument("ids", nargs=1, metavar="JOB")
    add_spending(resume)


def add_files(verb: Verb) -> None:
    """`tunebook files …`; `verb` adds one below it."""
    listing = verb("list", _list_files, "List the files of the service, the newest first.")
    listing.add_argument("--purpose", help="e.g. fine-tune, fine-tune-results")
    upload = verb("upload", _upload, "Upload files for training, after checking them.")
    upload.add_argument("files", nargs="+", type=Path, metavar="FILE")
    delete = verb("delete", _delete, "Delete files that no running job needs.")
    delete.add_argument("ids", nargs="+", metavar="FILE")
    delete.add_argument("--yes", action="store_true", help="do not ask")


def add_create(parser: ArgumentParser, *, every: bool) -> None:
    """`tunebook create`. every: with an option for each setting of a job, which takes a moment to read."""
    parser.add_argument("request", nargs="?", type=Path, metavar="REQUEST", help="a .json, .yaml or .toml file")
    parser.add_argument("--train", metavar="FILE", help="training file on this machine, or the id of an uploaded one")
    parser.add_argument("--valid", metavar="FILE", help="validation file, likewise")
    parser.add_argument("--plan", action="store_true", help="say what would be sent and what it costs; send nothing")
    parser.add_argument(
        "--write", type=Path, metavar="FILE", help="write the request (.json; .yaml for azd), send nothing"
    )
    parser.add_argument("--watch", action="store_true", help="follow the job to its end")
    add_spending(parser)
    if not every:
        return
    from tunebook.fields import settings

    group = parser.add_argument_group("settings of the job (words are taken as they are, other values as JSON)")
    for name, setting in settings().items():
        if name not in ("training_file", "validation_file"):
            flag = f"--{name.replace('_', '-')}"
            group.add_argument(flag, dest=f"set_{name}", metavar="VALUE", help=setting.label.replace("%", "%%"))


def create(options: Namespace) -> int:
    from tunebook.experiments import create_act
    from tunebook.service import write_request

    request = _asked(options)
    if options.write:
        print(write_request(request, options.write))
        return 0
    workspace = connected()
    act = create_act(workspace, request, say=say)
    record: dict[str, Any] = {"act": act.to_json(), "request": request.to_json(), "job": None}
    if options.plan:
        answer(options, record, act)
        return 0
    allow(act, options)
    job = act.carry_out()
    for difference in job.differences:
        say(difference)
    record_with = lambda jobs: {**record, "job": jobs[0]}  # noqa: E731
    if options.watch:
        say(f"{job.id} is created. Ctrl-C stops watching, not the job.")
        return _followed(options, workspace, [job.id], record_with)
    _answer_pictures(options, _pictures(workspace, [job.id]), record_with)
    return 0


def _asked(options: Namespace) -> JobRequest:
    """The request of a file, of options, or of a file changed by options."""
    from dataclasses import replace

    from tunebook.service import JobRequest, read_request

    given = {name.removeprefix("set_"): _value(told) for name, told in vars(options).items() if name[:4] == "set_"}
    given |= {"training_file": options.train, "validation_file": options.valid}
    given = {name: value for name, value in given.items() if value is not None}
    for name in ("training_file", "validation_file"):
        if name in given and Path(given[name]).is_file():
            given[name] = f"local:{given[name]}"
    if options.request is not None:
        return replace(read_request(options.request), **given)
    missing = [flag for flag, name in (("--model", "model"), ("--train", "training_file")) if name not in given]
    if missing:
        raise RequestError(f"Name a request file, or {' and '.join(missing)}.")
    return JobRequest(**given)


def _value(told: str | None) -> Any:
    if told is None:
        return None
    try:
        return json.loads(told)
    except ValueError:
        return told


def _jobs(ids: Iterable[str]) -> list[Job]:
    jobs = connected().jobs
    return [jobs.retrieve(job_id) for job_id in dict.fromkeys(ids)]


def _list(options: Namespace) -> int:
    from tunebook.cli.answers import job_answer
    from tunebook.words import moment

    if options.limit < 1:
        raise RequestError(f"--limit {options.limit}: at least 1.")
    jobs = [job_answer(job) for job in connected().jobs.list(limit=min(options.limit, 1_000_000))]
    rows = [(job["id"], job["status"], moment(job["created_at"]), job["model"], job["suffix"]) for job in jobs]
    answer(
        options, jobs, table(rows, ("job", "status", "created", "model", "suffix")) if jobs else "There are no jobs."
    )
    return 0


def _pictures(workspace: Workspace, ids: Iterable[str]) -> list[JobSnapshot]:
    import time

    from tunebook.service.watching import look

    wanted = tuple(dict.fromkeys(ids))
    return list(look(workspace, wanted, {}, now=time.time()).values())


def _show(options: Namespace) -> int:
    _answer_pictures(options, _pictures(connected(), options.ids))
    return 0


def _watch(options: Namespace) -> int:
    return _followed(options, connected(), options.ids, list)


def _followed(options: Namespace, workspace: Workspace, ids: list[str], record: Callable[[list[Any]], Any]) -> int:
    from tunebook.cli.following import follow_jobs
    from tunebook.service import Webhook

    notify = Webhook(say=say) if getattr(options, "notify", False) else None
    try:
        last = list(follow_jobs(workspace, {job_id: job_id for job_id in ids}, notify=notify).values())
    except KeyboardInterrupt:
        say(f"No job was stopped. Go on watching: tunebook jobs watch {' '.join(ids)}")
        raise
    _answer_pictures(options, last, record)
    return 0 if all(each.status == "succeeded" for each in last) else 1


def _answer_pictures(
    options: Namespace, pictures: list[JobSnapshot], record: Callable[[list[Any]], Any] = list
) -> None:
    from tunebook.cli.answers import progress_answer

    jobs = [progress_answer(each) for each in pictures]
    lines = []
    for each, job in zip(pictures, jobs, strict=True):
        lines.append(f"{each.id}: {each.line()}")
        if job["diagnosis"]:
            lines.append(f"  {job['diagnosis']['verdict'].replace('_', ' ')}. {job['diagnosis']['reason']}")
    answer(options, record(jobs), "\n".join(lines))


def _pause(options: Namespace) -> int:
    return _steered(options, _jobs(options.ids), lambda job: job.pause())


def _cancel(options: Namespace) -> int:
    return _steered(options, _jobs(options.ids), lambda job: job.cancel())


def _resume(options: Namespace) -> int:
    from tunebook.experiments import resume_act

    (job,) = _jobs(options.ids)
    allow(resume_act(job), options)
    return _steered(options, [job], lambda job: job.resume())


def _steered(options: Namespace, jobs: Iterable[Job], do: Callable[[Job], Job]) -> int:
    """Do it to each job; one that cannot is said, and the others are done all the same."""
    import openai

    from tunebook.cli.answers import job_answer
    from tunebook.service.refusals import reason

    done, refused = [], 0
    for job in jobs:
        try:
            done.append(do(job))
        except (RequestError, openai.BadRequestError, openai.ConflictError) as error:
            say(f"tunebook: {' '.join(filter(None, reason(error)))}")
            refused += 1
    answer(options, [job_answer(job) for job in done], "\n".join(f"{job.id}: {job.status}" for job in done))
    return 1 if refused else 0


def _archive(options: Namespace) -> int:
    from tunebook.experiments import archive

    folders = archive(_jobs(options.ids), options.folder)
    answer(options, {"folders": folders}, "\n".join(map(str, folders)))
    return 0


def _file_answer(file: Any) -> dict[str, Any]:
    return {name: getattr(file, name, None) for name in ("id", "filename", "purpose", "bytes", "status", "created_at")}


def _list_files(options: Namespace) -> int:
    from tunebook.words import moment, size

    files = [_file_answer(file) for file in connected().files.list(options.purpose)]
    rows = [
        (f["id"], f["status"], moment(f["created_at"]), size(f["bytes"]), f["purpose"], f["filename"]) for f in files
    ]
    told = table(rows, ("file", "status", "created", "size", "purpose", "name")) if files else "There are no files."
    answer(options, files, told)
    return 0


def _upload(options: Namespace) -> int:
    from tunebook.data import read_dataset

    datasets = [read_dataset(path) for path in options.files]  # all are read before the first is sent
    refused = [(data, found) for data in datasets if (found := data.check(tokens="none", min_examples=1)).errors]
    for data, found in refused:
        say(f"tunebook: {data.name}: {found.sentence} `tunebook check` says what.")
    if refused:
        return 1
    workspace = connected()
    files = [_file_answer(workspace.files.upload(data, say=say)) for data in datasets]
    answer(options, files, "\n".join(f"{file['id']}  {file['filename']}" for file in files))
    return 0


def _delete(options: Namespace) -> int:
    from tunebook.cli.spending import cleared
    from tunebook.experiments import cleanup_plan

    workspace = connected()
    return cleared(options, workspace, cleanup_plan(workspace, options.ids))
