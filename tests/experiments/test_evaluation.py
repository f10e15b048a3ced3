"""What an evaluation says, from scores typed in here."""

import json

import numpy as np
import pandas as pd
import pytest

from tunebook.errors import RequestError
from tunebook.experiments.evaluation.held_out import HeldOut, Leak
from tunebook.experiments.evaluation.paired import compare_scores
from tunebook.experiments.evaluation.record import Evaluation, read_evaluation
from tunebook.experiments.evaluation.summary import summarise

HELD_OUT = HeldOut(looked_at=("file-1",))
CHOSE = HeldOut(leaks=(Leak("file-2", "validation", "ftjob-1", 5, 100),), looked_at=("file-2",))
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
        "tuned is better than base on 100 held-out examples: exact 80.0 % against 40.0 %, a gain of +40.0 points "
        "(95 % interval +29.5 to +48.9, p < 0.001); 40 got better, 0 worse."
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


def test_what_a_report_tells_is_that_of_the_first_comparison():
    row = (7, "Say red", "red!", "blue", "red!", 0.0, 1.0)
    found = evaluation([0, 1] * 50, [1, 1] * 50, rows=[row], held_out=HELD_OUT)

    assert (found.tuned, found.gain, found.n_better, found.n_worse) == ("tuned", 0.5, 50, 0)
    assert found.interval == pytest.approx((0.391, 0.589), abs=0.001)
    assert (found.shows_a_gain, found.points_text(found.gain)) == (True, "+50.0 points")
    assert found.cases_better == [dict(zip(COLUMNS, row, strict=True))]
    assert found.caveats == ("Held out: none of the examples stands in file-1.",)


def test_one_model_alone_has_no_gain():
    found = summarise(
        score="exact", dataset="test", models={"base": {}}, scores={"base": np.array([0, 1])}, changed={}, path="a"
    )

    assert (found.tuned, found.gain, found.interval, found.p, found.shows_a_gain) == (None,) * 5
    assert (found.n_better, found.cases_worse) == (0, [])


def test_a_saved_evaluation_is_read_again_as_it_was():
    row = (7, "Say red", "red!", "blue", "red!", 0.0, 1.0)
    nothing = float("nan")
    found = evaluation([0, 1] * 50 + [nothing], [1, 1] * 50 + [1], rows=[row], held_out=CHOSE, notes=("Beware.",))

    again = Evaluation.from_json(json.loads(json.dumps(found.to_json(), allow_nan=False)))

    assert again.to_json() == found.to_json()
    assert again._repr_html_() == found._repr_html_()
    assert again.frame.equals(found.frame)


def test_an_evaluation_made_elsewhere_needs_little_to_be_read():
    rows = [{"prompt": str(n), "base": "a", "tuned": "b"} for n in range(20)]
    gain = {"gain": 0.1, "gain_low": 0.04, "gain_high": 0.16, "better": rows}

    found = read_evaluation({"sentence": "Better.", "score": "exact match", "n": 300, "scores": {"a": 0.5}, **gain})

    assert (found.sentence, found.n, found.models[0].mean, found.interval) == ("Better.", 300, 0.5, (0.04, 0.16))
    assert (found.n_better, found.cases_better[1]["prompt"], found.p, found.shows_a_gain) == (20, "1", None, True)


def test_the_paired_result_of_two_models_is_read_as_an_evaluation():
    found = read_evaluation(compare_scores([0, 0, 0, 1] * 20, [1, 1, 0, 1] * 20))

    assert (found.gain, found.n, found.n_better, found.n_worse, found.shows_a_gain) == (0.5, 80, 40, 0, True)
    assert "The second model is better" in found.sentence


def test_what_is_no_evaluation_is_refused():
    with pytest.raises(RequestError, match="cannot read one from int"):
        read_evaluation(3)


def test_the_table_of_what_changed_escapes_examples_and_answers():
    row = (7, "<script>prompt", "<script>expected", "<script>base", "<script>tuned", 0.0, 1.0)

    html = evaluation([0, 1] * 50, [1, 1] * 50, rows=[row])._repr_html_()

    assert "<script>" not in html
    assert html.count("&lt;script&gt;") == 8
    assert "<caption" in html
