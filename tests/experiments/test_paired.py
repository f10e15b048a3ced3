"""Paired evaluation: published numbers come out, coverage holds in simulation, unpaired input is refused."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest

from tunebook.experiments.evaluation.paired import (
    agresti_min_interval,
    bootstrap_t,
    compare_scores,
    holm,
    midp_mcnemar,
    prompts_needed,
)


def test_midp_is_the_exact_p_value_less_half_the_probability_of_what_was_seen():
    exact = binomtest(2, 12, 0.5).pvalue
    seen = math.comb(12, 2) / 2**12

    assert midp_mcnemar(10, 2) == pytest.approx(exact - seen)


def test_equal_counts_are_no_evidence():
    assert midp_mcnemar(0, 0) == 1.0
    assert midp_mcnemar(5, 5) == pytest.approx(1 - 0.5 * math.comb(10, 5) / 2**10)


def test_the_interval_adds_one_half_to_each_cell():
    # By hand: centre (10.5 - 2.5) / 52 = 0.15385, error sqrt(13 - 64 / 52) / 52 = 0.06597, times 1.96 = 0.12931
    low, high = agresti_min_interval(10, 2, 50)

    assert (low + high) / 2 == pytest.approx(8 / 52)
    assert low == pytest.approx(0.02454, abs=1e-5)


@pytest.mark.parametrize(
    ("gain", "discordant", "needed"), [(0.05, 0.1, 312), (0.05, 0.2, 626), (0.10, 0.3, 234), (0.02, 0.4, 7847)]
)
def test_sample_sizes_are_those_of_the_mcnemar_table(gain, discordant, needed):
    assert prompts_needed(gain, discordant=discordant) == pytest.approx(needed, abs=1)


def test_graded_scores_need_fewer_prompts_when_they_scatter_less():
    assert prompts_needed(0.5, sd=2.0) == 126
    assert prompts_needed(0.5, sd=1.0) == 32


def test_right_and_wrong_scores_get_the_binary_method_and_graded_ones_the_bootstrap():
    first, second = [0] * 30 + [1] * 30, [1] * 20 + [0] * 10 + [1] * 30

    assert compare_scores(first, second).method == "Agresti-Min interval, mid-p McNemar test"
    assert compare_scores(np.array(first) * 0.5, second).method == "bootstrap-t"


def test_a_clear_gain_is_called_better_and_its_mirror_worse():
    first, second = [0] * 40 + [1] * 60, [1] * 30 + [0] * 10 + [1] * 60

    there, back = compare_scores(first, second), compare_scores(second, first)

    assert (there.verdict, back.verdict) == ("better", "worse")
    assert (there.gain, there.better, there.worse) == (0.3, 30, 0)
    assert there.low == pytest.approx(-back.high)


def test_prompts_of_one_conversation_count_as_one():
    scores = np.random.default_rng(0).normal(0.3, 1.0, 12).repeat(10)
    labels = np.arange(12).repeat(10)

    alone = compare_scores(np.zeros(120), scores)
    together = compare_scores(np.zeros(120), scores, clusters=labels)

    assert together.clusters == 12
    assert together.high - together.low > 2 * (alone.high - alone.low)


def test_few_prompts_are_called_exploratory():
    assert "exploratory" in compare_scores([0, 1, 0], [1, 1, 0]).notes[0]


def test_identical_scores_are_no_difference_not_an_error():
    result = compare_scores([0.2, 0.7, 0.1], [0.2, 0.7, 0.1])

    assert (result.gain, result.p_value, result.verdict) == (0.0, 1.0, "no difference shown")


@pytest.mark.parametrize(
    ("first", "second", "said"),
    [([1, 0], [1], "paired"), ([1], [0], "too few"), ([1, float("nan")], [0, 1], "Score 1 is nan")],
)
def test_scores_that_cannot_be_paired_are_refused(first, second, said):
    with pytest.raises(ValueError, match=said):
        compare_scores(first, second)


def test_holm_adjusts_the_smallest_most_and_keeps_the_order():
    assert holm({"a": 0.04, "b": 0.01, "c": 0.03}) == pytest.approx({"a": 0.06, "b": 0.03, "c": 0.06})


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 40), st.integers(0, 40), st.integers(0, 40))
def test_intervals_stay_in_range_and_mirror(better, worse, same):
    n = max(better + worse + same, 1)
    better, worse = (better, worse) if better + worse else (0, 0)
    low, high = agresti_min_interval(better, worse, n)

    assert -1 <= low <= high <= 1
    assert agresti_min_interval(worse, better, n) == pytest.approx((-high, -low))
    assert 0 <= midp_mcnemar(better, worse) <= 1


def test_binary_intervals_cover_their_gain():
    rng = np.random.default_rng(1)
    covered = 0
    for _ in range(1000):
        up, down, _same = rng.multinomial(100, [0.10, 0.05, 0.85])
        low, high = agresti_min_interval(up, down, 100)
        covered += low <= 0.05 <= high

    assert covered / 1000 >= 0.93


def test_skewed_differences_are_covered_better_than_by_the_t_interval():
    rng = np.random.default_rng(2)
    covered = plain = 0
    for number in range(300):
        sample = rng.lognormal(0, 1, 50)
        low, high, _ = bootstrap_t(sample, resamples=500, seed=number)
        reach = 2.01 * sample.std(ddof=1) / math.sqrt(50)
        covered += low <= math.exp(0.5) <= high
        plain += abs(sample.mean() - math.exp(0.5)) <= reach

    assert covered >= plain
    assert covered / 300 >= 0.89


def test_the_card_escapes_its_notes():
    result = compare_scores([0, 1, 0], [1, 1, 0])
    html = type(result)(**{**result.__dict__, "notes": ("<script>",)})._repr_html_()

    assert "<script>" not in html
