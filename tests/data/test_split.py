"""Splits without leaks, with both parts alike."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import tunebook as tb
from tunebook.data.likeness.comparability import compare_parts
from tunebook.data.likeness.split import choose
from tunebook.errors import DataError

WORDS = [
    "harbour",
    "lantern",
    "violin",
    "marble",
    "copper",
    "garden",
    "winter",
    "thunder",
    "pepper",
    "saddle",
    "ribbon",
    "mirror",
    "candle",
    "button",
    "ladder",
    "basket",
    "feather",
    "blanket",
    "kettle",
    "hammer",
    "pillow",
    "anchor",
    "bottle",
    "cactus",
    "dragon",
    "engine",
    "forest",
    "guitar",
    "helmet",
    "island",
    "jacket",
    "kernel",
]


def text(seed, length=14):
    return " ".join(np.random.default_rng(seed).choice(WORDS, length))


def chat(asked, said, **more):
    return {"messages": [{"role": "user", "content": asked}, {"role": "assistant", "content": said}], **more}


def test_labels_have_the_same_share_in_both_parts():
    ds = tb.read_dataset([chat(text(n), "yes" if n % 4 else "no") for n in range(100)])

    train, valid = ds.split(valid=0.2, seed=1)

    assert Counter(e["messages"][1]["content"] for e in valid) == {"yes": 15, "no": 5}
    assert len(train) == 80


def test_a_count_is_kept_exactly_when_examples_stand_alone():
    split = tb.read_dataset([chat(text(n), text(n + 500)) for n in range(60)]).split(valid=7)

    assert len(split.valid) == 7
    assert "stratified by length" in split.how


def test_near_duplicates_stay_on_one_side():
    originals = [text(n) for n in range(40)]
    copies = [f"{original} indeed" for original in originals]
    ds = tb.read_dataset([chat(asked, f"Answer to {asked}") for asked in [*originals, *copies]])

    for seed in range(3):
        train, valid = ds.split(valid=0.25, seed=seed)
        sides = [{e["messages"][0]["content"].removesuffix(" indeed") for e in part} for part in (train, valid)]
        assert not sides[0] & sides[1]
        assert 16 <= len(valid) <= 24


def test_conversations_of_one_id_stay_on_one_side():
    ds = tb.read_dataset([chat(text(n), text(n + 99), conversation_id=n // 3) for n in range(60)])

    split = ds.split(valid=0.3)

    assert not {e["conversation_id"] for e in split.train} & {e["conversation_id"] for e in split.valid}
    assert "one conversation_id kept together" in split.how


@settings(max_examples=25, deadline=None)
@given(
    owners=st.lists(st.integers(0, 12), min_size=12, max_size=30),
    copied=st.sets(st.integers(1, 29)),
    share=st.floats(0.1, 0.6),
    seed=st.integers(0, 9),
)
def test_neither_a_conversation_nor_a_copy_straddles_whatever_hangs_together(owners, copied, share, seed):
    asked = [f"{text(n - 1)} indeed" if n in copied and n - 1 not in copied else text(n) for n in range(len(owners))]
    ds = tb.read_dataset([chat(a, f"Re: {a}", conversation_id=o) for a, o in zip(asked, owners, strict=True)])

    try:
        train, valid = ds.split(valid=share, seed=seed)
    except DataError as refused:  # all of it hangs together, or no part is left
        assume("groups" not in str(refused) and "empty" not in str(refused))
        raise

    for key in (lambda e: e["conversation_id"], lambda e: e["messages"][0]["content"].removesuffix(" indeed")):
        assert not {key(e) for e in train} & {key(e) for e in valid}
    assert len(train) + len(valid) == len(ds)


def test_a_key_of_ones_own_can_group_and_a_missing_one_is_named():
    ds = tb.read_dataset([chat(text(n), text(n + 99), metadata={"shop": n % 6}) for n in range(60)])

    train, valid = ds.split(valid=0.3, group_by="shop")

    assert not {e["metadata"]["shop"] for e in train} & {e["metadata"]["shop"] for e in valid}
    with pytest.raises(DataError, match="no example has the key 'store'"):
        ds.split(group_by="store")


def test_a_file_of_one_thing_cannot_be_split_and_says_why():
    ds = tb.read_dataset([chat("the same question", "the same answer")] * 20)

    with pytest.raises(DataError, match="near_duplicates=False"):
        ds.split()
    assert len(ds.split(near_duplicates=False).valid) == 4


@pytest.mark.parametrize("valid", [0, 0.0, 60, 1.0, -1, 100])
def test_an_empty_part_is_refused_with_the_value(valid):
    with pytest.raises(DataError, match=f"valid={valid!r} of 60"):
        tb.read_dataset([chat(text(n), "x") for n in range(60)]).split(valid=valid)


@settings(max_examples=80, deadline=None)
@given(
    groups=st.lists(st.integers(0, 6), min_size=4, max_size=40),
    labels=st.lists(st.integers(0, 2), min_size=40, max_size=40),
    share=st.floats(0.1, 0.9),
    seed=st.integers(0, 5),
)
def test_groups_are_never_torn_and_the_part_is_as_large_as_whole_groups_allow(groups, labels, share, seed):
    numbers = np.array(groups)
    wanted = min(len(groups) - 1, max(1, round(share * len(groups))))
    assume(len(set(groups)) > 1)

    choice = choose(numbers, np.array(labels[: len(groups)]), wanted, seed)

    for group in set(groups):
        assert len(set(choice[numbers == group].tolist())) == 1
    assert abs(int(choice.sum()) - wanted) <= max(Counter(groups).values())


def test_parts_of_one_file_are_comparable_and_strangers_are_not():
    ds = tb.read_dataset([chat(text(n), text(n + 999)) for n in range(200)])
    stranger = tb.read_dataset(
        [chat(f"{n} Zahlen und {n + 1} Wörter", "Ja, gewiss doch.") for n in range(60)], name="<script>"
    )

    split = ds.split(valid=0.3, seed=0)
    compared = compare_parts(ds, stranger)

    assert split.comparability.comparable
    assert not compared.comparable
    assert compared.auc > 0.95
    assert "lengths differ" in compared.sentence
    assert "<script" not in compared._repr_html_() + split._repr_html_()


def test_a_difference_of_lengths_that_is_certain_but_tiny_is_of_no_account():
    found = compare_parts(*(tb.read_dataset([chat(text(n), "x") for n in range(40)]) for _ in range(2)))
    certain = replace(found, length_p=1e-9, lengths=(40, 41))

    assert replace(certain, length_gap=0.04).comparable
    assert replace(certain, length_gap=0.06).differences == ("lengths differ (median 40 and 41 characters)",)


def test_labels_that_are_spread_differently_are_noticed():
    first = tb.read_dataset([chat(text(n), "yes" if n % 2 else "no") for n in range(100)])
    second = tb.read_dataset([chat(text(n + 500), "yes" if n % 10 else "no") for n in range(100)])

    compared = compare_parts(first, second)

    assert compared.label_shares == {"yes": (0.5, 0.9), "no": (0.5, 0.1)}
    assert compared.label_p < 0.001
