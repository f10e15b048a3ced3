"""Result files: every dialect read into one shape, and what was understood is said."""

import base64
import io

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunebook.analysis import Results, load_results
from tunebook.errors import ResultsError

FOUNDRY = b"""step,train_loss,train_mean_token_accuracy,valid_loss,valid_mean_token_accuracy,full_valid_loss
1,2.5,0.40,2.4,0.41,
2,2.0,0.50,,,
3,1.5,0.60,1.9,0.52,1.95
"""


def test_a_file_of_today_comes_back_as_it_is():
    results = load_results(FOUNDRY)

    assert results.frame["step"].tolist() == [1, 2, 3]
    assert results.frame["train_loss"].tolist() == [2.5, 2.0, 1.5]
    assert results.frame["valid_loss"].dropna().tolist() == [2.4, 1.9]
    assert results.notes == ()


def test_columns_a_file_lacks_are_there_and_missing():
    results = load_results(b"step,train_loss\n1,2.5\n")

    assert results.frame["full_valid_mean_token_accuracy"].isna().all()
    assert not results.has("valid_loss")


@pytest.mark.parametrize(
    ("header", "canonical"),
    [
        ("training_loss", "train_loss"),
        ("train_accuracy", "train_mean_token_accuracy"),
        ("training_token_accuracy", "train_mean_token_accuracy"),
        ("validation_loss", "valid_loss"),
        ("val_loss", "full_valid_loss"),
        ("eval_loss", "full_valid_loss"),
        ("Validation Loss", "valid_loss"),
        ("train-loss", "train_loss"),
        ("trainLoss", "train_loss"),
        ("sunny-sun-1 - eval/loss", "full_valid_loss"),
        ("validation_mean_token_accuracy", "valid_mean_token_accuracy"),
        ("validation_token_accuracy", "valid_mean_token_accuracy"),
        ("train_reward_mean", "train_mean_reward"),
    ],
)
def test_names_of_other_dialects_are_understood_and_said(header, canonical):
    results = load_results(f"step,{header}\n1,0.5\n".encode())

    assert results.frame[canonical].tolist() == [0.5]
    assert results.notes == (f"Columns renamed: {header} → {canonical}.",)


def test_a_trainers_state_is_read_without_its_summary():
    results = load_results(
        b"""{"epoch": 2.0, "log_history": [
        {"loss": 1.8, "learning_rate": 1e-4, "epoch": 1.0, "step": 10},
        {"eval_loss": 1.7, "eval_runtime": 3.1, "epoch": 1.0, "step": 10},
        {"loss": 1.5, "epoch": 2.0, "step": 20},
        {"train_runtime": 9.0, "train_loss": 1.65, "epoch": 2.0, "step": 20}]}"""
    )

    assert results.frame[["step", "train_loss"]].to_numpy().tolist() == [[10, 1.8], [20, 1.5]]
    assert results.frame["full_valid_loss"].tolist()[0] == 1.7
    assert results.notes[0] == "Read from JSON: 2 steps."


def test_one_object_a_line_is_read_although_the_last_was_cut_off():
    results = load_results('{"_step": 5, "train/loss": 2.0}\n{"_step": 10, "train/loss": 1.5, "val/loss": 1.9}\n{"_st')

    assert results.frame[["step", "train_loss"]].to_numpy().tolist() == [[5, 2.0], [10, 1.5]]
    assert results.frame["full_valid_loss"].tolist()[1] == 1.9


def test_a_file_written_as_python_prints_bytes_is_read():
    results = load_results(repr(b"step,train_loss\n1,2.5\n").encode())

    assert results.frame["train_loss"].tolist() == [2.5]


def test_zeros_between_validation_losses_are_blanks():
    results = load_results(b"step,train_loss,full_valid_loss\n1,2.5,0\n2,0,0\n3,2,1.9\n4,1,0\n")

    assert results.frame["full_valid_loss"].dropna().tolist() == [1.9]
    assert results.frame["train_loss"].tolist() == [2.5, 0, 2, 1]
    assert results.notes == ("0 read as not measured in full_valid_loss (3).",)


def test_losses_that_near_zero_by_degrees_are_measurements():
    results = load_results(b"step,valid_loss\n1,2.5\n2,0.01\n3,0\n4,0\n")

    assert results.frame["valid_loss"].tolist() == [2.5, 0.01, 0, 0]


