"""Reinforcement runs that go wrong: a reward that is hacked, a policy that stops exploring."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tunebook.analysis import diagnose, load_results
from tunebook.analysis.curves.reward import reward_findings

STEPS = np.arange(1, 61)
RISING = 0.2 + 0.5 * STEPS / 60 + 0.01 * (STEPS % 3)
FLAT = 0.2 + 0.01 * (STEPS % 2)
JUDGE = "scores/graders/score_model/judge/train_reward_mean"


def frame(**columns) -> pd.DataFrame:
    return pd.DataFrame({"step": STEPS, **columns})


def kinds(table) -> list[str]:
    return [finding.kind for finding in reward_findings(table)]


def test_a_training_reward_that_rises_alone_is_hacked():
    assert kinds(frame(train_mean_reward=RISING, full_valid_mean_reward=FLAT)) == ["reward_hacking"]


def test_a_validation_reward_that_rises_with_it_is_not():
    assert kinds(frame(train_mean_reward=RISING, full_valid_mean_reward=RISING - 0.05)) == []


def test_a_validation_reward_above_the_training_reward_may_have_nowhere_to_rise_to():
    assert kinds(frame(train_mean_reward=RISING, full_valid_mean_reward=FLAT + 0.7)) == []


def test_a_grader_beside_the_reward_that_falls_is_named():
    table = frame(train_mean_reward=RISING, full_valid_mean_reward=RISING)

    (finding,) = reward_findings(table.assign(**{JUDGE: 0.9 - 0.5 * STEPS / 60 + 0.01 * (STEPS % 3)}))

    assert finding.columns == ("train_mean_reward", JUDGE)
    assert finding.evidence.startswith("Since step 1 the training reward rose (0.22 → 0.71; by +0.49, 90 % interval ")
    assert "while grader “judge” in training fell (0.9 → 0.41; by -0.49" in finding.evidence


def test_a_grader_that_is_the_reward_itself_says_nothing():
    assert kinds(pd.DataFrame({"step": STEPS, "train_mean_reward": RISING, JUDGE: RISING})) == []


def test_hacking_that_begins_late_is_seen():
    valid = np.minimum(RISING, 0.45)

    (finding,) = reward_findings(frame(train_mean_reward=RISING, full_valid_mean_reward=valid))

    assert finding.since == 30


def test_rewards_below_zero_and_of_another_size_are_judged_alike():
    assert kinds(frame(train_mean_reward=100 * RISING - 80, full_valid_mean_reward=100 * FLAT - 80)) == [
        "reward_hacking"
    ]


@pytest.mark.parametrize("sign", [1, -1])
def test_an_entropy_that_is_nearly_gone_has_collapsed(sign):
    gone = sign * (0.01 + np.exp(-STEPS / 5))

    (finding,) = reward_findings(frame(train_mean_reward=FLAT, entropy_loss_sum=gone))

    assert (finding.kind, finding.since) == ("entropy_collapse", 16)
    assert finding.evidence.startswith(
        "The policy's entropy fell by 98 % (0.509 → 0.01); since step 16 it is below 10 %"
    )


def test_an_entropy_that_falls_to_a_third_has_not():
    assert kinds(frame(train_mean_reward=FLAT, entropy_loss_sum=0.3 + 0.7 * np.exp(-STEPS / 5))) == []


def test_shorter_answers_alone_are_no_collapse():
    lengths = 200 * np.exp(-STEPS / 15) + 5
    table = frame(train_mean_reward=FLAT, entropy_loss_sum=2 * lengths, completion_tokens_mean=lengths)

    assert kinds(table) == []


def test_the_diagnosis_says_it_and_advises_about_it_first():
    csv = frame(train_mean_reward=RISING, full_valid_mean_reward=FLAT).to_csv(index=False).encode()

    diagnosis = diagnose(load_results(csv, name="rft.csv"))

    assert diagnosis.advice == (diagnosis.findings[0].advice,)
    assert "Reward hacking: Since step" in diagnosis._card().text()
    assert diagnosis.to_json()["findings"][0]["kind"] == "reward_hacking"


def test_a_graders_name_is_text_and_not_markup():
    column = JUDGE.replace("judge", "<script>x</script>")
    falling = 0.9 - 0.5 * STEPS / 60 + 0.01 * (STEPS % 3)

    html = diagnose(pd.DataFrame({"step": STEPS, "train_mean_reward": RISING, column: falling}))._repr_html_()

    assert "&lt;script&gt;x" in html
    assert "<script>x" not in html


number = st.floats(allow_nan=True, allow_infinity=True, width=32)


@settings(max_examples=60)
@given(st.lists(st.tuples(number, number, number, number), max_size=25))
def test_no_measurements_break_it(rows):
    columns = ["train_mean_reward", "full_valid_mean_reward", JUDGE, "entropy_loss_sum"]
    table = pd.DataFrame(rows, columns=columns, dtype=float)
    table.insert(0, "step", range(1, len(table) + 1))

    assert all(finding.evidence for finding in reward_findings(table))
