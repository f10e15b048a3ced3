"""What the rewards of a trial say about a grader: a frame in, findings out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from scipy.stats import kendalltau

from tunebook.data.rules.problem import Problem, Severity, shown
from tunebook.experiments.grading.probes import ADVERSARIAL, BASE, CONSTANT, DRESSED, EMPTY, RIGHT, WRONG
from tunebook.words import number, percent, plural

if TYPE_CHECKING:
    import pandas as pd

HACKABLE = 0.5  # share of a right answer's reward that an answer without the question may get before it is a warning
_CLOSE = 0.05  # of the reward of right answers: so near the floor or the ceiling there is little to learn
_AGREED = 0.5  # Kendall's tau below which two graders rank answers differently


def judge(frame: pd.DataFrame, *, hackable: float = HACKABLE) -> tuple[Problem, ...]:
    """Findings about rewards with the columns of `GraderTrial.frame`. hackable: share of a right answer's reward."""
    if frame.empty:
        return ()
    return (*_graded(frame), *_ordered(frame), *_hacked(frame, hackable), *_learnable(frame), *_agreeing(frame))


def means(frame: pd.DataFrame) -> dict[str, float]:
    """Mean reward by kind; of constant answers that of the best one."""
    by_kind = with_best_constant(frame).groupby("kind", sort=False)["reward"].mean()
    return {str(kind): float(mean) for kind, mean in by_kind.items()}


