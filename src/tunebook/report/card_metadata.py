"""What a model card tells the Hugging Face Hub: the YAML block at its head.

Keys and shapes are those of the Hub's documentation ("Model card metadata"); what `huggingface_hub.ModelCard`
reads is what was meant. The Hub takes names of models and data sets only as ids: others stand in the text alone.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from tunebook.analysis.sweeps.rows import ComparedJob
from tunebook.catalogue import load_catalogue
from tunebook.experiments.evaluation.paired import PairedResult
from tunebook.experiments.evaluation.record import Evaluation, ModelScore
from tunebook.report.provenance import Record
from tunebook.words import aligned, between, missing, percent

_TASK = {"type": "text-generation", "name": "Text generation"}
_SCORE_LEVEL = 0.95  # of the interval of a ModelScore
# Names of scores as the Hub spells its metrics.
_METRICS = {"exact": "exact_match"}
_ID = re.compile(r"(?!.*(--|\.\.|\.git$))[A-Za-z0-9](?:[A-Za-z0-9._-]{0,94}[A-Za-z0-9])?")
# What needs no quotes unless it means something in YAML, which the library knows.
_WORD = re.compile(r"[A-Za-z][A-Za-z_-]*")
_HALVES = re.compile(r"[\ud800-\udfff]")  # half characters (lone surrogates), which no file holds


def metadata_of(
    *,
    name: str,
    job: ComparedJob,
    of_job: Record,
    files: Sequence[Record],
    score: ModelScore | None,
    gain: PairedResult | None,
    evaluation: Evaluation | None,
    languages: Sequence[str],
) -> dict[str, Any]:
    """The metadata of a card on the model `name`. of_job, files: from the record of `provenance.record_of`; score,
    gain: what `evaluation` found of this model. What is not known has no key."""
    known = load_catalogue().model(job.model)
    base = known.id if known else job.model  # of a job that continued another one, where it all began
    by_id = {file["id"]: file["name"] or file["id"] for file in files}
    training, validation = (by_id.get(of_job[f"{use}_file"]) for use in ("training", "validation"))
    results = [_measured(job, validation)] if validation and job.loss is not None else []
    if evaluation is not None and (score is not None or gain is not None):
        results.append(_evaluated(evaluation, score, gain))
    tags = [
        "azure-openai",
        "fine-tuning",
        of_job["method"],
        "tunebook",
        *(["practice-model"] if of_job["practice"] else []),
    ]
    told = {
        "base_model": _hub_id(base),
        "base_model_relation": "finetune" if _hub_id(base) else None,
        "datasets": [found] if (found := _hub_id(training) or _hub_id(of_job["training_file"])) else None,
        "language": list(languages),
        "pipeline_tag": _TASK["type"],
        "tags": list(filter(None, tags)),
        "metrics": sorted({metric["type"] for result in results for metric in result["metrics"]}),
        "model-index": [{"name": name, "results": results}] if results else None,
    }
    return {key: value for key, value in told.items() if value}


def _measured(job: ComparedJob, validation: str) -> dict[str, Any]:
    """What the service measured on the validation file at the checkpoint's step."""
    _, low, high = aligned(job.loss, job.loss_low, job.loss_high)
    name = f"Validation {job.measure}{_interval_words(job.level, low, high)}"
    metrics = [_metric(job.measure, name, job.loss, job.loss_low, job.loss_high, job.level)]
    if job.accuracy is not None:
        metrics.append(_metric("accuracy", "Token accuracy on the validation file", job.accuracy))
    return {"task": _TASK, "dataset": _dataset(validation, "validation"), "metrics": metrics}


def _evaluated(evaluation: Evaluation, score: ModelScore | None, gain: PairedResult | None) -> dict[str, Any]:
    """What the model scored on the examples of an evaluation, and what it gained over the first model."""
    kind = _METRICS.get(evaluation.score, _slug(evaluation.score))
    metrics = []
    if score is not None and not missing(score.mean):
        ends = (evaluation.score_text(score.low), evaluation.score_text(score.high))
        name = f"{evaluation.score.capitalize()}{_interval_words(_SCORE_LEVEL, *ends)}"
        metrics.append(_metric(kind, name, score.mean, score.low, score.high, _SCORE_LEVEL, examples=score.n))
    if gain is not None:
        ends = (evaluation.points_text(gain.low), evaluation.points_text(gain.high))
        name = f"Gain in {evaluation.score} over the base model{_interval_words(gain.level, *ends)}"
        examples = gain.n or evaluation.n
        metrics.append(_metric(f"{kind}_gain", name, gain.gain, gain.low, gain.high, gain.level, examples=examples))
    return {"task": _TASK, "dataset": _dataset(evaluation.dataset or "examples", "test"), "metrics": metrics}


def _metric(
    kind: str, name: str, value: Any, low: Any = None, high: Any = None, level: float = 0.0, *, examples: int = 0
) -> dict[str, Any]:
    """A metric of the model index; its interval stands in its name for people, in its `args` for programs."""
    args: dict[str, Any] = {"examples": examples} if examples else {}
    if not missing(low) and not missing(high):
        args |= {"interval": level, "low": low, "high": high}
    return {"type": kind, "name": name, "value": value, **({"args": args} if args else {})}


def _interval_words(level: float, low: str, high: str) -> str:
    return f" ({percent(level)} interval {between(low, high)})" if low and high else ""


def _dataset(name: str, split: str) -> dict[str, Any]:
    return {"type": _hub_id(name) or _slug(name), "name": name, "split": split}


def _hub_id(name: str | None) -> str | None:
    """The name, where the Hub takes it as the id of a model or data set."""
    return name if name and _ID.fullmatch(name) else None


def _slug(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9]+", "_", text)[:60].strip("_").lower() or "unnamed"


class _Quoting(yaml.SafeDumper):
    """Quotes every text but plain words, so that YAML 1.1 and 1.2 read the same; writes out what stands twice."""

    def ignore_aliases(self, data: Any) -> bool:
        del data
        return True


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    whole = _HALVES.sub("\N{REPLACEMENT CHARACTER}", text)
    style = None if _WORD.fullmatch(whole) else '"'
    return dumper.represent_scalar("tag:yaml.org,2002:str", whole, style=style)


_Quoting.add_representer(str, _text)
_Quoting.add_multi_representer(float, lambda dumper, value: dumper.represent_float(float(value)))  # numpy's, too


def front_matter(metadata: Mapping[str, Any]) -> str:
    """Metadata as YAML between its two rules, which no text in it can close."""
    block = yaml.dump(metadata, Dumper=_Quoting, sort_keys=False, allow_unicode=True, width=math.inf)
    return f"---\n{block}---\n"
