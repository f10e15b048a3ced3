"""The answer, in words a manager reads: what to deploy, how sure that is, what it cost, what to do next."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from tunebook.analysis.curves.diagnosis import Diagnosis
from tunebook.analysis.run import Run
from tunebook.analysis.sweeps.comparison import Comparison
from tunebook.analysis.sweeps.next_steps import next_steps
from tunebook.analysis.sweeps.rows import ComparedJob
from tunebook.analysis.sweeps.steps import said
from tunebook.catalogue import load_catalogue
from tunebook.experiments.evaluation.record import Evaluation
from tunebook.money import prices_of, tier_of
from tunebook.report.content import Answer, Fact
from tunebook.report.provenance import is_practice, seconds_of
from tunebook.words import aligned, duration, listed, money, percent, plural, probability, rough_count

if TYPE_CHECKING:
    import pandas as pd

# A choice this probable is called clear; below an even chance it is one of several. Plain words for P(best).
CLEAR = 0.9
EVEN = 0.5
# Below half a per cent a difference between two checkpoints is not worth a reader's time.
WORTH_SAYING = 0.005

_ON_AZURE = "Run the same jobs on Azure OpenAI before deciding anything: the same code, with AZURE_OPENAI_ENDPOINT set."
_EVALUATE = (
    "Before people rely on it, compare it with the base model on held-out examples that no job has seen, "
    "neither for training nor for validation: 300 of them show a gain of about 7 to 10 points."
)
_UNKNOWN = "Not measured: a lower loss alone does not say so. Put held-out examples to the base model and to this one:"
_CALL = """found = tb.evaluate(ws, "held_out.jsonl", ["base-deployment", "tuned-deployment"])
tb.write_report(comparison, "report.html", evaluation=found)"""
_MEND = (
    "Look at the examples that got worse, mend the training data, and evaluate again; more held-out examples "
    "make a small gain visible."
)


def write_answer(comparison: Comparison, jobs: Sequence[ComparedJob], evaluation: Evaluation | None) -> Answer:
    """The answer for a comparison, its jobs as records, and the evaluation if there is one."""
    winner = next((job for job in jobs if job.standing == "best"), None)
    facts = (*_certainty(comparison, winner, evaluation), *spent(comparison.frame, comparison.runs), _overfitting(jobs))
    if winner is None:
        return Answer(
            headline="No model can be recommended yet.",
            because=comparison.sentence,
            facts=facts,
            steps=_without_winner(jobs),
            caution=stand_in_note(comparison.runs),
        )
    refused = evaluation is not None and evaluation.shows_a_gain is False
    missed = _missed(comparison.diagnoses.get(winner.id), evaluation)
    return Answer(
        headline=_not_yet(evaluation) if refused else _deploy(winner, comparison.run(winner.id), missed),
        because=" ".join(filter(None, (_sureness(comparison, jobs, winner), _curve(comparison, winner, missed)))),
        facts=facts,
        steps=_steps(comparison, winner, evaluation, missed),
        model=winner.checkpoint or "",
        caution=stand_in_note(comparison.runs),
        naming="Best model so far" if refused or missed else "Model to deploy",
        helped=_UNKNOWN if evaluation is None else _helped(evaluation),
        call=_CALL if evaluation is None else "",
    )


def _helped(evaluation: Evaluation) -> str:
    gain, interval = evaluation.gain, evaluation.interval
    if gain is None:
        return f"Not known: only one model was asked. {evaluation.sentence}"
    if interval is None:
        word = "It seems so." if gain > 0 else "It does not seem so."
    elif interval[1] < 0:
        word = "No."
    else:
        word = "Yes." if interval[0] > 0 else "Not shown."
    return f"{word} {evaluation.sentence}"


def stand_in_note(runs: Sequence[Run]) -> str:
    """A warning when runs come from the embedded service, "" otherwise."""
    practice = [run for run in runs if is_practice(run)]
    if not practice:
        return ""
    which = "These jobs" if len(practice) == len(runs) else f"{len(practice)} of the {len(runs)} jobs"
    return (
        f"{which} ran on tunebook's embedded stand-in, which trains a small practice model on this machine. "
        "The numbers are real measurements of that model; they do not say how a model on Azure OpenAI would do."
    )


def _missed(diagnosis: Diagnosis | None, evaluation: Evaluation | None) -> Diagnosis | None:
    """The winner's diagnosis if what was kept came too late, or its reward is not to be trusted.

    An evaluation that shows a gain outweighs it.
    """
    if diagnosis is None or (evaluation is not None and evaluation.shows_a_gain):
        return None
    return diagnosis if diagnosis.train_again is not None or diagnosis.findings else None


def _deploy(winner: ComparedJob, run: Run, missed: Diagnosis | None) -> str:
    if missed is not None and missed.findings:
        return f"Do not deploy {winner.label} yet: {_lower(missed.findings[0].title)} is seen."
    if missed is not None and missed.best is not None:
        step = missed.best["step"]
        return f"Train again before deploying: {winner.label} was best at step {step}, where nothing was kept."
    return f"Deploy {where_kept(winner, run)} of {winner.label}."


def where_kept(job: ComparedJob, run: Run) -> str:
    """What the job's `checkpoint` is: the final model, or the checkpoint at a step."""
    last = job.step is None or job.checkpoint == run.fine_tuned_model
    return "the final model" if last else f"the checkpoint at {job.checkpoint_words}"


