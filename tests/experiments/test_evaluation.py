"""What an evaluation says, from scores typed in here."""

import numpy as np
import pandas as pd
import pytest

from tunebook.experiments.evaluation.evaluation import summarise
from tunebook.experiments.evaluation.held_out import HeldOut, Overlap
from tunebook.report.evaluation import read_evaluation

HELD_OUT = HeldOut(looked_at=("file-1",))
CHOSE = HeldOut(overlaps=(Overlap("file-2", "validation", "ftjob-1", 5, 100),), looked_at=("file-2",))
COLUMNS = ["example", "prompt", "expected", "base", "tuned", "base_score", "tuned_score"]


def evaluation(base, tuned, *, rows=(), **options):
    changed = pd.DataFrame(list(rows), columns=COLUMNS)
    models = {"base": {"served": "gpt-4.1"}, "tuned": {"served": "gpt-4.1.ft-1"}}
    return summarise(
        score="exact",
        dataset="test",
        models=models,
        scores={"base": np.array(base, float), "tuned": np.array(tuned, float)},
        changed={"tuned": (changed, changed)},
        path="answers.jsonl",
        **options,
    )


def test_a_shown_gain_is_said_with_its_interval_and_what_changed():
    found = evaluation([0] * 60 + [1] * 40, [1] * 40 + [0] * 20 + [1] * 40, held_out=HELD_OUT)

    assert found.sentence == (
        "tuned is better than base on 100 held-out examples: exact 80.0% against 40.0%, a gain of +40.0 points "
        "(95% interval +29.5 to +48.9, p < 0.001); 40 got better, 0 worse."
    )


def test_no_improvement_is_said_plainly_with_how_many_examples_would_show_one():
    found = evaluation([1, 0] * 50, [1, 0] * 49 + [0, 1], held_out=HELD_OUT)

    assert found.sentence.startswith("No improvement of tuned over base is shown on 100 held-out examples")
    assert "A true gain of 5 points would be seen with about" in found.sentence


def test_a_tuned_model_that_is_worse_is_called_worse():
    found = evaluation([1] * 100, [0] * 30 + [1] * 70)

    assert found.sentence.startswith("tuned is worse than base on 100 examples")


@pytest.mark.parametrize("held_out", [None, CHOSE, HeldOut(unread=("file-3 has been deleted.",))])
def test_the_word_held_out_is_not_used_unless_it_was_shown(held_out):
    found = evaluation([0, 1] * 50, [1, 1] * 50, held_out=held_out)

    assert "held-out" not in found.sentence
    assert held_out is None or str(held_out) in repr(found)


def test_examples_without_an_answer_of_both_are_left_out_of_the_comparison():
    nothing = float("nan")
    found = evaluation([0, 1, nothing] + [0] * 7, [1, nothing, 1] + [1] * 7)

    assert (found.n, found.gains["tuned"].n) == (8, 8)
    assert [m.missing for m in found.models] == [1, 1]


def test_scores_on_a_scale_of_ones_own_are_not_told_as_per_cent():
    rng = np.random.default_rng(0)
    base = rng.normal(50, 5, 60)

    found = evaluation(base, base + 10 + rng.normal(0, 1, 60))

    assert "%" not in found.sentence.split(" (")[0]
    assert found.gains["tuned"].verdict == "better"


def test_examples_of_one_source_count_once():
    base, tuned = [0, 1] * 30, [1, 1] * 30

    alone = evaluation(base, tuned)
    together = evaluation(base, tuned, clusters=[n // 10 for n in range(60)])

    assert (alone.gains["tuned"].clusters, together.gains["tuned"].clusters) == (60, 6)


def test_several_models_are_judged_by_adjusted_p_values():
    rng = np.random.default_rng(1)
    base, one, two = (rng.integers(0, 2, 80) for _ in range(3))
    empty = pd.DataFrame(columns=COLUMNS)
    found = summarise(
        score="exact",
        dataset="test",
        models={name: {"served": name} for name in ("base", "one", "two")},
        scores={"base": base, "one": one, "two": two},
        changed={"one": (empty, empty), "two": (empty, empty)},
        path="a",
    )

    assert len(found.sentences) == 2
    assert all(found.p_values[name] >= found.gains[name].p_value for name in ("one", "two"))


def test_too_few_examples_are_not_compared():
    found = evaluation([1], [0])

    assert found.gains == {}
    assert "too few to compare" in found.notes[0]


def test_a_report_reads_it():
    row = (7, "Say red", "red!", "blue", "red!", 0.0, 1.0)
    found = evaluation([0, 1] * 50, [1, 1] * 50, rows=[row], held_out=HELD_OUT)

    read = read_evaluation(found)

    assert (read.n, read.n_better, read.better[0].tuned) == (100, 50, "red!")
    assert read.scores[1].value == 1.0
    assert read.shows_a_gain


def test_the_table_of_what_changed_escapes_examples_and_answers():
    row = (7, "<script>prompt", "<script>expected", "<script>base", "<script>tuned", 0.0, 1.0)

    html = evaluation([0, 1] * 50, [1, 1] * 50, rows=[row])._repr_html_()

    assert "<script>" not in html
    assert html.count("&lt;script&gt;") == 8
    assert "<caption" in html
