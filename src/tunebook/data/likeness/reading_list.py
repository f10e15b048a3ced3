"""The few examples worth reading before training: a list, not a verdict."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from tunebook.data.examples import Examples
from tunebook.data.likeness.labels import answer_balance, answer_labels
from tunebook.data.likeness.near import WORD, without_templates
from tunebook.data.records import answer_text, prompt_text, record_text
from tunebook.data.tokens import count_records, count_texts
from tunebook.words import percent

if TYPE_CHECKING:
    import pandas as pd


FAR = 3.5  # robust z beyond which a length is an outlier (Iglewicz and Hoaglin 1993)
SHORT_ANSWER = 3  # tokens; below, an answer that is no label says little
NEIGHBOURS = 10  # the distance to the tenth nearest example measures how alone one stands
DIMENSIONS = 100
MOST = 20_000  # examples whose contents are compared; of more, an even sample
FEWEST = 30  # examples, below which nobody stands out
RARE_LABEL = 0.02
EXCERPT = 200
_REFUSAL = re.compile(
    r"^\W*(?:i['’]?m (?:sorry|afraid|unable)|i am (?:sorry|unable)|sorry,|as an ai\b"
    r"|i (?:can['’]?t|cannot|can not) (?:help|assist|provide))",
    re.I,
)

Row = tuple[int, str, float | str]


def reading_list(dataset: Examples, n: int = 20) -> pd.DataFrame:
    """A DataFrame of examples that stand out, at most `n` for each reason.

    Columns: line; why (in words); value (tokens, distance or times, by reason); prompt; answer (both shortened).
    Reasons: far longer or shorter than the rest, an answer of hardly a word, contents unlike all others, refusals,
    answers hardly ever or nearly always given. `frame.attrs["answers"]` holds how evenly answers are spread.
    """
    import pandas as pd

    examples, numbers = dataset.examples, dataset.numbers
    labels = answer_labels(examples)
    answers = labels or [answer_text(example) for example in examples]
    of_answers = _answers(answers, n) if labels is None else _labels(answers, n)
    reasons = (_lengths(examples, n), of_answers, _contents(examples, n))
    rows = [row for reason in reasons for row in reason]
    frame = pd.DataFrame(
        [
            (
                int(numbers[at]), why, value,
                prompt_text(examples[at])[:EXCERPT], answer_text(examples[at])[:EXCERPT],
            )
            for at, why, value in rows
        ],
        columns=["line", "why", "value", "prompt", "answer"],
    )  # fmt: skip
    balance = answer_balance(answers)
    frame.attrs["answers"] = None if balance is None else asdict(balance)
    return frame


def _lengths(examples: Sequence[Mapping[str, Any]], n: int) -> Iterator[Row]:
    tokens = np.array(count_records(examples))
    far = robust_z(np.log(np.maximum(tokens, 1)))
    order = np.argsort(-np.abs(far), kind="stable")
    for at in [at for at in order if abs(far[at]) > FAR][:n]:
        yield int(at), "much longer than the rest" if far[at] > 0 else "much shorter than the rest", float(tokens[at])


def robust_z(values: np.ndarray) -> np.ndarray:
    """How many robust standard deviations each value is from the median; zeros when there is no spread."""
    if len(values) < FEWEST:
        return np.zeros(len(values))
    middle = np.median(values)
    spread = np.median(np.abs(values - middle))
    if spread == 0:  # more than half are equal: fall back on the mean deviation
        spread = np.abs(values - middle).mean() / 1.253 * 0.6745
    return np.zeros(len(values)) if spread == 0 else 0.6745 * (values - middle) / spread


def _answers(answers: Sequence[str], n: int) -> Iterator[Row]:
    """Answers in words that say little or refuse."""
    short = [at for at, count in enumerate(count_texts(answers)) if answers[at].strip() and count < SHORT_ANSWER]
    if len(short) < len(answers) / 2:
        yield from ((at, "hardly an answer", answers[at]) for at in short[:n])
    refusals = [at for at, answer in enumerate(answers) if _REFUSAL.match(answer)]
    yield from ((at, f"a refusal, one of {len(refusals)}", float(len(refusals))) for at in refusals[:n])


def _labels(labels: Sequence[str], n: int) -> Iterator[Row]:
    """Labels that are hardly ever, or nearly always, given."""
    counts = Counter(labels)
    for label, often in counts.most_common()[: -n - 1 : -1]:
        if often <= RARE_LABEL * len(labels):
            yield labels.index(label), "an answer hardly ever given", float(often)
    label, often = counts.most_common(1)[0]
    if often > len(labels) / 2 and len(counts) > 1:
        yield labels.index(label), f"the answer of {percent(often / len(labels), 0)} of the examples", float(often)


def _contents(examples: Sequence[Mapping[str, Any]], n: int) -> Iterator[Row]:
    from sklearn.decomposition import TruncatedSVD
    from sklearn.feature_extraction.text import HashingVectorizer, TfidfTransformer
    from sklearn.neighbors import NearestNeighbors
    from sklearn.pipeline import make_pipeline

    step = max(1, -(-len(examples) // MOST))
    places = range(0, len(examples), step)
    if len(places) < FEWEST:
        return
    words = HashingVectorizer(
        token_pattern=WORD, ngram_range=(1, 2), n_features=2**18, alternate_sign=False, norm=None, dtype=np.float32
    )
    texts = without_templates([record_text(examples[at]) for at in places])
    matrix = make_pipeline(words, TfidfTransformer(sublinear_tf=True)).fit_transform(texts)
    matrix = matrix[:, np.unique(matrix.indices)]  # the decomposition is dense in the columns
    dimensions = min(DIMENSIONS, len(places) - 1)
    points = TruncatedSVD(dimensions, random_state=0).fit_transform(matrix)
    distance = NearestNeighbors(n_neighbors=min(NEIGHBOURS, len(places) - 1)).fit(points).kneighbors()[0][:, -1]
    far = robust_z(distance)
    for at in np.argsort(-far, kind="stable")[:n]:
        if far[at] > FAR:
            yield places[int(at)], "unlike all others", round(float(distance[at]), 3)