def _not_yet(evaluation: Evaluation | None) -> str:
    lost = evaluation is not None and evaluation.gain is not None and evaluation.gain < 0
    return "Do not deploy yet: the tuned model " + (
        "does worse than the base model." if lost else "is not shown to be better than the base model."
    )


def _sureness(comparison: Comparison, jobs: Sequence[ComparedJob], winner: ComparedJob) -> str:
    measure = "validation loss" if comparison.measure == "loss" else "validation reward"
    value = f"Its {measure} is {aligned(winner.loss)[0]} ({percent(winner.level)} interval {winner.interval})"
    rivals = [job for job in jobs if job.ranked and job.group == winner.group]
    if len(rivals) == 1:
        return f"{value}. It is the only job that can be ranked, so there is nothing to compare it with."
    p = winner.p_best or 0.0
    same = [job.label for job in rivals if job.standing == "as good"]
    measured = comparison.group is not None and comparison.group.ranking.noise_source == "replicates"
    clear = p >= CLEAR and not same
    how = "clearly the best" if clear else "most likely the best" if p >= EVEN else "the best guess"
    text = f"{value}, {how} of {plural(len(rivals), 'job')} (probability {probability(p)})."
    if not same:
        others = "The other is" if len(rivals) == 2 else "Each of the others is"
        text = f"{text} {others} worse with at least {percent(0.5 + winner.level / 2)} probability."
        return (
            text
            if measured
            else f"{text} That is of these models; how much of it is the luck of a seed is not measured."
        )
    return (
        f"{text} {listed(same)} cannot be told apart from it on this evidence; among these, price or speed may decide."
    )


def _curve(comparison: Comparison, winner: ComparedJob, missed: Diagnosis | None) -> str:
    """What the winner's own curve means for the choice of the checkpoint, in one sentence."""
    if missed is not None:
        return " ".join(finding.evidence for finding in missed.findings) or missed.choice
    diagnosis = comparison.diagnoses.get(winner.id)
    kept = diagnosis.checkpoint if diagnosis else None
    excess = kept["excess_of_last"] if kept else 0.0
    if winner.verdict == "overfitting" and excess > WORTH_SAYING:
        return (
            "The job went on past its best point and overfits: its final model is expected to be "
            f"{percent(excess)} worse."
        )
    return {
        "overfitting": "The job went on a little past its best point, which its checkpoint avoids.",
        "healthy": "Its training settled, without a sign of overfitting.",
        "not_converged": "It was still getting better at the end, so training longer may pay.",
        "not_learning": "It learned nothing: neither curve got better.",
        "diverged": "Its training broke down later on: treat it with care.",
        "inconclusive": "Its validation curve is too noisy to say whether it overfits.",
    }.get(winner.verdict or "", "")


def _certainty(comparison: Comparison, winner: ComparedJob | None, evaluation: Evaluation | None) -> list[Fact]:
    gain: list[Fact] = []
    if evaluation is not None and evaluation.gain is not None:
        ends = map(evaluation.points_text, evaluation.interval or ())
        interval = ", interval " + " to ".join(ends) if evaluation.interval else ""
        on = f"on {plural(evaluation.n, 'example')}" if evaluation.n else "on the examples"
        points = evaluation.points_text(evaluation.gain)
        gain = [Fact("Gain over the base model", points, f"{evaluation.score} {on}{interval}")]
    if winner is None:
        return gain
    if comparison.group is not None and len(comparison.group.ids) > 1:
        ranked = len(comparison.group.ids)
        sure = probability(winner.p_best)
        return [*gain, Fact("Probability of being best", sure, f"of {plural(ranked, 'ranked job')}")]
    measure = "validation loss" if comparison.measure == "loss" else "validation reward"
    return [
        *gain,
        Fact(measure.capitalize(), aligned(winner.loss)[0], f"{percent(winner.level)} interval {winner.interval}"),
    ]