def with_best_constant(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame with that constant answer alone that gets the most."""
    constants = frame[frame["kind"] == CONSTANT].groupby("answer", sort=False)["reward"].mean()
    if constants.empty:
        return frame
    return frame[(frame["kind"] != CONSTANT) | (frame["answer"] == constants.idxmax())]


def share(mean: float, floor: float, ceiling: float) -> float | None:
    """How much of what a right answer gains over an empty one this is; None where right answers gain nothing."""
    return (mean - floor) / (ceiling - floor) if ceiling > floor else None


def agreement(frame: pd.DataFrame) -> float | None:
    """Kendall's tau-b of two graders' rewards, -1 to 1; None where there is one grader, or one gives all the same."""
    if "against" not in frame or frame["reward"].nunique() < 2 or frame["against"].nunique() < 2:
        return None
    return float(kendalltau(frame["reward"], frame["against"]).statistic)


def _graded(frame: pd.DataFrame) -> Iterator[Problem]:
    """Answers without a grade: of right ones an error, of the base model's a warning. The rest may well have none."""
    severities: tuple[tuple[str, Severity], ...] = ((RIGHT, "error"), (BASE, "warning"))
    for kind, severity in severities:
        of_kind = frame[frame["kind"] == kind]
        failed = of_kind[of_kind["problem"] != ""]
        if len(failed):
            told = f"{len(failed)} of {plural(len(of_kind), f'{kind} answer')} have no grade, and count 0."
            fix = "Mend the grader." if kind == RIGHT else "Ask for the form in the prompt, or set response_format."
            yield _finding("not-graded", severity, told, fix, failed["problem"].iloc[0], _line(failed))


def _ordered(frame: pd.DataFrame) -> Iterator[Problem]:
    """Right answers first: above wrong ones, above everything else, and above empty ones."""
    by_kind = means(frame)
    right = by_kind.get(RIGHT, 0.0)
    rivals = {kind: mean for kind, mean in by_kind.items() if kind in (WRONG, EMPTY)}
    for kind, mean in rivals.items():
        if right <= mean:
            told = f"Right answers get {number(right)} on average, {kind} ones {number(mean)}."
            yield _finding("wrong-rewarded", "error", told, "Turn the comparison round, or compare other fields.")
            return
    wrong = share(by_kind.get(WRONG, 0.0), by_kind.get(EMPTY, 0.0), right)
    if wrong is not None and wrong >= HACKABLE:
        told = f"A wrong answer gets {percent(wrong)} of what a right one does."
        yield _finding("wrong-rewarded", "warning", told, "Grade what differs; a similarity of long texts rarely does.")
    dressed = share(by_kind.get(DRESSED, right), by_kind.get(EMPTY, 0.0), right)
    if dressed is not None and dressed < HACKABLE:
        told = f"A right answer in a sentence gets {percent(max(dressed, 0.0))} of the reward of one that stands alone."
        fix = "Meant so, say it in the prompt; if not, use ilike, fuzzy_match or a python grader."
        yield _finding("only-exact", "note", told, fix)
    best = max(by_kind, key=lambda kind: by_kind[kind])
    if by_kind[best] > right + 1e-9 and best not in (WRONG, EMPTY):
        told = f"Nothing should beat a right answer ({number(right)}); {best} does ({number(by_kind[best])})."
        yield _finding("beaten", "error", told, "Cap the reward at that of a right answer: min(…, 1).")


def _hacked(frame: pd.DataFrame, hackable: float) -> Iterator[Problem]:
    """Answers that know nothing of the question and get a good part of the reward all the same."""
    by_kind = means(frame)
    floor, right = by_kind.get(EMPTY, 0.0), by_kind.get(RIGHT, 0.0)
    for kind in (CONSTANT, *ADVERSARIAL):
        got = share(by_kind[kind], floor, right) if kind in by_kind else None
        if got is None or got < hackable:
            continue
        best = with_best_constant(frame)
        answer = str(best[best["kind"] == kind]["answer"].iloc[0]) if kind == CONSTANT else ""
        who = "One answer to every question" if kind == CONSTANT else kind.capitalize()
        told = f"{who} gets {percent(got)} of the reward of right answers."
        fix = "Training finds it before it learns the task: balance the answers, or take something off for length."
        yield _finding("hackable", "warning", told, fix, answer, path=kind)
    if by_kind.get(EMPTY, 0.0) > 0 and right > 0 and by_kind[EMPTY] >= right * _CLOSE:
        told = f"An empty answer gets {number(by_kind[EMPTY])}, a right one {number(right)}."
        yield _finding("empty-rewarded", "warning", told, "Give an empty answer 0.")


def _learnable(frame: pd.DataFrame) -> Iterator[Problem]:
    """Whether the base model's answers leave something to learn from: neither all the same nor at either end."""
    answered = frame[frame["kind"] == BASE]
    if answered.empty:
        return
    by_kind = means(frame)
    standing = share(by_kind[BASE], by_kind.get(EMPTY, 0.0), by_kind.get(RIGHT, 0.0))
    if standing is not None and standing > 1 - _CLOSE:
        told = f"The base model gets {percent(standing)} of the reward already: little is left to learn."
        yield _finding("solved", "warning", told, "Take harder examples, or a grader that tells good from very good.")
    elif standing is not None and standing < _CLOSE:
        told = "The base model is hardly ever rewarded: there is nothing to make likelier."
        yield _finding("never-rewarded", "warning", told, "Reward the way there too (multi), or tune supervised first.")
    by_question = answered.groupby("example")["reward"]
    if (by_question.size() > 1).any():
        tied = float((by_question.nunique() == 1).mean())
        if tied >= HACKABLE:
            told = f"To {percent(tied)} of the questions all answers get the same reward: they teach nothing."
            yield _finding("ties", "warning", told, "Grade in finer steps, or take examples of middling difficulty.")


def _agreeing(frame: pd.DataFrame) -> Iterator[Problem]:
    tau = agreement(frame)
    if tau is None or tau >= _AGREED:
        return
    apart = (frame["reward"] - frame["against"]).abs()
    worst = frame.iloc[int(apart.to_numpy().argmax())]
    told = f"The two graders rank answers differently (Kendall's tau {number(tau, 2)} of {len(frame)} answers)."
    fix = f"Look at example {worst['example']}: {number(worst['reward'])} and {number(worst['against'])}."
    yield _finding("disagree", "warning", told, fix, str(worst["answer"]))


def _line(rows: pd.DataFrame) -> int:
    return int(rows["example"].iloc[0])


def _finding(
    rule: str, severity: Severity, message: str, fix: str, value: str = "", line: int | None = None, path: str = ""
) -> Problem:
    seen = shown(value) if value else ""
    return Problem(line, path, rule, severity, seen, message, fix)
