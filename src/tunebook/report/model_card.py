"""The model card: what whoever takes over a model must know, as the README of a Hugging Face repository."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from importlib import metadata
from typing import Any

from tunebook import show
from tunebook.analysis.curves.wording import title as verdict_title
from tunebook.analysis.sweeps.comparison import Comparison
from tunebook.analysis.sweeps.rows import ComparedJob, jobs_table
from tunebook.errors import RequestError
from tunebook.experiments.evaluation.record import Evaluation, read_evaluation
from tunebook.report.answer import hosting_price, retirement_note, spent, where_kept, write_answer
from tunebook.report.building import subtitle_of
from tunebook.report.card_metadata import front_matter, metadata_of
from tunebook.report.card_subject import CardSubject, scored, subject_of
from tunebook.report.content import Answer, Table
from tunebook.report.figures import Figure, accuracy_figure, figures_of
from tunebook.report.markdown import markdown_environment
from tunebook.report.provenance import (
    NOT_TOLD,
    Record,
    incidents_table,
    job_facts,
    jobs_tables,
    models_table,
    record_of,
    software_table,
)
from tunebook.report.tables import left_out_table, ranking_columns, scores_table
from tunebook.report.writing import WrittenReport, file_target, replace_file, write_beside
from tunebook.show import Span, Text
from tunebook.words import count, listed, plural

# Ranked jobs shown on a card; the record beside it has all.
MOST_RANKED = 10
_CAPTIONS = {"loss": "Loss", "reward": "Reward", "accuracy": "Token accuracy", "all-jobs": "All jobs"}
_LANGUAGE = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]+)?|code|multilingual")
_UNMEASURED = (
    "Not measured here: safety, fairness, and how it answers what is unlike its examples. "
    "What holds for the base model, its terms of use among it, holds for this one too."
)


class WrittenCard(WrittenReport):
    """The path of a model card; a notebook shows it as a link."""

    _called = "The model card"


def write_model_card(
    source: Any,
    path: str | os.PathLike[str],
    *,
    evaluation: Any = None,
    files: Mapping[str, str | os.PathLike[str]] | None = None,
    intended_use: str = "",
    language: str | Iterable[str] = (),
    title: str | None = None,
    made: datetime | None = None,
) -> WrittenCard:
    """Write the card of a model, a README.md in the format of the Hugging Face Hub, for whoever takes the model over.

    `source` is a run, a comparison (of which the card tells the best job, and which one that is), what else
    `write_report` takes, or a deployment, whose job is looked up at its resource. `path` ends in `.md`; the figures
    are written into `<name>_files` beside it, and `provenance.json` (`tb.report.provenance_record`, and `subject`: what
    the card is about) into the same folder.

    The head is YAML: `base_model`, `datasets`, `tags`, `model-index` with what was measured and its intervals. Then
    intended use, data, method, curves, verdict, evaluation, cost, limits and provenance; what is not known says so.
    `evaluation` is what `tb.evaluate` returned; `files` maps file ids of the service to paths here, so that rows,
    bytes and SHA-256 are told; `intended_use` is plain text in your words, paragraphs apart by an empty line;
    `language` are ISO 639 codes, where known; `title` heads the card, `made` dates it (default: now, UTC).

    Returns the path written. Files that are there are replaced. Raises RequestError for a path that cannot be
    written, a source without a model, and an evaluation of another model.

    >>> tb.write_model_card("runs", "README.md", intended_use="Answers where a parcel is.", language="en")
    WrittenCard('README.md')
    """
    target = file_target(path, "model card", (".md",))
    made = made or datetime.now(UTC)
    languages = _languages(language)
    subject = subject_of(source)
    judged = read_evaluation(evaluation)
    record = _record(subject, files, made)
    figures = _figures(subject)
    head = front_matter(_metadata(subject, record, judged, languages))
    folder = write_beside(target, figures)
    body = _body(subject, record, judged, figures, folder=folder, title=title, intended_use=intended_use, made=made)
    told = json.dumps(record, indent=2, ensure_ascii=False, allow_nan=False)
    replace_file(target.with_name("provenance.json"), f"{told}\n")
    return WrittenCard(replace_file(target, f"{head}\n{body}"))


def _languages(language: str | Iterable[str]) -> tuple[str, ...]:
    codes = (language,) if isinstance(language, str) else tuple(language)
    wrong = next((code for code in codes if not _LANGUAGE.fullmatch(code)), None)
    if wrong is not None:
        raise RequestError(f'language={wrong!r}: give codes of ISO 639, such as "en" or ("de", "fr").')
    return codes


def _record(subject: CardSubject, files: Mapping[str, Any] | None, made: datetime) -> dict[str, Any]:
    record = record_of(subject.comparison, files, made=made)
    for file in record["files"]:
        file["name"] = file["name"] or (subject.file_names or {}).get(file["id"])
    about = {"model": subject.model, "job": subject.job.id, "step": subject.job.step}
    return {"subject": {**about, "deployment": subject.deployment or None}, **record}


def _of_job(subject: CardSubject, record: Record) -> Record:
    return next(job for job in record["jobs"] if job["id"] == subject.job.id)


# ---- what it says


def _metadata(
    subject: CardSubject, record: Record, evaluation: Evaluation | None, languages: Sequence[str]
) -> dict[str, Any]:
    score, gain = scored(subject, evaluation)
    return metadata_of(
        name=subject.model,
        job=subject.job,
        of_job=_of_job(subject, record),
        files=record["files"],
        score=score,
        gain=gain,
        evaluation=evaluation,
        languages=languages,
    )


def _figures(subject: CardSubject) -> list[Figure]:
    """Loss (or reward), accuracy, and all jobs where there are several."""
    drawn = figures_of(subject.comparison)
    of_job = drawn.jobs.get(subject.job.id, drawn.winner)
    loss = replace(of_job, name=subject.job.measure) if of_job else None
    accuracy = accuracy_figure(subject.comparison, subject.job.id, subject.job.label)
    return [figure for figure in (loss, accuracy, drawn.sweep) if figure is not None]


def _body(
    subject: CardSubject,
    record: Record,
    evaluation: Evaluation | None,
    figures: Sequence[Figure],
    *,
    folder: str,
    title: str | None,
    intended_use: str,
    made: datetime,
) -> str:
    """The card below its metadata, part by part."""
    comparison, job = subject.comparison, subject.job
    answer = write_answer(comparison, comparison.jobs, evaluation)
    text = (
        markdown_environment()
        .get_template("model_card.md.j2")
        .render(
            title=title or f"{subject.deployment or job.label}: {job.model or 'a model'}, fine-tuned",
            summary=_summary(subject, record),
            caution=answer.caution,
            glance=_glance(subject, answer),
            intended_use=[part.strip() for part in re.split(r"\n\s*\n", intended_use) if part.strip()],
            data=_data(record),
            hashes=_hashes(record),
            method=_method(_of_job(subject, record)),
            subtitle=subtitle_of(comparison) if subject.several else "",
            figures=figures,
            captions=_CAPTIONS,
            folder=folder,
            verdict=job.verdict,
            conclusion=_conclusion(job),
            verdict_lines=_verdict_lines(subject, answer),
            ranking=_ranking(comparison) if subject.several else None,
            left_out=left_out_table(comparison.jobs),
            evaluation=evaluation,
            scores=scores_table(evaluation) if evaluation else None,
            asked=_asked(subject, evaluation),
            cost=_cost(subject),
            running_costs=subject.terms or [f"{price}." for price in [hosting_price()] if price],
            limits=_limits(subject, evaluation),
            provenance=_provenance(subject, record),
            version=metadata.version("tunebook"),
            made=made,
        )
    )
    return re.sub(r"\n{3,}", "\n\n", text).strip() + "\n"


def _provenance(subject: CardSubject, record: Record) -> list[Table]:
    """The tables of the record that no other part of the card shows."""
    jobs = jobs_tables(record) if subject.several else []
    tables = [*jobs, models_table(record), incidents_table(record), software_table(record)]
    return [table for table in tables if table.rows]


def _conclusion(job: ComparedJob) -> str:
    return verdict_title(job.verdict) if job.verdict else "Not judged"


def _summary(subject: CardSubject, record: Record) -> Text:
    """What the model is, in one sentence: where in which job it comes from, from which base model, on what."""
    job, of_job = subject.job, _of_job(subject, record)
    file = next((file for file in record["files"] if file["id"] == of_job["training_file"]), None)
    data: tuple[str | Span, ...] = (" on a file that is not told",)
    if file is not None:
        rows = f" ({plural(file['rows'], 'example')})" if file["rows"] is not None else ""
        data = (" on ", Span(file["name"] or file["id"], "code"), rows)
    best = f", the best of {len(subject.comparison.runs)} jobs" if subject.several else ""
    where = where_kept(job, subject.run)
    return Text(
        (
            f"{where[:1].upper()}{where[1:]} of ",
            Span(job.label, "code"),
            f"{best}: ",
            Span(job.model or "a base model that is not told", "code"),
            " fine-tuned",
            *data,
            ".",
        )
    )


def _glance(subject: CardSubject, answer: Answer) -> Table:
    choice = subject.diagnosis.choice if subject.diagnosis else ""
    as_advised = subject.model == subject.recommended  # else the answer's figures are of another checkpoint
    facts = answer.facts if as_advised else spent(subject.comparison.frame, subject.comparison.runs)
    rows = [
        ("Model", Span(subject.model, "code"), f"answers as {subject.deployment}" if subject.deployment else ""),
        ("Verdict", Span(_conclusion(subject.job), "strong"), choice),
        *((fact.label, Span(fact.value, "strong"), fact.note) for fact in facts),
    ]
    return Table(("", "", ""), rows, labelled=True)


def _data(record: Record) -> Table:
    """The files by name, with what was given to be read of them."""
    rows: list[Sequence[show.Inline]] = [
        (
            Span(file["name"] or file["id"], "code"),
            listed(file["used_for"]),
            *(count(file[key]) or NOT_TOLD for key in ("rows", "bytes")),
        )
        for file in record["files"]
    ]
    return Table(("File", "Used for", "Rows", "Bytes"), rows, numeric=(2, 3), labelled=True)


def _hashes(record: Record) -> list[Text]:
    """What tells each file from every other: its hash, and its id at the service."""
    return [
        Text(
            (
                Span(file["name"] or file["id"], "code"),
                ": SHA-256 ",
                Span(file["sha256"], "code") if file["sha256"] else NOT_TOLD,
                *((", at the service ", Span(file["id"], "code")) if file["name"] else ()),
            )
        )
        for file in record["files"]
    ]


def _method(of_job: Record) -> Table:
    """How it was trained; what the service did not tell is said to be so."""
    told = job_facts(of_job) | {"Base model": of_job["base_model"] or ""}
    rows = [(name, Span(value, "code") if name == "Job" else value or NOT_TOLD) for name, value in told.items()]
    return Table(("What", "Value"), rows, labelled=True)


def _verdict_lines(subject: CardSubject, answer: Answer) -> list[str]:
    """The evidence for the verdict, and what follows from it."""
    told = subject.diagnosis.told if subject.diagnosis else "The job left no measurements to judge."
    lines = [told, f"{answer.headline} {answer.because}"]
    if subject.model != subject.recommended:
        lines.append(f"What this card is about is not what the diagnosis recommends, which is {subject.recommended}.")
    return lines


def _ranking(comparison: Comparison) -> show.Table:
    ranked = [job for job in comparison.jobs if job.ranked]
    shown = ranked[:MOST_RANKED]
    of = f" of {len(ranked)}" if len(ranked) > len(shown) else ""
    columns = [replace(c, cell=lambda job: job.label) if c.name == "id" else c for c in ranking_columns(ranked)]
    return jobs_table(shown, columns, f"{plural(len(shown), 'ranked job')}{of}, best first")


def _cost(subject: CardSubject) -> Table:
    """What this job took and, where there were several, all of them."""
    frame, runs = subject.comparison.frame, subject.comparison.runs
    rows = [
        (f"{fact.label}, {which}", Span(fact.value, "strong"), fact.note)
        for which, facts in (
            ("this job", spent(frame[frame["id"].astype(str) == subject.job.id], [subject.run])),
            (f"all {len(runs)} jobs", spent(frame, runs) if subject.several else []),
        )
        for fact in facts
    ]
    return Table(("What", "Value", "Of what"), rows or [("Training", NOT_TOLD, "")], labelled=True)


def _asked(subject: CardSubject, evaluation: Evaluation | None) -> list[str]:
    """Who was asked under which name, and whether the examples were held out."""
    if evaluation is None:
        return []
    served = {score.model: score.served for score in evaluation.models if score.served not in ("", score.model)}
    here = {subject.model: "this model", subject.job.model: "the base model"}
    held_out = str(evaluation.held_out or "Whether the examples were held out is not told.")
    return [*(f"{name} serves {here.get(model, model)}." for name, model in served.items()), held_out]


def _limits(subject: CardSubject, evaluation: Evaluation | None) -> list[str]:
    """What a reader must not conclude from this card."""
    comparison, diagnosis = subject.comparison, subject.diagnosis
    ends = retirement_note(comparison, subject.job)
    unevaluated = "Whether it is better than its base model is not known: the two were not compared."
    return [
        *((unevaluated,) if evaluation is None else evaluation.notes),
        *(comparison.notes if subject.several else ()),
        *(diagnosis.notes if diagnosis else ()),
        *subject.run.problems.values(),
        *((f"{ends[:1].upper()}{ends[1:]}",) if ends and not subject.terms else ()),
        _UNMEASURED,
    ]
