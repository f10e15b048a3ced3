"""The steps that a comparison leaves open, each with its price, its gain by `worth`, and its ready request."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from tunebook.analysis.run import Run
from tunebook.analysis.sweeps.comparison import Comparison, Group
from tunebook.analysis.sweeps.landscape import places
from tunebook.analysis.sweeps.more_data import MoreData
from tunebook.analysis.sweeps.steps import Step
from tunebook.analysis.sweeps.suggestions import Suggestions, suggest
from tunebook.analysis.sweeps.worth import Gain, Incumbent, of_evaluation, of_jobs
from tunebook.catalogue import load_catalogue
from tunebook.money import paid, per_million, tier_of
from tunebook.words import is_number, missing, money, number, percent, plural, probability, setting

SEEDS = 2
# Jobs at suggested settings scatter around what was expected by this share of what the surface's draws do: a surface
# that doubts its own settings is wide, and suggestions lie near jobs. By simulation (`sweeps.py gains`, other seeds).
SCATTER = 0.6
# Examples below which an evaluation says nothing, and above which nobody makes one to tell two jobs apart.
FEWEST_EXAMPLES, MOST_EXAMPLES = 50, 5000
# The most that the published description of the API takes.
LARGEST_EPOCHS = 50
# From fewer jobs what a step gains would be belief alone: no number is told.
FEWEST_JOBS = 3


class OpenSteps:
    """Where a comparison stands, and the steps that are open from there."""

    def __init__(self, comparison: Comparison, group: Group, seed: int) -> None:
        self.comparison, self.group = comparison, group
        self.ranking = self.group.ranking
        self.now = Incumbent.of(self.ranking)
        self.rng = np.random.default_rng([seed, 17])
        self.seed = seed
        self.run = comparison.run(self.group.winner)
        self.row = comparison.frame.set_index("id").loc[self.group.winner]
        self.name = self.run.suffix or self.group.winner
        self.settings = self.run.hyperparameters
        self.few = len(self.ranking.frame) < FEWEST_JOBS
        others = len(comparison.groups) - 1
        self.notes: tuple[str, ...] = (
            (f"Not looked at: {plural(others, 'other group')} of jobs with another model, file, method or measure.",)
            if others
            else ()
        )

    def _luck(self, jobs: int) -> np.ndarray[Any, Any]:
        return self.now.luck[:, None] * self.rng.standard_normal((len(self.now.luck), jobs))

    def _of_jobs(self, truths: np.ndarray[Any, Any]) -> Gain | None:
        return None if self.few else of_jobs(self.now, truths, self.rng)

    def _cost(self, n_epochs: Any = None, jobs: int = 1) -> float | None:
        """US dollars of jobs like the winner with other epochs; None where price, tokens or epochs are not known."""
        usd: Any = self.row["cost_usd"]
        own: Any = self.settings.get("n_epochs")
        if missing(usd):
            return None
        if n_epochs is None or n_epochs == own:
            return float(usd) * jobs
        return float(usd) * float(n_epochs) / float(own) * jobs if is_number(own) and is_number(n_epochs) else None

    def repeat(self) -> Iterator[Step]:
        """The winner's settings with other seeds."""
        theta = self.ranking.surface.draw(len(self.now.draws), self.rng)
        at = int(self.ranking.frame["configuration"].iloc[0])
        gain = self._of_jobs(theta[:, [at]] + self._luck(SEEDS))
        used = {run.seed for run in self.comparison.runs}
        seeds = [each for each in range(1, len(used) + SEEDS + 1) if each not in used][:SEEDS]
        reason = (
            f"Train {self.name} again with {plural(SEEDS, 'other seed')}: the luck of a seed is about "
            f"{percent(self.ranking.noise_sd, 1)}, and the luckier checkpoint can be deployed."
        )
        requests = tuple(request_of(self.run, {}, seed=each) for each in seeds)
        yield Step("repeat", reason, self._cost(jobs=SEEDS), gain, requests)

    def untried(self, archive: Iterable[Run | Comparison]) -> Iterator[Step]:
        """The settings that the surface holds most promising."""
        found = suggest(self.comparison, archive=archive, seed=self.seed)
        self.notes += found.notes
        for place, (chosen, row) in enumerate(zip(found, found.frame.to_dict("records"), strict=True)):
            told = ", ".join(f"{name} {setting(value)}" for name, value in chosen.items())
            # Jobs that do not tell their settings draw no surface.
            known = found.means.size > 0 and not self.few
            expected = f"expected at {number(row['expected'])}, " if known else ""
            gain = self._untried_gain(found, place) if known else None
            reason = f"Try {told}: {expected}not run yet."
            yield Step("untried", reason, self._cost(chosen.get("n_epochs")), gain, (request_of(self.run, chosen),))

    def _untried_gain(self, found: Suggestions, place: int) -> Gain | None:
        """The gain of a suggested job, from what its surface holds of it under each draw of its own settings."""
        size = len(self.now.draws)
        drawn = np.repeat(np.arange(len(found.means)), -(-size // len(found.means)))[:size]
        spread = found.spreads[drawn, place] * self.rng.standard_normal(size)
        truths = (found.means[drawn, place] + spread)[:, None] + self._luck(1)
        # That the best lies inside the ranges is belief: for the gain the surface without it counts as much.
        scales = self.ranking.surface.scales
        alone = self.ranking.surface.means(places([found[place]], scales)).mean()
        return self._of_jobs((truths.mean() + alone) / 2 + SCATTER * (truths - truths.mean()))

    def again(self) -> Iterator[Step]:
        """The job with the lowest point of all, and the winner, where it was not kept: trained so far only."""
        lowest, diagnosis = self.comparison.lowest_point, self.comparison.diagnoses.get(self.group.winner)
        missed: dict[str, tuple[int, Mapping[str, Any]]] = {}
        if lowest is not None and not lowest["kept"] and lowest["epoch"] is not None:
            missed[lowest["job"]] = lowest["settings"]["n_epochs"], lowest
        if diagnosis is not None and diagnosis.train_again and diagnosis.best and self.now.measure.name == "loss":
            missed.setdefault(self.group.winner, (diagnosis.train_again["n_epochs"], diagnosis.best))
        errors = self.comparison.frame.set_index("id")["observed_sd"]
        for job_id, (epochs, point) in missed.items():
            run = self.comparison.run(job_id)
            sd = self.now.error if missing(errors[job_id]) else float(errors[job_id])
            center = float(self.now.measure.model(np.array([point["loss"]]))[0])
            truths = center + sd * self.rng.standard_normal((len(self.now.draws), 1)) + self._luck(1)
            reason = (
                f"Train {run.suffix or job_id} again with n_epochs = {epochs}: its lowest point, "
                f"{number(point['loss'])} at epoch {number(point['epoch'], 3)}, was not kept."
            )
            request = request_of(run, {"n_epochs": epochs})
            yield Step("train again", reason, self._cost(epochs), self._of_jobs(truths), (request,))

    def longer(self) -> Iterator[Step]:
        """The winner with twice the epochs, where its curve still falls at its end.

        Of what it fell by in its second half, a curve that goes on as a power of the steps falls by a part again.
        """
        diagnosis = self.comparison.diagnoses.get(self.group.winner)
        epochs: Any = self.settings.get("n_epochs")
        if diagnosis is None or diagnosis.verdict != "not_converged" or not is_number(epochs):
            return
        curve = diagnosis.curve.dropna(subset=["valid_smooth"])
        if len(curve) < 2 or self.now.measure.name != "loss" or 2 * epochs > LARGEST_EPOCHS:
            return
        half, last = float(curve["valid_smooth"].iloc[len(curve) // 2]), float(curve["valid_smooth"].iloc[-1])
        fell = max(0.0, math.log(half / last)) if min(half, last) > 0 else 0.0
        more = fell * self.rng.random(len(self.now.draws))
        gain = self._of_jobs((self.now.draws - more)[:, None] + self._luck(1))
        reason = f"Train {self.name} with n_epochs = {2 * epochs}: its validation loss still falls at the end."
        yield Step("longer", reason, self._cost(2 * epochs), gain, (request_of(self.run, {"n_epochs": 2 * epochs}),))

    def evaluation(self) -> Iterator[Step]:
        """The two best on so many examples that the difference expected of them shows."""
        if self.few or not self.ranking.indistinguishable or self.now.measure.name != "loss":
            return
        rival_id = self.ranking.indistinguishable[0]
        rival = self.ranking.draws[:, self.ranking.frame.index.get_loc(rival_id)]
        one = self._one_example()
        apart = float(np.abs(rival - self.now.draws).mean())
        if one is None or apart <= 0:
            return
        examples = max(FEWEST_EXAMPLES, math.ceil(2 * (1.645 * one / apart) ** 2))
        if examples > MOST_EXAMPLES:
            return
        gain = of_evaluation(self.now, rival, one * math.sqrt(2 / examples), self.rng)
        rival_name = self.comparison.run(rival_id).suffix or rival_id
        reason = (
            f"Evaluate {self.name} and {rival_name} on {examples} held-out examples: they cannot be told apart by "
            f"their curves."
        )
        code = f'tb.evaluate(ws, "held_out_{examples}.jsonl", ["deployment-of-the-best", "deployment-of-the-other"])'
        yield Step("evaluate", reason, None, gain, code=code)

    def _one_example(self) -> float | None:
        """The sd of one example's log loss: what batches of known size scatter by around the curve; None if unknown."""
        diagnosis = self.comparison.diagnoses.get(self.group.winner)
        batch: Any = self.settings.get("batch_size")
        results = self.run.results
        if diagnosis is None or results is None or not is_number(batch) or not results.has("valid_loss"):
            return None
        table = results.frame[["step", "valid_loss"]].dropna()
        smooth = diagnosis.curve.dropna(subset=["valid_smooth"])
        if len(table) < 8 or len(smooth) < 2 or (table["valid_loss"] <= 0).any():
            return None
        around = np.interp(table["step"], smooth["step"], smooth["valid_smooth"])
        rest = np.log(table["valid_loss"].to_numpy(float) / around)
        return float(np.std(rest) * math.sqrt(batch)) or None

    def more_data(self, more: MoreData | None) -> Step:
        """More examples: what they bring is measured by training on parts of the file."""
        if more is None or more.frame.empty:
            reason = "Collect more examples: what they bring is not known until jobs on parts of the file measured it."
            return Step("more data", reason, code="tb.more_data(tb.plan_parts(ws, request, dataset).run(ws))")
        twice = more.frame[more.frame["times"] == 2].iloc[0]
        share, low, high = (max(float(twice[name]), 0.0) for name in ("gain", "gain_low", "gain_high"))
        loss = float(self.ranking.frame["loss"].iloc[0])
        gain = Gain(share * loss, low * loss, high * loss, share, float(twice["p_lower"]))
        told = None if more.answer == "cannot be told" else gain
        return Step(
            "more data",
            f"Train on twice the examples: {more.sentence[0].lower()}{more.sentence[1:]}",
            self._cost(jobs=2),
            told,
        )

    def cheaper(self) -> Iterator[Step]:
        """The dearest of the models that are cheaper to train, on the same files."""
        facts, tier = load_catalogue(), tier_of(self.run.job)
        own, tokens = per_million(self.run.model, tier), self.run.trained_tokens
        if own is None:
            return
        tried = {facts.model(group.model) for group in self.comparison.groups}
        rates = {
            model.id: rate
            for model in facts.models
            if self.group.method in model.methods and model not in tried
            if (rate := per_million(model.id, tier)) is not None and rate < own
        }
        if not rates:
            return
        name = max(rates, key=lambda each: rates[each])
        reason = (
            f"Try {name}: training it costs {money(rates[name])} instead of {money(own)} a million tokens; what it "
            f"loses is not known until one job has measured it."
        )
        yield Step("cheaper model", reason, paid(tokens, rates[name]), None, (request_of(self.run, {}, model=name),))

    def deploy(self) -> Step:
        """Nothing more."""
        chance = probability(float(self.ranking.frame["p_best"].iloc[0]))
        reason = f"Stop and deploy {self.name}: best of these jobs with probability {chance}."
        return Step("deploy", reason, 0.0, Gain(0.0, 0.0, 0.0, 0.0, 0.0))


def request_of(run: Run, changed: Mapping[str, Any], *, seed: int | None = None, model: str = "") -> dict[str, Any]:
    """The body of POST /fine_tuning/jobs that trains as `run` did, with some hyperparameters changed."""
    told = run.job.get("method")
    method: dict[str, Any] = copy.deepcopy(dict(told)) if isinstance(told, Mapping) else {"type": run.method}
    known = {name: value for name, value in run.hyperparameters.items() if value is not None}
    method[run.method] = {**(method.get(run.method) or {}), "hyperparameters": {**known, **changed}}
    body: dict[str, Any] = {
        "model": model or run.model,
        "training_file": run.training_file,
        "validation_file": run.validation_file,
        "method": method,
        "seed": run.seed if seed is None else seed,
        "trainingType": run.job.get("trainingType"),
    }
    return {name: value for name, value in body.items() if value is not None}
