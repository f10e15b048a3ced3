"""Splitting a dataset in two without leaks and with both parts alike."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from tunebook.data.examples import Examples
from tunebook.data.likeness.labels import answer_labels
from tunebook.data.records import record_text
from tunebook.errors import DataError
from tunebook.show import Card, Shown, Text

if TYPE_CHECKING:
    from tunebook.data.likeness.comparability import Comparability

# Keys under which people keep what belongs together; the first that every example has is used.
GROUP_KEYS = (
    "conversation_id", "conversationId", "thread_id", "session_id", "dialogue_id", "dialog_id", "chat_id", "group_id",
    "user_id", "customer_id", "document_id", "source_id",
)  # fmt: skip
TRIES = 8  # shuffles, of which the one with the most alike parts is kept
LENGTH_BINS = 5


Part = TypeVar("Part", bound=Examples)


class Split(tuple[Part, Part], Shown):
    """(train, valid), to be taken apart; shows in a notebook how the parts compare."""

    def __new__(cls, train: Part, valid: Part, how: str) -> Split[Part]:
        made = super().__new__(cls, (train, valid))
        made.how = how
        return made

    how: str

    @property
    def train(self) -> Part:
        return self[0]

    @property
    def valid(self) -> Part:
        return self[1]

    @cached_property
    def comparability(self) -> Comparability:
        """Whether the parts are alike: lengths, answers, words."""
        from tunebook.data.likeness.comparability import compare_parts

        return compare_parts(self.train, self.valid)

    def __repr__(self) -> str:
        return f"{self.how} {self.comparability.sentence}"

    def _card(self) -> Card:
        return Card(Text(self.how), self.comparability._card())


def split_dataset(
    dataset: Part,
    *,
    valid: float | int = 0.2,
    seed: int = 0,
    group_by: str | None = None,
    near_duplicates: bool = True,
) -> Split[Part]:
    """A training and a validation part of `dataset`, in file order; the same seed gives the same split.

    valid: a fraction (below 1) or a number of examples. group_by: a key of the examples; those with the same value stay
    together (None: the first of `GROUP_KEYS` that all have). near_duplicates: keeps equal and nearly equal examples
    together too. Both parts get the same shares of each answer when answers are labels, else of each length. Raises
    DataError when a part would be empty.
    """
    examples = dataset.examples
    wanted = _wanted(valid, len(examples))
    groups, how = _groups(dataset, group_by, near_duplicates)
    strata, by = _strata(examples)
    choice = choose(groups, strata, wanted, seed)
    picked = np.flatnonzero(choice)
    if not 0 < len(picked) < len(examples):
        raise DataError(
            f"{dataset.name}: its {len(examples)} examples cannot be split, {how}: they make "
            f"{len(set(groups.tolist()))} groups. Pass near_duplicates=False to split them all the same."
        )
    rest = np.flatnonzero(~choice)
    said = f"{len(rest):,} examples to train on, {len(picked):,} to validate, stratified by {by}, {how} (seed {seed})."
    return Split(
        dataset.pick(rest.tolist(), f"{dataset.name}, train"),
        dataset.pick(picked.tolist(), f"{dataset.name}, valid"),
        said,
    )


def _wanted(valid: float | int, count: int) -> int:
    is_count = isinstance(valid, int) and not isinstance(valid, bool)
    wanted = int(valid) if is_count else round(valid * count)
    if not 0 < wanted < count:
        raise DataError(
            f"valid={valid!r} of {count} examples leaves one part empty. Give a fraction such as 0.2, or a number of "
            f"examples between 1 and {count - 1}."
        )
    return wanted


def _groups(dataset: Examples, group_by: str | None, near: bool) -> tuple[np.ndarray, str]:
    """(group number of each example, how they were found)."""
    from scipy import sparse
    from scipy.sparse.csgraph import connected_components

    examples = dataset.examples
    count = len(examples)
    labels: list[np.ndarray] = []
    how = []
    key = group_by or next((k for k in GROUP_KEYS if all(_group_of(e, k) is not None for e in examples)), None)
    if key:
        labels.append(_by_key(dataset, key))
        how.append(f"examples of one {key} kept together")
    if near:
        from tunebook.data.likeness.overlap import duplicate_groups

        found = duplicate_groups(dataset)
        labels.append(found)
        alike = count - len(np.unique(found))
        how.append(f"near-duplicates kept together ({alike:,} found)")
    if not labels:
        return np.arange(count), "each example by itself"
    # An example is a node, and so is each group of each kind; what hangs together stays together.
    offset = count
    rows, columns = [], []
    for group in labels:
        rows.append(np.arange(count))
        columns.append(group + offset)
        offset += int(group.max()) + 1
    edges = np.concatenate(rows), np.concatenate(columns)
    graph = sparse.coo_matrix((np.ones(len(edges[0]), bool), edges), shape=(offset, offset))
    return connected_components(graph, directed=False)[1][:count], ", ".join(how)


def _by_key(dataset: Examples, key: str) -> np.ndarray:
    """A number for each example, the same for equal values of `key`; an example without the key is its own group."""
    values = [_group_of(example, key) for example in dataset.examples]
    if all(value is None for value in values):
        raise DataError(f"{dataset.name}: no example has the key {key!r}. Name a key the examples have.")
    number: dict[object, int] = {}
    return np.array([number.setdefault(at if v is None else v, len(number)) for at, v in enumerate(values)])


def _group_of(example: Mapping[str, Any], key: str) -> str | None:
    inside = example.get("metadata")
    value = example.get(key, inside.get(key) if isinstance(inside, Mapping) else None)
    return None if value is None else str(value)


def _strata(examples: Sequence[Mapping[str, Any]]) -> tuple[np.ndarray, str]:
    """(stratum of each example, its name): the answer when answers are labels, else a fifth of the lengths."""
    labels = answer_labels(examples)
    if labels:
        return np.unique(labels, return_inverse=True)[1], "answer"
    lengths = np.array([len(record_text(example)) for example in examples])
    edges = np.quantile(lengths, np.linspace(0, 1, LENGTH_BINS + 1)[1:-1])
    return np.searchsorted(edges, lengths), "length"


def choose(groups: np.ndarray, strata: np.ndarray, wanted: int, seed: int) -> np.ndarray:
    """Which examples go to the validation part: `wanted` of them as nearly as whole groups allow, strata in proportion.

    Of several shuffles the best is kept: first by the number of examples, then by the largest difference of shares.
    """
    best, score = np.zeros(len(groups), bool), (float("inf"), float("inf"))
    members = defaultdict(list)
    for at, group in enumerate(groups.tolist()):
        members[group].append(at)
    for attempt in range(TRIES):
        chance = np.random.default_rng([seed, attempt])
        choice = _attempt(list(members.values()), strata, wanted, chance)
        if not choice.any() or choice.all():
            continue
        shares = [np.bincount(strata[part], minlength=strata.max() + 1) / part.sum() for part in (choice, ~choice)]
        now = (abs(int(choice.sum()) - wanted), float(np.abs(shares[0] - shares[1]).max()))
        if now < score:
            best, score = choice, now
    return best


def _attempt(groups: list[list[int]], strata: np.ndarray, wanted: int, chance: np.random.Generator) -> np.ndarray:
    """One shuffle: groups of several examples first, as many as their share of the file; then single ones fill up."""
    total = len(strata)
    left = _quota(np.bincount(strata), wanted)
    choice = np.zeros(total, bool)
    several = [group for group in groups if len(group) > 1]
    budget = wanted * sum(map(len, several)) / total
    for at in chance.permutation(len(several)):
        group = several[at]
        if len(group) <= budget:
            choice[group] = True
            budget -= len(group)
            left = left - np.bincount(strata[group], minlength=len(left))
    # A group may have filled a stratum beyond its share: the rest is shared out among those with room.
    left, rest = np.maximum(left, 0), max(0, wanted - int(choice.sum()))
    left = _quota(left, min(rest, int(left.sum()))) if left.sum() else left
    single = defaultdict(list)
    for group in groups:
        if len(group) == 1:
            single[int(strata[group[0]])].append(group[0])
    spare: list[int] = []
    for stratum in range(len(left)):
        order = chance.permutation(single[stratum]).astype(int).tolist() if single[stratum] else []
        take = max(0, min(int(left[stratum]), len(order)))
        choice[order[:take]] = True
        spare.extend(order[take:])
    missing = wanted - int(choice.sum())
    if missing > 0:
        choice[chance.permutation(spare).astype(int).tolist()[:missing] if spare else []] = True
    missing = wanted - int(choice.sum())
    for at in chance.permutation(len(several)) if missing > 0 else ():
        group = several[at]
        if not choice[group[0]] and len(group) <= missing:
            choice[group] = True
            missing -= len(group)
    if not choice.any():  # every group is larger than the part: the smallest comes nearest
        choice[min(groups, key=len)] = True
    return choice


def _quota(sizes: np.ndarray, wanted: int) -> np.ndarray:
    """`wanted` shared out in proportion to `sizes`, in whole numbers (largest remainder)."""
    exact = sizes * wanted / sizes.sum()
    quota = np.floor(exact).astype(int)
    for at in np.argsort(quota - exact, kind="stable")[: wanted - int(quota.sum())]:
        quota[at] += 1
    return quota
