"""Compare runs: what may be compared is grouped and ranked, what may not is named with the reason."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

import numpy as np
import pandas as pd

from tunebook.analysis.curves.diagnosis import Diagnosis
from tunebook.analysis.curves.many import diagnose_many
from tunebook.analysis.run import NEEDED, USUAL, Run
from tunebook.analysis.sweeps.importance import Importance, importance
from tunebook.analysis.sweeps.ranking import Ranking, noise_sentence, rank_jobs
from tunebook.analysis.sweeps.rows import ComparedJob, columns_of, compared_jobs, jobs_table
from tunebook.analysis.sweeps.score import RunScore, score_run
from tunebook.money import paid, per_million, tier_of
from tunebook.show import Card, Shown, Span, Table, Text
from tunebook.words import number, percent, plural, probability

# US dollars per million trained tokens: one number, or by base model and training type.
Price = float | Callable[[str, str], float | None]
MOST_ROWS = 60  # of a card's table
# A checkpoint this near to the lowest point is as good: seeds differ by as much.
NEAR = 0.02
_LOSSES = ("valid_loss", "full_valid_loss")


@dataclass(frozen=True)
class Group:
    """Runs that may be compared: one base model, training file, validation file and method.

    `ids` are its ranked jobs, best first; `ranking` and `importance` say what they show.
    """

    label: str
    model: str
    training_file: str
    validation_file: str
    method: str
    ids: tuple[str, ...]
    ranking: Ranking = field(repr=False)
    importance: Importance = field(repr=False)
    sentence: str = field(repr=False)

    @property
    def winner(self) -> str:
        return self.ranking.winner


@dataclass(frozen=True, eq=False)
class Comparison(Shown):
    """What a set of runs shows together.

    `frame` has one row a job, ranked ones first: `id`, `suffix`, `model`, the hyperparameters (`n_epochs`,
    `batch_size`, `learning_rate_multiplier` always), `seed`, `status`, `verdict`, `recommended_step`,
    `checkpoint` (name of the checkpoint's model), `observed`, `observed_sd` (what its curve shows there, before the
    others are looked at, and the error of that), `loss`, `loss_low`, `loss_high` (the loss of that checkpoint, 90 %
    interval: the one that every view shows), `accuracy` (fraction), `rank`, `rank_low`, `rank_high`, `p_best`,
    `behind` (fraction above the winner), `indistinguishable`,
    `trained_tokens`, `cost_usd` (NaN where no price is known), `group`. For rewards the loss columns hold
    rewards (see `measure`).

    `lowest_point` is the lowest point of any curve of that group, even where nothing was kept: job, step, epoch, loss,
    kept (whether a checkpoint about as good was), and `settings`, with which a job would end there.

    `winner` is the best job of the largest group, `indistinguishable` the jobs that cannot be told from it,
    `left_out` maps every other job to the reason it is not ranked against them.

    >>> comparison = tb.compare(tb.read_runs("runs"))
    >>> comparison.winner, comparison.indistinguishable, dict(comparison.left_out)
    ('ftjob-calm', (), {})
    """

    frame: pd.DataFrame
    winner: str | None
    sentence: str
    indistinguishable: tuple[str, ...]
    groups: tuple[Group, ...]
    left_out: Mapping[str, str]
    importance: Importance | None
    runs: tuple[Run, ...]
    diagnoses: Mapping[str, Diagnosis]
    hyperparameters: tuple[str, ...]
    lowest_point: Mapping[str, Any] | None = None
    notes: tuple[str, ...] = ()

    @property
    def group(self) -> Group | None:
        """The group the winner belongs to."""
        return self.groups[0] if self.groups else None

    @property
    def measure(self) -> Literal["loss", "reward"]:
        return self.groups[0].ranking.measure.name if self.groups else "loss"

    def run(self, job_id: str) -> Run:
        """The run of that id; KeyError names the ids there are.

        >>> comparison = tb.compare(tb.read_runs("runs"))
        >>> comparison.run(comparison.winner).suffix
        'calm'
        """
        for run, known in zip(self.runs, run_ids(self.runs), strict=True):
            if known == job_id:
                return run
        raise KeyError(f"No run {job_id!r} in this comparison; there are {', '.join(run_ids(self.runs))}.")

    def to_json(self) -> dict[str, Any]:
        """Plain JSON: sentence, winner, indistinguishable, rows, importance, left_out, groups, notes, measure.

        >>> told = tb.compare(tb.read_runs("runs")).to_json()
        >>> told["measure"], len(told["rows"])
        ('loss', 4)
        """
        rows = self.frame.astype(object)
        return {
            "sentence": self.sentence,
            "winner": self.winner,
            "indistinguishable": list(self.indistinguishable),
            "measure": self.measure,
            "lowest_point": None if self.lowest_point is None else dict(self.lowest_point),
            "rows": [
                {key: _plain(value) for key, value in row.items()}
                for row in rows.where(rows.notna(), None).to_dict("records")
            ],
            "importance": None if self.importance is None else self.importance.to_json(),
            "left_out": dict(self.left_out),
            "groups": [
                {
                    "group": group.label,
                    "model": group.model,
                    "training_file": group.training_file,
                    "validation_file": group.validation_file,
                    "method": group.method,
                    "jobs": list(group.ids),
                    "winner": group.winner,
                    "seed_noise": _plain(group.ranking.noise_sd),
                    "seed_noise_known_from": group.ranking.noise_source,
                    "sentence": group.sentence,
                }
                for group in self.groups
            ],
            "notes": list(self.notes),
        }

    @cached_property
    def jobs(self) -> tuple[ComparedJob, ...]:
        """The rows of `frame` as records, which every view lays out (`rows.COLUMNS`).

        >>> comparison = tb.compare(tb.read_runs("runs"))
        >>> [(job.label, job.place) for job in comparison.jobs][0]
        ('calm', '1 (1–2)')
        """
        return compared_jobs(
            self.frame,
            self.hyperparameters,
            diagnoses=self.diagnoses,
            left_out=self.left_out,
            winner=self.winner,
            indistinguishable=self.indistinguishable,
            measure=self.measure,
            level=self.groups[0].ranking.level if self.groups else 0.9,
        )

    def __repr__(self) -> str:
        return f"Comparison({plural(len(self.runs), 'run')}: {self.sentence})"

    def _card(self) -> Card:
        ranked = [job for job in self.jobs if job.ranked]
        left_out = list(self.left_out.items())
        importance = self.importance if len(self.frame) > 1 else None
        return Card(
            Text(Span(self.sentence, "strong")),
            jobs_table(ranked[:MOST_ROWS], columns_of(ranked), _first(ranked, "ranked job")) if ranked else None,
            *(importance.parts() if importance else ()),
            Table(
                ("Job", "Why"),
                [(Span(job_id, "code"), Span(reason, "words")) for job_id, reason in left_out[:MOST_ROWS]],
                _first(left_out, "job", " left out"),
            )
            if left_out
            else None,
            *(Text(note) for note in self.notes),
        )


def compare(
    runs: Iterable[Run],
    *,
    diagnoses: Mapping[str, Diagnosis] | None = None,
    files: Mapping[str, str] | None = None,
    price: Price | None = None,
    level: float = 0.9,
    noise_sd: float | None = None,
    workers: int | None = None,
    seed: int = 0,
) -> Comparison:
    """Compare runs; see `Comparison`. Nothing is dropped silently and nothing raises for runs that cannot be ranked.

    `diagnoses` maps ids to diagnoses made before (made here otherwise); `files` maps file ids to what stands for
    their content (a hash, a name), so that the same file uploaded twice counts as the same; `price` is US dollars
    per million trained tokens, one number or a function of base model and training type that answers None when
    unknown (default: the catalogue's prices, which `TUNEBOOK_CATALOGUE` adds to); `level` is the coverage of the
    intervals; `noise_sd` the luck of a seed if known from elsewhere (fraction of loss);
    `workers` the processes that diagnose (default: all cores where that is worth it, see `diagnose_many`).

    >>> comparison = tb.compare(tb.read_runs("runs"))
    >>> comparison.sentence
    'ftjob-calm (calm) is the best guess: validation loss ...'
    >>> comparison.frame[["suffix", "n_epochs", "verdict", "rank"]]
      suffix  n_epochs      verdict  rank
    0   calm         3      healthy     1
    1  short         2      healthy     2
    2   long         6  overfitting     3
    3  hasty         3      healthy     4
    """
    runs, notes = _distinct(runs)
    by_id = dict(zip(run_ids(runs), runs, strict=True))
    reasons = {job_id: _not_ranked(run) for job_id, run in by_id.items()}
    judged = dict(diagnoses or {})
    to_judge = [job_id for job_id, reason in reasons.items() if not reason and job_id not in judged]
    made = diagnose_many([by_id[job_id] for job_id in to_judge], workers=workers, seed=seed)
    judged |= dict(zip(to_judge, made, strict=True))
    scores, left_out = _scored(by_id, reasons, judged)
    hyperparameters = _hyperparameters(runs)
    frame = _facts(by_id, hyperparameters, judged, scores, per_million if price is None else price)
    members = _members(by_id, scores, files or {})
    for together in members.values():
        left_out |= _untold(frame, together, hyperparameters)
    groups = _groups(frame[~frame["id"].isin(left_out)], members, hyperparameters, level, noise_sd, seed)
    for group in groups[1:]:
        left_out |= dict.fromkeys(group.ids, _other_data(group, groups[0]))
    lowest = _lowest_point(groups[0].ids, by_id, judged) if groups else None
    return Comparison(
        frame=_ranked(frame, groups),
        winner=groups[0].winner if groups else None,
        sentence=_sentence(groups, left_out, len(runs)),
        indistinguishable=groups[0].ranking.indistinguishable if groups else (),
        groups=groups,
        left_out=left_out,
        importance=groups[0].importance if groups else None,
        runs=runs,
        diagnoses=judged,
        hyperparameters=hyperparameters,
        lowest_point=lowest,
        notes=(*notes, *_notes(groups, scores, runs), *_next_job(lowest)),
    )


def _scored(
    runs: Mapping[str, Run], reasons: Mapping[str, str], diagnoses: Mapping[str, Diagnosis]
) -> tuple[dict[str, RunScore], dict[str, str]]:
    """Each job's score, or the reason that it has none."""
    scores, left_out = {}, {}
    for job_id, run in runs.items():
        reason = reasons[job_id]
        if not reason and diagnoses[job_id].verdict == "diverged":
            reason = f"diverged: {diagnoses[job_id].reason}"
        score = None if reason else score_run(run, diagnoses[job_id])
        if score is not None:
            scores[job_id] = score
        else:
            unmeasured = "no validation values: without a validation file nothing says how good it is"
            left_out[job_id] = reason or unmeasured
    return scores, left_out


def _lowest_point(
    ids: Sequence[str], runs: Mapping[str, Run], diagnoses: Mapping[str, Diagnosis]
) -> dict[str, Any] | None:
    """The lowest point of any curve of the jobs; None where they are rewarded or nothing was measured."""
    points = [(diagnoses[job_id].best or {}, job_id) for job_id in ids if diagnoses[job_id].metric in _LOSSES]
    points = [(best, job_id) for best, job_id in points if best and np.isfinite(best["loss"])]
    if not points:
        return None
    best, job_id = min(points, key=lambda point: point[0]["loss"])
    kept = diagnoses[job_id].checkpoint
    settings = {name: value for name, value in runs[job_id].hyperparameters.items() if value is not None}
    if best["epoch"] is not None:
        settings["n_epochs"] = max(1, round(best["epoch"]))
    near = kept is not None and kept["above_best"] <= NEAR
    return {"job": job_id, **best, "kept": near, "settings": settings}


def _next_job(lowest: Mapping[str, Any] | None) -> Iterator[str]:
    """The job to run next, when the lowest point was not kept."""
    if lowest is not None and not lowest["kept"] and lowest["epoch"] is not None:
        settings = ", ".join(f"{name} = {value}" for name, value in lowest["settings"].items())
        yield (
            f"The lowest point of any job, {number(lowest['loss'])} at epoch {number(lowest['epoch'], 3)} of "
            f"{lowest['job']}, was not kept. The next job to run: {settings}."
        )


def _notes(groups: tuple[Group, ...], scores: Mapping[str, RunScore], runs: tuple[Run, ...]) -> Iterator[str]:
    """What limits the ranking of the first group, and what of the runs could not be read."""
    if groups and len({scores[job_id].source for job_id in groups[0].ids}) > 1:
        yield (
            "Some jobs have a loss on the whole validation file and some only on batches of it; the latter carry "
            "the wider error of their smoothed curve."
        )
    if groups:
        yield noise_sentence(groups[0].ranking)
    for run in runs:
        yield from (problem for part, problem in run.problems.items() if part not in NEEDED)


def _first(rows: Sequence[object], what: str, how: str = "") -> str:
    more = f", the first {MOST_ROWS} of them shown" if len(rows) > MOST_ROWS else ""
    return f"{plural(len(rows), what)}{how}{more}"


def run_ids(runs: Iterable[Run]) -> tuple[str, ...]:
    """The runs' ids; one without gets its place, "run 3"."""
    return tuple(run.id or f"run {place}" for place, run in enumerate(runs, 1))


def _distinct(runs: Iterable[Run]) -> tuple[tuple[Run, ...], list[str]]:
    kept: dict[str, Run] = {}
    again = []
    for place, run in enumerate(runs, 1):
        key = run.id or f"run {place}"
        if key in kept:
            again.append(key)
        else:
            kept[key] = run
    notes = [f"Given more than once and counted once: {', '.join(sorted(set(again)))}."] if again else []
    return tuple(kept.values()), notes


def _not_ranked(run: Run) -> str:
    if damaged := [run.problems[part] for part in NEEDED if part in run.problems]:
        return " ".join(damaged)
    if run.status in ("failed", "cancelled"):
        return f"{run.status}{_error_of(run)}"
    if run.status and run.status != "succeeded":
        return f"not finished (status {run.status})"
    if run.results is None or not len(run.results):
        return "no results"
    if len(run.results.parts) > 1:
        return f"its result file holds {plural(len(run.results.parts), 'job')}: give each as a run of its own"
    return ""


def _error_of(run: Run) -> str:
    error = run.job.get("error")
    message = error.get("message") if isinstance(error, Mapping) else None
    return f": {message}" if message else ""


def _hyperparameters(runs: Iterable[Run]) -> tuple[str, ...]:
    """The usual three, then any other that some run was given a value for."""
    others = {name for run in runs for name in run.hyperparameters}.difference(USUAL)
    return (*USUAL, *sorted(others))


def _facts(
    runs: Mapping[str, Run],
    hyperparameters: tuple[str, ...],
    diagnoses: Mapping[str, Diagnosis],
    scores: Mapping[str, RunScore],
    price: Price,
) -> pd.DataFrame:
    """One row a job, before any comparison."""
    rows = []
    for job_id, run in runs.items():
        diagnosis, score = diagnoses.get(job_id), scores.get(job_id)
        settings = run.hyperparameters
        rows.append(
            {
                "id": job_id,
                "suffix": run.suffix,
                "model": run.model,
                **{name: settings.get(name) for name in hyperparameters},
                "seed": run.seed,
                "status": run.status,
                "verdict": diagnosis.verdict if diagnosis else None,
                "recommended_step": score.step if score else None,
                "checkpoint": _checkpoint_name(run, diagnosis),
                "observed": score.value if score else np.nan,
                "observed_sd": score.sd if score else np.nan,
                "accuracy": score.accuracy if score else np.nan,
                "trained_tokens": run.trained_tokens,
                "cost_usd": _cost(run, price),
            }
        )
    return pd.DataFrame(rows, columns=None if rows else ["id", *hyperparameters, "observed"])


def _checkpoint_name(run: Run, diagnosis: Diagnosis | None) -> str | None:
    """The model to deploy: the recommended checkpoint's, else the job's own."""
    kept = diagnosis.checkpoint if diagnosis else None
    return (kept or {}).get("name") or run.fine_tuned_model


def _cost(run: Run, price: Price) -> float:
    """Training price in US dollars: trained tokens times the price; NaN when either is not known."""
    rate = price(run.model, tier_of(run.job)) if callable(price) else price
    usd = paid(run.trained_tokens, rate)
    return float("nan") if usd is None else usd


# Base model, content of training and validation file, method, measure: what has to be the same to be compared.
_Key = tuple[str, str, str, str, str]


def _members(
    runs: Mapping[str, Run], scores: Mapping[str, RunScore], files: Mapping[str, str]
) -> dict[_Key, list[str]]:
    """The scored jobs that may be compared, by what they have in common."""
    members: dict[_Key, list[str]] = {}
    for job_id, score in scores.items():
        run = runs[job_id]
        training, validation = run.training_file or "", run.validation_file or ""
        data = files.get(training, training), files.get(validation, validation)
        members.setdefault((run.model, *data, run.method, score.measure), []).append(job_id)
    return members


def _untold(frame: pd.DataFrame, ids: list[str], hyperparameters: tuple[str, ...]) -> dict[str, str]:
    """Jobs whose configuration is not known although that of most is: id -> reason.

    What hardly any job tells is not modelled instead (see `rank_jobs`), and what is the same for all does not matter.
    """
    jobs = frame[frame["id"].isin(ids)].set_index("id")
    missing: dict[str, list[str]] = {}
    for name in hyperparameters:
        told = jobs[name].notna()
        if told.mean() >= 0.5 and jobs.loc[told, name].nunique() > 1:
            for job_id in jobs.index[~told]:
                missing.setdefault(str(job_id), []).append(name)
    return {
        job_id: f"{', '.join(names)} not told: nothing says which configuration it is"
        for job_id, names in missing.items()
    }


def _groups(
    frame: pd.DataFrame,
    members: Mapping[_Key, list[str]],
    hyperparameters: tuple[str, ...],
    level: float,
    noise_sd: float | None,
    seed: int,
) -> tuple[Group, ...]:
    """Comparable groups of the jobs in `frame`, largest first, each ranked."""
    found = [(key, frame[frame["id"].isin(ids)]) for key, ids in members.items()]
    found = sorted((each for each in found if len(each[1])), key=lambda each: -len(each[1]))
    groups = []
    for place, (key, jobs) in enumerate(found):
        measure: Any = key[4]
        ranking = rank_jobs(jobs, hyperparameters, measure=measure, level=level, noise_sd=noise_sd, seed=seed)
        jobs = jobs.assign(observed=jobs["id"].map(ranking.frame["observed"]))
        groups.append(
            Group(
                label=_letter(place),
                model=key[0],
                training_file=key[1],
                validation_file=key[2],
                method=key[3],
                ids=tuple(ranking.frame.index),
                ranking=ranking,
                importance=importance(jobs, hyperparameters, ranking.surface, ranking.measure, seed=seed),
                sentence=_group_sentence(ranking, frame.set_index("id")),
            )
        )
    return tuple(groups)


def _letter(place: int) -> str:
    return chr(ord("A") + place) if place < 26 else f"{_letter(place // 26 - 1)}{_letter(place % 26)}"


def _ranked(frame: pd.DataFrame, groups: tuple[Group, ...]) -> pd.DataFrame:
    """The facts with each group's ranking beside them, ranked jobs first."""
    columns = [
        "loss",
        "loss_low",
        "loss_high",
        "rank",
        "rank_low",
        "rank_high",
        "p_best",
        "behind",
        "indistinguishable",
    ]
    if groups:
        found = pd.concat([group.ranking.frame[columns].assign(group=group.label) for group in groups])
    else:
        found = pd.DataFrame(columns=[*columns, "group"])
    joined = frame.join(found, on="id")
    for column in ("rank", "rank_low", "rank_high"):
        joined[column] = joined[column].astype("Int64")
    joined["indistinguishable"] = joined["indistinguishable"].eq(True)
    order = {job_id: place for place, job_id in enumerate(job_id for group in groups for job_id in group.ids)}
    places = joined["id"].map(order).fillna(len(order))
    return joined.iloc[places.argsort(kind="stable")].reset_index(drop=True)


def _other_data(group: Group, first: Group) -> str:
    names = {
        "model": "base model",
        "training_file": "training file",
        "validation_file": "validation file",
        "method": "method",
    }
    differing = [
        f"other {said} ({getattr(group, name) or 'none'})"
        for name, said in names.items()
        if getattr(group, name) != getattr(first, name)
    ]
    why = ", ".join(differing) or "other measure"
    return f"{why}: not comparable with group {first.label}, ranked in group {group.label}"


def _group_sentence(ranking: Ranking, frame: pd.DataFrame) -> str:
    best = ranking.frame.loc[ranking.winner]
    name = frame.loc[ranking.winner, "suffix"]
    who = f"{ranking.winner} ({name})" if isinstance(name, str) and name else ranking.winner
    measure = "validation loss" if ranking.measure.name == "loss" else "validation reward"
    value = f"{best['loss']:#.4g} ({percent(ranking.level)} interval {best['loss_low']:#.4g}–{best['loss_high']:#.4g})"
    others = len(ranking.frame) - 1
    if not others:
        return f"Only {who} can be ranked: {measure} {value}."
    alike = int(ranking.frame["indistinguishable"].sum())
    each = "the other job" if others == 1 else f"each of the {others} other jobs"
    rest = (
        f"{alike} of the {plural(others, 'other job')} cannot be told apart from it"
        if alike
        else f"{each} is worse with at least {percent(0.5 + ranking.level / 2)} probability"
    )
    luck = (
        "all have the same settings, so only the luck of their seeds sets them apart"
        if np.isnan(ranking.again)
        else f"with other seeds its settings would come first with probability {probability(ranking.again)}"
    )
    chance = probability(best["p_best"])
    return f"{who} is the best guess: {measure} {value}, best with probability {chance}; {rest}; {luck}."


def _sentence(groups: tuple[Group, ...], left_out: Mapping[str, str], total: int) -> str:
    if not total:
        return "There are no runs to compare."
    if not groups:
        reasons = sorted(set(left_out.values()))
        return f"None of the {total} runs can be ranked: {'; '.join(reasons[:3])}."
    said = groups[0].sentence
    if left_out:
        verb = "is" if len(left_out) == 1 else "are"
        said = said[:-1] + f" ({len(left_out)} of {total} jobs {verb} not ranked with these)."
    return said


def _plain(value: Any) -> Any:
    """numpy scalars -> Python's; NaN -> None."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not np.isfinite(value):
        return None
    return value
