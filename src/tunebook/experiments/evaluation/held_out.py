"""Whether examples are held out: not in the file a model learned from, nor in the one that chose its checkpoint.

A checkpoint chosen because it was best on a validation file looks better on that file than it is. So an evaluation
asks which job made each model, reads that job's files, and those of the jobs it continued, and looks for the examples.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, Literal

from openai import NotFoundError

from tunebook.data.examples import numbered_examples
from tunebook.data.lines import BOM, MemoryLines
from tunebook.errors import RequestError, TunebookError
from tunebook.experiments.evaluation.cases import Case, read_case
from tunebook.service.completions import complete
from tunebook.service.jobs import as_json, job_of

if TYPE_CHECKING:
    from tunebook.service import Workspace

_MOST_SYSTEMS = 20  # system messages remembered of a training file: a template filled in per row is no fixed one
Use = Literal["training", "validation"]
_USE: Mapping[Use, str] = {"training": "trained the model", "validation": "chose the checkpoint"}


@dataclass(frozen=True)
class Leak:
    """Examples that stand in a file of a job. `use` is training or validation; `count` of `looked_for` were found."""

    file_id: str
    use: Use
    job_id: str
    count: int
    looked_for: int

    def __str__(self) -> str:
        return (
            f"{self.count} of {self.looked_for} examples stand in {self.file_id}, the {self.use} file that "
            f"{_USE[self.use]} ({self.job_id})."
        )


@dataclass(frozen=True)
class HeldOut:
    """What was found about a set of examples and the models they shall judge.

    `unread`: what could not be looked at, and why. `systems`: system messages the models were trained with, when
    there are few of them.
    """

    leaks: tuple[Leak, ...] = ()
    looked_at: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()
    systems: frozenset[str] = frozenset()

    @property
    def state(self) -> Literal["held out", "not held out", "not known"]:
        """`held out` is only said when every file of every job was looked at and none holds an example."""
        if self.leaks:
            return "not held out"
        return "held out" if self.looked_at and not self.unread else "not known"

    def to_json(self) -> dict[str, Any]:
        """Plain values, from which `from_json` makes the same."""
        return {**asdict(self), "systems": sorted(self.systems)}

    @classmethod
    def from_json(cls, saved: Mapping[str, Any]) -> HeldOut:
        """What `to_json` gave."""
        leaks = tuple(Leak(**leak) for leak in saved["leaks"])
        return cls(leaks, tuple(saved["looked_at"]), tuple(saved["unread"]), frozenset(saved["systems"]))

    def __str__(self) -> str:
        if self.leaks:
            return "Not held out: " + " ".join(map(str, self.leaks))
        if self.state == "held out":
            return f"Held out: none of the examples stands in {', '.join(self.looked_at)}."
        why = " ".join(self.unread) or "none of the models is known to be fine-tuned here."
        return f"Whether the examples are held out is not known: {why}"


def look_for(workspace: Workspace, keys: Collection[bytes], models: Iterable[str]) -> HeldOut:
    """Look for examples (`Case.key`) in the files of the jobs that made `models`, and of those they continued."""
    wanted = frozenset(keys)
    leaks: list[Leak] = []
    looked_at: dict[str, None] = {}
    unread: list[str] = []
    systems: set[str] = set()
    for job in _jobs(workspace, models, unread):
        for use, file_id in _files(job).items():
            if file_id in looked_at:
                continue
            leaked: set[bytes] = set()
            try:
                for example in _examples(workspace, file_id):
                    case = read_case(example)
                    if (key := case.key) in wanted:
                        leaked.add(key)
                    if use == "training" and len(systems) <= _MOST_SYSTEMS:
                        systems.add(case.system)
            except NotFoundError:
                unread.append(f"{file_id}, the {use} file of {job['id']}, has been deleted.")
                continue
            looked_at[file_id] = None
            if leaked:
                leaks.append(Leak(file_id, use, job["id"], len(leaked), len(wanted)))
    few = frozenset(systems) if len(systems) <= _MOST_SYSTEMS else frozenset()
    return HeldOut(tuple(leaks), tuple(looked_at), tuple(unread), few)


def _files(job: Mapping[str, Any]) -> dict[Use, str]:
    files: dict[Use, Any] = {"training": job.get("training_file"), "validation": job.get("validation_file")}
    return {use: str(file_id) for use, file_id in files.items() if file_id}


def served_model(workspace: Workspace, name: str) -> str:
    """The model behind a deployment, as the data plane names it in a reply."""
    message: Any = {"role": "user", "content": "Hello"}
    try:
        return str(complete(workspace, model=name, messages=[message], max_tokens=16).model)
    except NotFoundError as error:
        raise RequestError(
            f"{name!r} is not deployed at {workspace.name}, or not ready yet. Deploy it with "
            f"ws.deployments.create(…, name={name!r}), or wait with ws.deployments.wait({name!r})."
        ) from error


def training_cases(workspace: Workspace, file_id: str, most: int) -> Iterator[Case]:
    """The first `most` examples of a file at the service; no more of it is fetched than they take."""
    return (read_case(example, index) for index, example in enumerate(islice(_examples(workspace, file_id), most)))


def _jobs(workspace: Workspace, models: Iterable[str], unread: list[str]) -> Iterator[Mapping[str, Any]]:
    """The jobs that made the models, then those that made the models they started from."""
    waiting, seen = list(models), set()
    while waiting:
        model = waiting.pop(0)
        job_id = job_of(model)
        if job_id is None or job_id in seen:
            continue
        seen.add(job_id)
        try:
            job = as_json(workspace.jobs.retrieve(job_id).job)
        except (NotFoundError, TunebookError):
            unread.append(f"{model}: its job {job_id} is not at {workspace.name}.")
            continue
        waiting.append(str(job.get("model") or ""))
        yield job


def _examples(workspace: Workspace, file_id: str) -> Iterator[Mapping[str, Any]]:
    """The examples of a file at the service, without holding the file in memory."""
    with workspace.client.files.with_streaming_response.content(file_id) as reply:
        rest = b""
        for chunk in chain(reply.iter_bytes(1 << 18), [b"\n"]):
            *lines, rest = (rest + chunk).split(b"\n")
            lines = [line.removeprefix(BOM) for line in lines]
            yield from (example for _, example in numbered_examples(MemoryLines(lines)))