def spent(frame: pd.DataFrame, runs: Sequence[Run]) -> list[Fact]:
    """What jobs took: dollars where a price is known, else tokens, and time. frame: their rows of a comparison's."""
    if frame.empty:
        return []
    tokens = frame["trained_tokens"].dropna()
    dollars = frame["cost_usd"].dropna()
    trained = f"{rough_count(tokens.sum())} tokens in {plural(len(tokens), 'job')}" if len(tokens) else ""
    facts = []
    if len(dollars):
        unpriced = len(tokens) - len(dollars)
        note = f"{trained}; {prices_of((run.model, tier_of(run.job)) for run in runs)}"
        note += f"; {unpriced} without a known price" if unpriced else ""
        name = "What it would cost on Azure" if stand_in_note(runs) else "What training cost"
        facts.append(Fact(name, money(sum(dollars)), note))
    elif len(tokens):
        note = f"{plural(len(tokens), 'job')}; no price in the catalogue"
        facts.append(Fact("Tokens trained", rough_count(tokens.sum()), note))
    took = [t for run in runs if (t := seconds_of(run)) is not None]
    if took:
        facts.append(Fact("Training time", duration(sum(took)), "all jobs added up" if len(took) > 1 else "one job"))
    return facts


def _overfitting(jobs: Sequence[ComparedJob]) -> Fact:
    judged = [job for job in jobs if job.verdict]
    overfit = sum(job.verdict == "overfitting" for job in judged)
    return Fact("Jobs that overfit", f"{overfit} of {len(judged)}", "trained past their best point" if overfit else "")


def _steps(
    comparison: Comparison, winner: ComparedJob, evaluation: Evaluation | None, missed: Diagnosis | None
) -> tuple[str, ...]:
    practice = bool(stand_in_note(comparison.runs))
    refused = evaluation is not None and evaluation.shows_a_gain is False
    deploy = "" if missed or refused else _hosting()
    found = next_steps(comparison)
    again: list[str] = []
    others: list[str] = []
    for step in found:
        if step.kind != "deploy" and (step.chosen or step.kind == "train again"):
            (again if missed and step.kind == "train again" else others).append(said(step))
    steps = (
        " ".join(missed.advice) if missed and missed.findings else "",
        *again,
        _ON_AZURE if practice else deploy,
        _EVALUATE if evaluation is None else _MEND if refused else "",
        *(others or ([] if again else [found.sentence])),
        f"Plan for the retirement: {ends}" if not practice and (ends := retirement_note(comparison, winner)) else "",
    )
    return tuple(filter(None, steps))


def _hosting() -> str:
    hour = hosting_price()
    cost = f" {hour}, so" if hour else " So that it costs nothing in vain,"
    return f"Deploy it and try it on real requests.{cost} delete it when it is not in use."


def hosting_price() -> str:
    """What a deployment costs, as the beginning of a sentence; "" where the catalogue does not say."""
    hour = load_catalogue().hosting_price("standard")
    if hour is None:
        return ""
    cost = f"A standard deployment costs {money(hour.usd_per_hour)} an hour from the moment it exists"
    return f"{cost} (price of {hour.dated:%Y-%m-%d})"


def retirement_note(comparison: Comparison, job: ComparedJob) -> str:
    """Until when what was tuned from the job's base model is served; "" where the catalogue does not say."""
    model = load_catalogue().model(comparison.run(job.id).model)
    if model is None or model.retires is None or model.retires.deployment is None:
        return ""
    until = f"is served until {model.retires.deployment:%Y-%m-%d} (as known on {model.retires.dated:%Y-%m-%d})"
    return f"what is tuned from {model.id} {until}."


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:]


def _without_winner(jobs: Sequence[ComparedJob]) -> tuple[str, ...]:
    reasons = [job.left_out for job in jobs if job.left_out]
    steps = []
    if any("failed" in reason for reason in reasons):
        steps.append("Read why jobs failed (under “Not ranked” below), mend the cause and start them again.")
    if any("not finished" in reason for reason in reasons):
        steps.append("Wait for the jobs that still run and make this report again.")
    if any("no validation values" in reason for reason in reasons):
        steps.append("Give the next jobs a validation file: 100 to 500 examples that are not in the training file.")
    return tuple(steps) or ("Give this report runs that have ended and have results.",)
