"""Equal and near-equal texts: found, whatever was changed a little; others left alone."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tunebook as tb
from tunebook.data.likeness.near import components, near_pairs, normalised, without_templates

SENTENCE = "the parcel never came although the tracking page says that it was left with a neighbour on tuesday morning"


def chat(asked, said, system="You are kind."):
    texts = [("system", system), ("user", asked), ("assistant", said)]
    return {"messages": [{"role": role, "content": content} for role, content in texts]}


def prose(seed, length=30):
    chance = np.random.default_rng(seed)
    return " ".join(f"word{n}" for n in chance.integers(0, 3_000, length))


@pytest.mark.parametrize(
    "changed",
    [
        SENTENCE,
        SENTENCE.upper().replace(" ", "  "),
        SENTENCE.replace("tuesday", "wednesday"),
        f"hello there, {SENTENCE} please help",
        " ".join(SENTENCE.split()[9:] + SENTENCE.split()[:9]),
    ],
    ids=["equal", "case and spacing", "a word changed", "words around it", "parts swapped"],
)
def test_a_copy_is_found_however_it_was_changed(changed):
    texts = [prose(n) for n in range(30)]

    pairs = near_pairs([*texts, SENTENCE], [*[prose(n + 100) for n in range(30)], changed])

    assert list(zip(pairs.a.tolist(), pairs.b.tolist(), strict=True)) == [(30, 30)]
    assert pairs.exact.tolist() == [normalised(changed) == normalised(SENTENCE)]


def test_within_one_list_each_pair_comes_once_and_nothing_pairs_with_itself():
    texts = [prose(1), prose(2), prose(1) + " more", prose(3)]

    pairs = near_pairs(texts)

    assert list(zip(pairs.a.tolist(), pairs.b.tolist(), strict=True)) == [(0, 2)]
    assert components(4, pairs).tolist() == [0, 1, 0, 2]


def test_texts_without_words_are_like_nothing():
    pairs = near_pairs(["", "?!", prose(1)], ["...", prose(2)])

    assert len(pairs) == 0


@pytest.mark.parametrize(("size", "others"), [(60, 200), (200, 60)])
def test_which_of_two_lists_is_the_longer_does_not_matter(size, others):
    texts = [prose(n, 60) for n in range(size)]
    more = [prose(n + 1_000, 60) for n in range(others - 20)] + [f"so {texts[n]} indeed" for n in range(20)]

    pairs = near_pairs(texts, more)

    wanted = {(n, others - 20 + n) for n in range(20)}
    assert set(zip(pairs.a.tolist(), pairs.b.tolist(), strict=True)) == wanted


def test_of_equal_texts_those_after_the_first_are_paired_with_it_alone():
    pairs = near_pairs([SENTENCE, SENTENCE.upper(), prose(1), SENTENCE, SENTENCE + " again"])

    assert list(zip(pairs.a.tolist(), pairs.b.tolist(), strict=True)) == [(0, 1), (0, 3), (0, 4)]
    assert pairs.exact.tolist() == [True, True, False]


def test_scripts_without_spaces_are_compared_by_character():
    pairs = near_pairs(
        ["風邪薬はどこにありますか？咳にはこの薬が効くで。"], ["風邪薬はどこにありますか？咳にはあの薬が効くで。"]
    )

    assert len(pairs) == 1


def test_lines_of_a_template_do_not_count():
    texts = [f"You must answer as JSON.\nTicket {n}\nRegards" for n in range(20)]

    assert without_templates(texts)[3] == "Ticket 3"
    assert without_templates(["same\nx", "same\ny"]) == ["same\nx", "same\ny"]  # two rows make no template
    assert without_templates(["only this"] * 20) == ["only this"] * 20


@settings(max_examples=60, deadline=None)
@given(texts=st.lists(st.text("ab c.", max_size=12), max_size=8))
def test_any_texts_can_be_compared(texts):
    pairs = near_pairs(texts)

    assert all(0 <= a < b < len(texts) for a, b in zip(pairs.a.tolist(), pairs.b.tolist(), strict=True))


def test_an_overlap_shows_the_pairs_side_by_side():
    train = tb.read_dataset([chat(prose(n), prose(n + 50)) for n in range(30)], name="train")
    valid = tb.read_dataset([chat(prose(90), "new"), train[4]], name="valid<script>")

    found = train.overlap(valid)

    assert [(p.line, p.other_line, p.kind) for p in found.pairs] == [(5, 2, "equal")]
    assert (found.share, found.touched) == (0.5, 1)
    assert found.frame.columns.tolist() == ["line", "other_line", "similarity", "kind", "text", "other_text"]
    assert found.pairs[0].text == f"{prose(4)}\n{prose(54)}"[:400]
    assert "<script" not in found._repr_html_()
    assert "1 of 2 examples (50 %) of valid<script> are also in train" in repr(found)


def test_the_same_system_message_makes_no_overlap():
    long = "You are a kind and careful assistant of a large library. " * 20
    ds = tb.read_dataset([chat(prose(n, 5), prose(n + 50, 5), system=long) for n in range(30)])

    assert len(ds.overlap()) == 0