@pytest.mark.parametrize(
    "disguise",
    [
        pytest.param(base64.b64encode, id="base64"),
        pytest.param(base64.encodebytes, id="base64 with line breaks"),
        pytest.param(lambda b: b"\xef\xbb\xbf" + b, id="byte order mark"),
        pytest.param(lambda b: b.replace(b"\n", b"\r\n"), id="CRLF"),
        pytest.param(lambda b: b.rstrip(b"\n"), id="no final newline"),
        pytest.param(lambda b: b.replace(b",", b"\t").decode().encode("utf-16"), id="UTF-16 with tabs"),
        pytest.param(
            lambda b: b"\n".join(
                (b"," if i == 0 else str(i - 1).encode() + b",") + line for i, line in enumerate(b.split(b"\n")) if line
            ),
            id="index column first",
        ),
    ],
)
def test_the_same_file_in_any_wrapping_gives_the_same_numbers(disguise):
    plain, wrapped = load_results(FOUNDRY), load_results(disguise(FOUNDRY))

    pd.testing.assert_frame_equal(plain.frame, wrapped.frame)


def test_minus_one_means_not_measured():
    results = load_results(b"step,train_loss,valid_loss\n1,2.5,2.4\n2,2.0,-1\n3,1.5,-1\n")

    assert results.frame["valid_loss"].tolist()[0] == 2.4
    assert results.frame["valid_loss"].isna().tolist() == [False, True, True]
    assert results.notes == ("-1 read as not measured in valid_loss (2).",)


def test_a_reward_may_be_minus_one():
    results = load_results(b"step,train_mean_reward\n1,-1\n2,1\n3,-1\n")

    assert results.frame["train_mean_reward"].tolist() == [-1.0, 1.0, -1.0]


def test_steps_out_of_order_are_put_in_order():
    results = load_results(b"step,train_loss\n3,1\n1,3\n2,2\n")

    assert results.frame["train_loss"].tolist() == [3.0, 2.0, 1.0]
    assert results.notes == ("Rows were out of order; sorted by step.",)


def test_two_jobs_in_one_file_are_kept_apart():
    results = load_results(b"step,train_loss\n1,3\n1,9\n2,2\n2,8\n")

    assert [part.frame["train_loss"].tolist() for part in results.parts] == [[3.0, 2.0], [9.0, 8.0]]
    assert "the file holds 2 jobs" in results.notes[0]
    assert len(results) == 4


def test_a_restart_keeps_the_later_row():
    results = load_results(b"step,train_loss\n1,5\n2,4\n3,3\n4,2\n4,2.5\n5,1\n")

    assert results.frame["train_loss"].tolist() == [5.0, 4.0, 3.0, 2.5, 1.0]
    assert len(results.parts) == 1


def test_a_training_loss_that_became_nan_is_kept_as_lost():
    results = load_results(b"step,train_loss\n1,2\n2,3\n3,nan\n4,NaN\n")

    assert np.isinf(results.frame["train_loss"]).tolist() == [False, False, True, True]


def test_unknown_columns_are_kept():
    results = load_results(b"step,train_loss,usage/tokens,timestamp\n1,2,7,2026-06-15T20:54:25Z\n")

    assert results.frame["usage/tokens"].tolist() == [7]
    assert results.frame["timestamp"].tolist() == ["2026-06-15T20:54:25Z"]


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "job.csv is empty"),
        (b"\xef\xbb\xbf\n\n", "job.csv is empty"),
        (b"%PDF-1.7 ...", "job.csv is a PDF"),
        (b'{"messages": []}\n', "job.csv is JSON"),
        (b"name,age\nAda,36\n", "no column of a result file among: 'name, age'"),
        (
            b"sequence,step,accuracy,f1\na,1,0.5,0.4\n",
            "no column of a result file among: 'sequence, step, accuracy, f1'",
        ),
        (b"step,train_loss\n1,2.5\n\n2,lots\n", "job.csv, line 4: train_loss is 'lots', not a number"),
        (b"step,train_loss\n1,2.5\n2,2,7,7\n", "Expected 2 fields in line 3, saw 4"),
    ],
)
def test_what_cannot_be_read_is_said_with_file_line_and_value(data, said, tmp_path):
    path = tmp_path / "job.csv"
    path.write_bytes(data)

    with pytest.raises(ResultsError) as error:
        load_results(path)

    assert said in str(error.value)
    assert "job.csv" in str(error.value)


def test_a_missing_file_is_named():
    with pytest.raises(ResultsError, match=r"nowhere\.csv: cannot be opened"):
        load_results("nowhere.csv")


def test_a_header_without_rows_is_a_job_that_has_just_begun():
    results = load_results(b"step,train_loss,valid_loss\n")

    assert len(results) == 0
    assert results.notes == ("No rows: no step was measured yet.",)


def test_more_rows_than_a_result_file_has_are_refused():
    data = b"step,train_loss\n" + b"".join(b"%d,1\n" % i for i in range(20))

    with pytest.raises(ResultsError, match="line 12: more than 10 rows"):
        load_results(data, max_rows=10)


