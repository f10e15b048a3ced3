"""Which rows look wrong: labels that rows like theirs contradict, answers that belong to another prompt, cut ones.

A hint of a small model, not a verdict: it reads words, knows nothing of the world, and is not the practice model of the
embedded service, which the data room does not reach, but one that learns the same file from the same words (see
`held_out`). Each row is judged by what was learned from the others, in three ways:

* labels (answers, or keys of JSON answers, that most rows share): confident learning (Northcutt et al. 2021) by a
  mixture of right and wrong labels, which knows how sure the model may be;
* displaced answers: how well an answer fits its prompt next to how well others would, by shared words and by what
  like prompts are answered; one stands out when it fits a prompt that has no fitting answer either;
* cut answers: whether an answer ends as the others end, or as they read where they are cut.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from tunebook import words
from tunebook.data.examples import Examples
from tunebook.data.likeness.held_out import (
    Floats,
    HeldOut,
    Mixture,
    kernels,
    label_mixture,
    log_likelihood,
    share_of_wrong,
)
from tunebook.data.likeness.labels import LABEL_CHARACTERS, USES
from tunebook.data.likeness.near import without_templates
from tunebook.data.likeness.reading_list import FEWEST, NEIGHBOURS
from tunebook.data.records import REFUSED, compact, message_text, parts
from tunebook.data.rules.problem import shown
from tunebook.data.rules.secrets import mask
from tunebook.errors import DataError
from tunebook.show import Card, Shown, Span, Table, Text

if TYPE_CHECKING:
    import pandas as pd

BLOCK = 2_000  # rows compared with each other; a larger file is read in blocks of about as many
READ = 2_000  # characters of a prompt (its end) and of an answer that the model reads
EVIDENCE = 20.0  # twice the log likelihood ratio from which labels or ends stand out; see tests/benchmarks/suspects.py
LEAST = 0.01  # share of wrong rows that the ranking assumes where none was found
LABELLED = 0.8  # share of rows whose value others have too: then it is a label
TAIL = 24  # last characters of an answer by which its end is judged
FOLDS = 5
PASSES = 3
SUPPOSED = 0.05  # share of cut answers that the second pass looks for
END_FREEDOM = 0.3  # of the logistic regression on ends (scikit-learn's C)
CUTS = 4  # places at which each answer is cut for practice
LOW = 0.2  # share of rows, those that fit worst, that may hold a displaced answer
STRAY = 0.02  # share of well-fitting answers that fit one of those prompts as well
FEWEST_DISPLACED = 3
SHOWN = 10
EXCERPT = 240

Tell = Callable[[int], object]


@dataclass(frozen=True, slots=True)
class Suspect:
    """One row and the evidence against it.

    kind: "label", "displaced" or "cut". why: in words. doubt: probability by the mixture that it is wrong, 0 to 1.
    loss: of its answer in nats, by the model that was not trained on it; trained: by the one that was; neighbours: the
    mean loss of the ten rows most like it. stands_out: whether it is more than a file without faults would show.
    """

    line: int
    kind: str
    why: str
    stands_out: bool
    doubt: float
    loss: float
    trained: float
    neighbours: float
    prompt: str
    answer: str


@dataclass(frozen=True)
class Suspects(Shown):
    """All rows of a file, the most suspicious first; those that stand out are at the front. A hint of a small model."""

    name: str
    rows: tuple[Suspect, ...]

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def outstanding(self) -> tuple[Suspect, ...]:
        """The rows that stand out; none in a file in which nothing does."""
        return tuple(row for row in self.rows if row.stands_out)

    @property
    def sentence(self) -> str:
        kinds = Counter(row.kind for row in self.outstanding)
        if not kinds:
            return f"{self.name}: nothing stands out among {words.plural(len(self), 'row')}."
        found = words.listed([f"{kinds[kind]:,} {_NAMES[kind]}" for kind in _NAMES if kinds[kind]])
        return f"{self.name}: {sum(kinds.values()):,} of {len(self):,} rows stand out: {found}."

    def to_frame(self) -> pd.DataFrame:
        """One row an example, the most suspicious first; columns as in `Suspect`."""
        import pandas as pd

        return pd.DataFrame(map(asdict, self.rows), columns=[field.name for field in fields(Suspect)])

    def __repr__(self) -> str:
        rows = [f"  line {row.line}: {row.why}" for row in self.outstanding[:SHOWN]]
        return "\n".join([self.sentence, *rows, HINT])

    def _card(self) -> Card:
        rows = [
            (
                f"{row.line:,}", row.why, words.probability(row.doubt), words.number(row.loss, 2),
                words.number(row.trained, 2), words.number(row.neighbours, 2),
                Span(mask(row.prompt), "excerpt"), Span(mask(row.answer), "excerpt"),
            )
            for row in self.outstanding[:SHOWN]
        ]  # fmt: skip
        head = ("line", "why", "doubt", "loss", "once trained on it", "of rows like it", "asked", "answered")
        caption = f"{len(rows):,} of {len(self.outstanding):,}, the most suspicious first; to_frame() has all rows"
        return Card(
            Text(self.sentence, tone="warning" if rows else "good"),
            Table(head, rows, caption, numeric=(0, 2, 3, 4, 5)) if rows else None,
            Text(Span(HINT, "muted")),
            title="suspects",
        )


HINT = "A hint of a small model that reads words and knows nothing else: read a row before you change it."
_NAMES = {"label": "by their labels", "displaced": "with an answer that fits another prompt", "cut": "cut short"}


@dataclass(frozen=True)
class _Evidence:
    """One way of looking at all rows, arrays (n,): log_odds to rank by, doubt, what stands out, three losses, words."""

    kind: str
    log_odds: Floats
    doubt: Floats
    stands_out: np.ndarray
    loss: Floats
    trained: Floats
    why: Callable[[int], str]


@dataclass(frozen=True)
class _Block:
    """Rows that are compared with each other: their places, the kernel of their prompts, the model on it."""

    places: np.ndarray
    kernel: Floats
    model: HeldOut


def find_suspects(dataset: Examples, tell: Tell = lambda _: None) -> Suspects:
    """Ranks the rows of a supervised file by how likely their answers are wrong; see `Suspects`.

    tell is called with the rows done, each counted twice. Raises DataError where there is nothing to learn from:
    preference and reinforcement files, fewer than 30 answered rows, one answer only.
    """
    numbers, prompts, answers = _asked_and_answered(dataset)
    read = [prompt[-READ:] for prompt in without_templates(prompts)]
    n = len(numbers)
    blocks, neighbours = [], np.zeros((n, NEIGHBOURS), np.int64)
    for places in np.array_split(np.random.default_rng(0).permutation(n), -(-n // BLOCK)):
        (kernel,) = kernels([read[at] for at in places])
        blocks.append(_Block(places, kernel, HeldOut(kernel)))
        others = kernel - 2 * np.eye(len(places))
        neighbours[places] = places[np.argpartition(-others, NEIGHBOURS - 1, axis=1)[:, :NEIGHBOURS]]
        tell(len(places))
    labels, all_labels = _label_fields(answers)
    found = [_by_label(name, values, blocks) for name, values in labels.items()]
    found.append(_by_end([answer[-READ:] for answer in answers]))
    if not all_labels:
        found.append(_by_fit(read, [answer[:READ] for answer in answers], blocks, numbers))
    tell(n)
    strongest = np.argmax([np.where(e.stands_out, 1e6, 0) + e.log_odds for e in found], axis=0)
    keys = [(not found[e].stands_out[at], -found[e].log_odds[at]) for at, e in enumerate(strongest)]
    rows = tuple(
        _suspect(at, found[strongest[at]], neighbours[at], numbers[at], prompts[at], answers[at])
        for at in sorted(range(n), key=keys.__getitem__)
    )
    return Suspects(dataset.name, rows)


def _suspect(at: int, seen: _Evidence, like: np.ndarray, line: int, prompt: str, answer: str) -> Suspect:
    figures = (seen.doubt[at], seen.loss[at], seen.trained[at], seen.loss[like].mean())
    doubt, loss, trained, neighbours = (round(float(figure), 4) for figure in figures)
    return Suspect(
        int(line), seen.kind, seen.why(at), bool(seen.stands_out[at]), doubt, loss, trained, neighbours,
        prompt[-EXCERPT:], answer[:EXCERPT],
    )  # fmt: skip


def _asked_and_answered(dataset: Examples) -> tuple[list[int], list[str], list[str]]:
    """(lines, prompts without system messages, answers) of the rows that have an answer."""
    if dataset.method != "supervised":
        raise DataError(
            f"{dataset.name}: suspects() reads supervised files, and this is a {dataset.method} one. Its rows hold no "
            "single answer that could be wrong."
        )
    rows = []
    for number, record in zip(dataset.numbers, dataset.examples, strict=True):
        asked, answered = parts(record)
        said = _said(answered[0]) if answered and isinstance(answered[0], Mapping) else ""
        if said.strip():
            told = [m for m in asked if not (isinstance(m, Mapping) and m.get("role") in ("system", "developer"))]
            rows.append((number, "\n".join(map(message_text, told)), said))
    if len(rows) < FEWEST:
        raise DataError(
            f"{dataset.name}: {words.plural(len(rows), 'row')} with an answer, and suspects() needs {FEWEST} to learn "
            "what is usual. Read so few by eye; reading_list() helps."
        )
    if len({answer for _, _, answer in rows}) == 1:
        raise DataError(f"{dataset.name}: all rows have the same answer, so none can be told from the others by it.")
    numbers, prompts, answers = map(list, zip(*rows, strict=True))
    return numbers, prompts, answers


def _said(message: Mapping[str, Any]) -> str:
    """An answer as text; a tool call without its id, which is drawn at random."""
    calls = message.get("tool_calls")
    if isinstance(calls, list) and all(isinstance(call, Mapping) for call in calls) and calls:
        functions = [call.get("function") for call in calls]
        return compact(functions[0] if len(functions) == 1 else functions)
    return message_text(message)


def _label_fields(answers: Sequence[str]) -> tuple[dict[str, list[str]], bool]:
    """(values of each row by key where they are labels, whether there is nothing but labels).

    The key is "" for answers that are no JSON objects. A value that hardly any other row has becomes "".
    """
    objects = [_object(answer) for answer in answers]
    if sum(value is not None for value in objects) < len(answers) / 2:
        columns = {"": [answer.strip() for answer in answers]}
    else:
        counts = Counter(key for value in objects for key in value or ())
        keys = [key for key, count in counts.items() if count >= len(answers) / 2]
        columns = {key: [_scalar((value or {}).get(key)) for value in objects] for key in keys}
    fields = {}
    for key, values in columns.items():
        counts = Counter(values)
        often = {v for v, count in counts.items() if count >= USES and 0 < len(v) <= LABEL_CHARACTERS}
        if sum(counts[v] for v in often) >= LABELLED * len(values):
            fields[key] = [v if v in often else "" for v in values]
    labels = {key: values for key, values in fields.items() if len(set(values)) > 1}
    return labels, bool(labels) and len(fields) == len(columns)


def _object(answer: str) -> dict[str, Any] | None:
    try:
        value = msgspec.json.decode(answer)
    except REFUSED:
        return None
    return value if isinstance(value, dict) else None


def _scalar(value: Any) -> str:
    return "" if value is None else value if isinstance(value, str) else compact(value)


def _by_label(name: str, values: Sequence[str], blocks: Sequence[_Block]) -> _Evidence:
    labels, given = np.unique(values, return_inverse=True)
    target = np.eye(len(labels))[given]
    left_out, fitted = np.zeros_like(target), np.zeros_like(target)
    for block in blocks:
        left_out[block.places], fitted[block.places] = block.model.predict(target[block.places])
    expected = left_out.argmax(axis=1)
    right = np.bincount(given, expected == given)
    learned = ((right + 0.5) / (np.bincount(given) + 1))[
        given
    ]  # share of the rows with this label that were seen right
    mixture, temperature = label_mixture(left_out, given, learned > 0.5)
    certain = (learned > 0.5) & (mixture.evidence >= EVIDENCE)
    of = f"{name}: " if name else ""

    def why(at: int) -> str:
        said = shown(values[at], 40) if values[at] else "another answer"
        if expected[at] == given[at]:
            return f"{of}{said}, as rows like it say, but less surely than elsewhere"
        return f"{of}{said}, where rows like it say {shown(labels[expected[at]], 40) or 'something else'}"

    return _Evidence(
        "label",
        mixture.log_odds + _logit(max(mixture.share, LEAST)) + np.minimum(0, _logit(learned)),
        mixture.doubt,
        certain & (mixture.doubt > 0.5) & (expected != given),
        -log_likelihood(left_out, given, temperature),
        -log_likelihood(fitted, given, temperature),
        why,
    )


def _logit(share: Any) -> Any:
    return np.log(share / (1 - share))


def _by_end(answers: Sequence[str]) -> _Evidence:
    """Whether the last characters of an answer read like an end: learned from the others, whole and cut anywhere.

    As some answers may be cut already, it is learned again with each counted as far as it was taken for whole.
    """
    from sklearn.feature_extraction.text import HashingVectorizer
    from sklearn.linear_model import LogisticRegression

    n, chance = len(answers), np.random.default_rng(0)
    owners = np.repeat([at for at in range(n) if len(answers[at]) > 1], CUTS)
    cut = [answers[at][: chance.integers(1, len(answers[at]))] for at in owners]
    signs = HashingVectorizer(analyzer="char", ngram_range=(1, 4), n_features=2**16, norm=None, binary=True)
    ends = signs.transform(map(_tail, [*answers, *cut]))
    is_cut = np.repeat([0, 1], [n, len(cut)])
    fold = chance.permutation(n) % FOLDS
    folds = np.concatenate([fold, fold[owners]])  # an answer and what was cut from it are held out together

    def learn(rows: np.ndarray, counted: Floats) -> LogisticRegression:
        weights = np.concatenate([counted, np.full(len(cut), n / max(1, len(cut)))])
        return LogisticRegression(C=END_FREEDOM, solver="liblinear").fit(ends[rows], is_cut[rows], weights[rows])

    counted, mixtures = np.ones(n), list[Mixture]()
    for _ in range(PASSES):
        log_odds = np.zeros(n)
        for left in range(FOLDS):
            log_odds[fold == left] = learn(folds != left, counted).decision_function(ends[:n][fold == left])
        mixture = share_of_wrong(log_odds)
        supposed = mixture.share if mixtures else max(mixture.share, SUPPOSED)
        mixtures.append(mixture)
        counted = 1 - replace(mixture, share=supposed).doubt
    if mixture.evidence < EVIDENCE:
        mixture = mixtures[0]
    trained = learn(np.ones(len(folds), bool), counted).decision_function(ends[:n])
    return _Evidence(
        "cut",
        mixture.log_odds + _logit(max(mixture.share, LEAST)),
        mixture.doubt,
        (mixture.doubt > 0.5) & (mixture.evidence >= EVIDENCE),
        np.logaddexp(0, mixture.log_odds),
        np.logaddexp(0, trained),
        lambda at: f"the answer stops at {shown(answers[at][-TAIL:], TAIL)}, where the others do not end",
    )


def _tail(text: str) -> str:
    """The end of a text as it is judged: its last characters, and a sign for each kind of bracket left open."""
    open_ = "".join(sign for sign, a, b in ("\1{}", "\2[]", "\3()", "\4``") if text.count(a) > text.count(b))
    odd = "\5" if text.count('"') % 2 else ""
    return open_ + odd + text[-TAIL:] + "\0"


def _by_fit(
    prompts: Sequence[str], answers: Sequence[str], blocks: Sequence[_Block], numbers: Sequence[int]
) -> _Evidence:
    n = len(answers)
    own, trained, home = np.zeros(n), np.zeros(n), np.full(n, -1)
    for block in blocks:
        places = block.places
        fit, fitted = _fits([prompts[at] for at in places], [answers[at] for at in places], block.model)
        own[places], trained[places] = fit.diagonal(), fitted
        at = _homes(fit)
        home[places[at >= 0]] = places[at[at >= 0]]
    mixture = share_of_wrong(-own)

    def why(at: int) -> str:
        if home[at] >= 0:
            return f"the answer fits the prompt of line {numbers[home[at]]:,} better than its own"
        return "the answer has little to do with its prompt"

    return _Evidence(
        "displaced",
        -own + _logit(max(mixture.share, LEAST)),
        mixture.doubt,
        home >= 0,
        np.logaddexp(0, -own),
        np.logaddexp(0, -trained),
        why,
    )


def _fits(prompts: Sequence[str], answers: Sequence[str], model: HeldOut) -> tuple[Floats, Floats]:
    """(fit (n, n) of prompt and answer, fit (n,) of the own answer once trained on it), as log odds of belonging
    together.

    Learned from the file itself: its pairs next to as many drawn ones, by shared words and by how much an answer is
    like what the left-out model would say.
    """
    from sklearn.linear_model import LogisticRegression

    n = len(prompts)
    _, shared, alike = kernels(prompts, answers)
    left_out, fitted = model.predict(alike)
    signs = [_centred(shared), _centred(left_out)]
    own = np.arange(n)
    other = (own[:, None] + np.random.default_rng(0).integers(1, n, (n, min(20, n - 1)))) % n
    drawn = np.repeat(own, other.shape[1]), other.ravel()
    pairs = np.array([np.concatenate([sign[own, own], sign[drawn]]) for sign in signs]).T
    belongs = np.repeat([1, 0], [n, len(drawn[0])])
    regression = LogisticRegression(class_weight="balanced").fit(pairs, belongs)
    weights = np.maximum(regression.coef_[0], 0)  # less alike can be no sign of belonging together
    if (weights != regression.coef_[0]).any():
        keep = weights > 0
        again = LogisticRegression(class_weight="balanced").fit(pairs[:, keep], belongs) if keep.any() else None
        weights[keep] = again.coef_[0] if again else 0.0
        regression = again or regression
    fit = weights[0] * signs[0] + weights[1] * signs[1] + regression.intercept_[0]
    spread = left_out[~np.eye(n, dtype=bool)].std() or 1.0
    return fit, fit.diagonal() + weights[1] * (fitted - left_out).diagonal() / spread


def _centred(values: Floats) -> Floats:
    """Values (n, n) less what is usual for the prompt and for the answer, in standard deviations of drawn pairs."""
    n = len(values)
    drawn = values - np.diag(values.diagonal())
    rows, columns = (drawn.sum(axis=axis, keepdims=True) / (n - 1) for axis in (1, 0))
    centred = values - rows - columns + drawn.sum() / (n * (n - 1))
    return centred / (centred[~np.eye(n, dtype=bool)].std() or 1.0)


def _homes(fit: Floats) -> np.ndarray:
    """For each answer the prompt it was displaced from, -1 where none stands out.

    Both are among the rows that fit worst, as a displaced answer leaves a prompt without one. How well an answer fits
    the best of those prompts by chance is seen at the answers that fit their own.
    """
    n = len(fit)
    order = np.argsort(fit.diagonal())
    low, high = order[: max(2, int(LOW * n))], order[max(2, int(LOW * n)) :]
    among = fit[np.ix_(low, low)]
    np.fill_diagonal(among, -np.inf)
    best = among.max(axis=0)
    chance = np.quantile(fit[np.ix_(low, high)].max(axis=0), 1 - STRAY)
    stands_out = (best > chance) & (best > 0) & (best - fit[low, low] > np.log(len(low)))
    homes = np.full(n, -1)
    expected = STRAY * len(low)
    if stands_out.sum() >= max(FEWEST_DISPLACED, expected + 3 * expected**0.5):
        homes[low[stands_out]] = low[among.argmax(axis=0)[stands_out]]
    return homes
