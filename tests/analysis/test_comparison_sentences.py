"""What a comparison says in words, in ranks and in intervals is one thing, whatever the jobs."""

import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from tunebook.analysis import Results, Run, compare
from tunebook.report.answer import CLEAR, write_answer

job = st.fixed_dictionaries(
    {
        "loss": st.floats(0.3, 0.6),
        "rate": st.sampled_from([0.05, 0.1, 0.3, 1.0]),
        "epochs": st.sampled_from([1, 2, 4]),
        "jitter": st.sampled_from([0.0, 0.01, 0.1]),
    }
)


def a_run(number, loss, rate, epochs, jitter):
    losses = [loss * (1 + 1.2 * 0.7**step) * (1 + jitter * (-1) ** step) for step in range(20)]
    frame = pd.DataFrame({"step": range(1, 21), "train_loss": losses, "valid_loss": losses})
    values = {"n_epochs": epochs, "batch_size": 8, "learning_rate_multiplier": rate}
    known = {"id": f"job-{number}", "model": "gpt-4.1", "status": "succeeded", "seed": number, "trained_tokens": 1000}
    return Run(
        known | {"method": {"type": "supervised", "supervised": {"hyperparameters": values}}}, Results.from_frame(frame)
    )


@settings(max_examples=25, deadline=None)
@given(st.lists(job, min_size=2, max_size=6))
def test_sentence_ranks_and_intervals_agree(jobs):
    comparison = compare([a_run(number, **facts) for number, facts in enumerate(jobs)], workers=1)
    rows = comparison.frame[comparison.frame["rank"].notna()]
    if comparison.winner is None or len(rows) < 2:
        return
    first, alike = rows.iloc[0], int(rows["indistinguishable"].sum())

    assert first["id"] == comparison.winner
    assert rows["loss"].is_monotonic_increasing
    assert ((rows["loss_low"] <= rows["loss"]) & (rows["loss"] <= rows["loss_high"])).all()
    assert abs(rows["p_best"].sum() - 1) < 1e-9
    assert ("worse with at least 95 % probability" in comparison.sentence) == (alike == 0)
    assert ("cannot be told apart from it" in comparison.sentence) == (alike > 0)
    assert ("same settings" in comparison.sentence) == (len({(j["rate"], j["epochs"]) for j in jobs}) == 1)

    said = write_answer(comparison, comparison.jobs, None).because
    assert ("clearly the best" in said) == (first["p_best"] >= CLEAR and alike == 0)
    assert "beyond doubt" not in said
    measured = comparison.group.ranking.noise_source == "replicates"
    assert ("luck of a seed is not measured" in said) == (alike == 0 and not measured)
