"""Write a report to a file: HTML, Markdown or PDF, by the ending of its name."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from tunebook.analysis.run import Run
from tunebook.analysis.sweeps.comparison import Comparison, compare
from tunebook.errors import RequestError, TunebookError
from tunebook.report.printing import find_chromium, print_page
from tunebook.show import Span, Text

if TYPE_CHECKING:
    from tunebook.report.content import Report
    from tunebook.report.figures import Figure

ENDINGS = (".html", ".htm", ".md", ".pdf")


class WrittenReport(type(Path())):  # type: ignore[misc]  # the class of paths on this system
    """The path of a report; a notebook shows it as a link."""

    _called = "The report"

    def _repr_html_(self) -> str:
        name = os.path.relpath(self)
        return str(Text((f"{self._called}: ", Span(name, href=quote(name)))).html())


def write_report(
    source: Comparison | Run | Iterable[Run] | str | os.PathLike[str] | Any,
    path: str | os.PathLike[str],
    *,
    title: str | None = None,
    evaluation: Any = None,
    files: Mapping[str, str | os.PathLike[str]] | None = None,
    made: datetime | None = None,
    chromium: str | os.PathLike[str] | None = None,
) -> WrittenReport:
    """Write a report that answers first, then shows the evidence, then where every number comes from.

    `source` is a `Comparison`, runs, one run, a sweep (anything with `.runs()`), or a folder of archived runs.
    `path` ends in `.html` (one self-contained page: no script, nothing loaded), `.md` (with its figures as SVG in a
    folder beside it, `<name>_files`) or `.pdf` (A4, printed by a Chromium, Chrome or Edge found on this machine, by
    `chromium`, or by the environment variable `TUNEBOOK_CHROMIUM`).

    `title` heads the page; `evaluation` is what an evaluation of base against tuned returned; `files` maps file ids
    of the service to paths here, so that their SHA-256 is told; `made` is the date of the report (default: now, UTC).

    Returns the path written, which a notebook shows as a link. An existing file is replaced, at once and only when the
    report is whole. Raises RequestError for a path with another ending or a source it cannot read, TunebookError where
    no browser prints.

    >>> tb.write_report(tb.compare(tb.read_runs("runs")), "report.html", title="Support, first round")
    WrittenReport('report.html')
    >>> tb.write_report("runs", "report.docx")
    Traceback (most recent call last):
    tunebook.errors.RequestError: ...
    """
    target = file_target(path, "report", ENDINGS)
    browser = find_chromium(chromium) if target.suffix.lower() == ".pdf" else ""

    from tunebook.report.figures import figures_of

    comparison = read_comparison(source)
    report = summarise(comparison, title=title, evaluation=evaluation, files=files, made=made)
    figures = figures_of(comparison)
    if target.suffix.lower() == ".md":
        from tunebook.report.markdown import to_markdown

        folder = write_beside(target, figures)
        return WrittenReport(replace_file(target, to_markdown(report, figures, folder=folder)))
    from tunebook.report.page import to_html

    page = to_html(report, figures)
    if target.suffix.lower() == ".pdf":
        return WrittenReport(replace_file(target, print_page(page.encode("utf-8", "replace"), browser)))
    return WrittenReport(replace_file(target, page))


def summarise(
    source: Comparison | Run | Iterable[Run] | str | os.PathLike[str] | Any,
    *,
    title: str | None = None,
    evaluation: Any = None,
    files: Mapping[str, str | os.PathLike[str]] | None = None,
    made: datetime | None = None,
) -> Report:
    """What the report says, as a value: shown in a notebook it is the answer, `provenance` the tables behind it.

    Takes what `write_report` takes, draws nothing and writes nothing. `answer` has `headline`, `because`, `facts`,
    `steps` and `model` (the name to deploy, "" for none), all plain text. Raises RequestError as `write_report` does.

    >>> report = tb.report.summarise("runs")
    >>> report.answer.headline
    'Deploy the checkpoint at step ... of calm.'
    >>> report.provenance[0]
    Table('The same for all jobs': ... rows)
    """
    from tunebook.report.building import build_report

    comparison = read_comparison(source)
    return build_report(comparison, made=made or datetime.now(UTC), title=title, evaluation=evaluation, files=files)


def provenance_record(
    source: Comparison | Run | Iterable[Run] | str | os.PathLike[str] | Any,
    *,
    files: Mapping[str, str | os.PathLike[str]] | None = None,
    made: datetime | None = None,
) -> dict[str, Any]:
    """Where every number of a report comes from, in plain values for `json.dumps`; None is what is not known.

    `source`, `files` and `made` are what `write_report` takes. Keys: `made`, `conclusion` (the verdict on the
    recommended job, one word), `recommended` (job, step, model), `jobs` (one a job: ids, status, `base_model` and its
    version, `settings`, `seed`, `tokens`, `cost_usd`, times in Unix seconds, `measurements_sha256`, `model`,
    `conclusion`, `practice`: trained by the embedded service, so that nothing was billed, …), `files` (`id`,
    `used_for`, and of those in `files` the `path`, `rows`, `bytes` and `sha256`), `incidents` (warnings and errors on
    the way), `software` and `catalogue` (the date of its facts).
    Raises RequestError for a source or a file that cannot be read.

    >>> record = tb.report.provenance_record("runs", files={"file-train": "train.jsonl"})
    >>> record["conclusion"], record["recommended"]["job"], record["jobs"][0]["settings"]["n_epochs"]
    ('healthy', 'ftjob-calm', 3)
    >>> [(file["id"], file["rows"]) for file in record["files"]]
    [('file-train', 40), ('file-valid', None)]
    """
    from tunebook.report.provenance import record_of

    return record_of(read_comparison(source), files, made=made or datetime.now(UTC))


def read_comparison(source: Any) -> Comparison:
    """The comparison behind what `write_report` takes. Raises RequestError for anything else."""
    if isinstance(source, Comparison):
        return source
    if isinstance(source, Run):
        return compare([source])
    if isinstance(source, str | os.PathLike):
        from tunebook.experiments import read_runs

        return compare(read_runs(source))
    runs = source.runs() if callable(getattr(source, "runs", None)) else source
    try:
        given = list(runs)
    except TypeError:
        given = [runs]
    wrong = next((run for run in given if not isinstance(run, Run)), None)
    if wrong is not None:
        raise RequestError(
            f"A report is made from a comparison, runs, a sweep or a folder of runs, not from {type(wrong).__name__}. "
            "Turn jobs into runs first: job.run()."
        )
    return compare(given)


def file_target(path: str | os.PathLike[str], what: str, endings: Sequence[str]) -> Path:
    """The path of a `what` to be written. Raises RequestError for another ending, or a place where no file can be."""
    target = Path(path)
    if target.is_dir() or not target.parent.is_dir():
        raise RequestError(
            f"{target}: is a folder, or lies in one that does not exist. Name a file in an existing folder."
        )
    if target.suffix.lower() not in endings:
        ending = "one of these endings" if len(endings) > 1 else "this ending"
        raise RequestError(f"{target}: a {what} is written as {', '.join(endings)}; give the path {ending}.")
    return target


def write_beside(target: Path, figures: Iterable[Figure]) -> str:
    """Write figures as SVG into the folder `<name>_files` beside `target`; returns its name, for links."""
    folder = made_folder(target.with_name(f"{target.stem}_files"))
    for figure in figures:
        replace_file(folder / f"{figure.name}.svg", figure.file())
    return folder.name


def made_folder(path: str | os.PathLike[str]) -> Path:
    """The folder, made where it is not there yet. Raises RequestError where it cannot be."""
    target = Path(path)
    try:
        target.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RequestError(f"{target}: cannot be a folder ({error.strerror or error}). Name another one.") from None
    return target


def replace_file(path: Path, content: bytes | str) -> Path:
    """Write `content` beside `path` and put it in its place at once, so that no reader sees half a file.

    Text as UTF-8, with `?` for half characters (lone surrogates), which no file holds.
    """
    content = content.encode("utf-8", "replace") if isinstance(content, str) else content
    try:
        handle, partial = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(handle, "wb") as stream:
            stream.write(content)
        Path(partial).chmod(0o644)
        return Path(partial).replace(path)
    except OSError as error:
        raise TunebookError(
            f"{path}: cannot be written ({error.strerror or error}). "
            "Choose another place, or close the program that has it open."
        ) from None