def test_a_running_job_is_read_from_its_events():
    events = [
        {"message": "Job succeeded.", "type": "message"},
        {"message": "Step 20: training loss=3.8E-06", "type": "metrics"},
        {
            "message": "Step 10: training loss=0.6",
            "type": "metrics",
            "data": {"step": 10, "train_loss": 0.61, "valid_loss": 0.7, "full_valid_loss": -1, "total_steps": 30},
        },
        {"message": "Step 30/30: training loss=0.15, validation loss=0.27, full validation loss=0.40"},
    ]

    results = Results.from_events(events)

    assert results.frame["step"].tolist() == [10, 20, 30]
    assert results.frame["train_loss"].tolist() == [0.61, 3.8e-06, 0.15]
    assert results.frame["valid_loss"].fillna(0).tolist() == [0.7, 0, 0.27]
    assert results.frame["full_valid_loss"].fillna(0).tolist() == [0, 0, 0.40]


def test_a_buffer_and_a_job_are_read_like_a_file():
    class Job:
        def results(self):
            return load_results(FOUNDRY)

    assert len(load_results(io.BytesIO(FOUNDRY))) == len(load_results(Job())) == 3


def test_foreign_text_is_escaped():
    html = load_results(FOUNDRY, name="<script>alert(1)</script>")._repr_html_()

    assert "<script>" not in html


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_lines_end_as_any_system_ends_them(end):
    rows = ["step,train_loss", "1,0.5", "2,0.4", ""]

    assert load_results(end.join(rows).encode()).frame["train_loss"].tolist() == [0.5, 0.4]
    with pytest.raises(ResultsError, match="line 2: train_loss is 'bad'"):
        load_results(end.join(["step,train_loss", "1,bad", ""]).encode())


def test_bytes_with_stray_line_ends_are_refused_as_no_result_file():
    with pytest.raises(ResultsError):
        load_results(b"\x01\r\x01")


NESTED = {
    "step": 5,
    "scores": {
        "train_reward_mean": 0.41,
        "valid_reward_mean": -1.0,
        "graders": [{"name": "my grader", "type": "score_model", "train_reward_mean": 0.41, "valid_reward_mean": 0.38}],
    },
    "usage": {
        "graders": [],
        "samples": {"train_reasoning_tokens_mean": 812.0, "valid_reasoning_tokens_mean": 790.0},
    },
    "errors": {"graders": [{"name": "my grader", "type": "score_model", "train_sample_parse_error_mean": 0.25}]},
}


def test_the_nested_numbers_of_reinforcement_become_the_columns_of_its_result_file():
    event = {"type": "metrics", "message": "Step 5: training mean reward=0.41", "data": NESTED}

    (row,) = Results.from_events([event]).frame.dropna(axis=1).to_dict("records")

    assert row == {
        "step": 5,
        "train_mean_reward": 0.41,
        "full_valid_mean_reward": -1.0,
        "scores/graders/score_model/my grader/train_reward_mean": 0.41,
        "scores/graders/score_model/my grader/valid_reward_mean": 0.38,
        "reasoning_tokens_mean": 812.0,
        "valid_reasoning_tokens_mean": 790.0,
        "errors/graders/score_model/my grader/errors/train_sample_parse_error_mean": 0.25,
    }


@pytest.mark.parametrize(
    "graders",
    [
        [{"name": "g", "type": "python", "train_reward_mean": 0.5}],
        {"g": {"type": "python", "train_reward_mean": 0.5}},
        {"python": {"g": {"train_reward_mean": 0.5}}},
    ],
)
def test_graders_are_read_however_they_are_nested(graders):
    results = Results.from_events([{"data": {"step": 1, "scores": {"graders": graders}}}])

    assert results.frame["scores/graders/python/g/train_reward_mean"].tolist() == [0.5]


@pytest.mark.parametrize("message", ["Step 5: training mean reward=0.41", "Step 5/9: training reward = 0.41"])
def test_a_reward_in_words_alone_is_read(message):
    assert Results.from_events([{"message": message}]).frame["train_mean_reward"].tolist() == [0.41]


json_data = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["graders", "type", "x"]), inner),
    max_leaves=12,
)


@given(json_data)
def test_no_nesting_breaks_the_reading_of_an_event(data):
    assert len(Results.from_events([{"data": {"step": 1, "scores": data}}])) == 1


def test_the_parts_of_the_newer_models_loss_keep_their_sign():
    csv = (
        b"step,train_mean_reward,full_valid_mean_reward,pg_loss_sum,total_loss_sum,entropy_loss_sum\n"
        b"1,0.2,,-1,-1,-1\n2,0.3,0.2,,-1.5,2\n"
    )

    results = load_results(csv)

    assert results.frame[["pg_loss_sum", "total_loss_sum", "entropy_loss_sum"]].iloc[0].tolist() == [-1, -1, -1]
    assert "entropy_loss_sum" in results._card().text()
