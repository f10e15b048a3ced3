"""What a report says, before anything is drawn or written."""

import re
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from tunebook.analysis.run import Run
from tunebook.analysis.sweeps.comparison import compare
from tunebook.analysis.sweeps.next_steps import next_steps
from tunebook.analysis.sweeps.rows import Column
from tunebook.errors import RequestError
from tunebook.experiments.evaluation.record import read_evaluation
from tunebook.report.answer import write_answer
from tunebook.report.building import build_report
from tunebook.report.figures import curve_table, figures_of
from tunebook.report.markdown import to_markdown
from tunebook.report.page import to_html
from tunebook.report.provenance import fingerprint, provenance, record_of
from tunebook.report.tables import scores_table

MADE = datetime(2026, 11, 23, tzinfo=UTC)
GAIN = {"sentence": "Better.", "score": "exact match", "n": 300, "gain": 0.1, "gain_low": 0.04, "gain_high": 0.16}


def built(comparison, **more):
    return build_report(comparison, made=MADE, **more)


def table(report, caption):
    return next(table for table in report.provenance if table.caption.startswith(caption))


def texts(table):
    return [[str(cell) for cell in row] for row in table.rows]


def test_the_answer_names_the_winner_its_checkpoint_and_the_model_to_deploy(comparison):
    answer = built(comparison).answer

    assert answer.headline == "Deploy the final model of try-1."
    assert answer.model == "gpt-4.1-2025-04-14.ft-1-try-1"
    assert "of 4 jobs" in answer.because


def test_a_job_whose_best_point_was_not_kept_is_trained_again_before_it_is_deployed(make_run):
    answer = built(compare([make_run(1, n_epochs=6, rise=4.0), make_run(2, n_epochs=6, low=0.9, rise=4.0)])).answer

    assert re.fullmatch(
        r"Train again before deploying: try-1 was best at step \d+, where nothing was kept.", answer.headline
    )
    assert "Train again with n_epochs = 2: the best checkpoint kept" in answer.because
    assert answer.steps[0].startswith("Train try-1 again with n_epochs = 2: its lowest point")
    assert answer.naming == "Best model so far"


def test_an_overfitting_winner_gets_an_earlier_checkpoint_and_the_reason(make_run):
    answer = built(compare([make_run(1, n_epochs=4, rise=0.6), make_run(2, low=0.9)])).answer

    assert "ckpt-step-80" in answer.model
    assert answer.headline.startswith("Deploy the checkpoint at step ")
    assert "overfits: its final model is expected to be" in answer.because


def test_what_it_cost_is_tokens_times_the_dated_price(comparison):
    fact = next(fact for fact in built(comparison).answer.facts if fact.label == "What training cost")

    assert fact.value == "$50.00"  # 4 x 500,000 tokens at $25 per million
    assert fact.note == "2 million tokens in 4 jobs; prices of 2025-08-25"


def test_without_a_price_the_tokens_are_told(make_run):
    facts = built(compare([make_run(0, model="own-model")])).answer.facts

    assert ("Tokens trained", "500,000") in [(fact.label, fact.value) for fact in facts]


def test_without_a_finished_job_nothing_is_recommended_and_the_next_step_said(make_run):
    answer = built(compare([make_run(0, status="failed"), make_run(1, status="running")])).answer

    assert answer.headline == "No model can be recommended yet."
    assert answer.model == ""
    assert [step.split(",")[0] for step in answer.steps] == [
        "Read why jobs failed (under “Not ranked” below)",
        "Wait for the jobs that still run and make this report again.",
    ]


def test_no_runs_at_all_still_make_a_report():
    report = built(compare([]))

    assert report.answer.headline == "No model can be recommended yet."
    assert report.jobs == ()


def test_one_run_alone_is_not_called_the_best_of_anything(make_run):
    report = built(compare([make_run(1)]))

    assert "nothing to compare it with" in report.answer.because
    assert report.mattered is None


def test_an_evaluation_that_shows_no_gain_turns_the_answer_round(comparison):
    answer = built(comparison, evaluation={**GAIN, "gain": -0.02, "gain_low": -0.05, "gain_high": 0.01}).answer

    assert answer.headline == "Do not deploy yet: the tuned model does worse than the base model."
    assert not any(step.startswith("Deploy") for step in answer.steps)


def test_an_evaluation_with_a_gain_leads_the_facts(comparison):
    answer = built(comparison, evaluation=GAIN).answer

    assert answer.facts[0].value == "+10.0 points"
    assert answer.facts[0].note == "exact match on 300 examples, interval +4.0 points to +16.0 points"


def test_practice_runs_of_the_embedded_service_carry_a_warning(make_run):
    run = make_run(1)
    said = {"level": "info", "message": "This is tunebook's embedded stand-in, not Azure OpenAI: …"}
    report = built(compare([Run(run.job, run.results, run.checkpoints, (said,))]))

    assert "stand-in" in report.answer.caution
    assert report.answer.steps[0].startswith("Run the same jobs on Azure OpenAI")
    assert "What it would cost on Azure" in [fact.label for fact in report.answer.facts]


def test_every_job_is_ranked_or_says_why_not(comparison):
    report = built(comparison)

    assert report.ranked[0].label == "try-1"
    assert [(job.label, job.left_out) for job in report.left_out] == [
        ("try-4", "failed: The training file has 3 examples.")
    ]


def test_the_scale_of_the_intervals_leaves_the_worst_jobs_outside(make_run):
    report = built(
        compare([make_run(n, multiplier=0.05 * (n + 1), low=low) for n, low in enumerate((0.4, 0.41, 0.42, 4.0))])
    )

    assert report.span()[1] < 4.0


def test_provenance_tells_once_what_all_jobs_share(comparison):
    common = dict(texts(table(built(comparison), "The same for all jobs")))

    assert common["Base model"] == "gpt-4.1-2025-04-14"
    assert common["Seed"] == "7"


def test_provenance_hashes_the_files_it_is_given(comparison, tmp_path):
    (tmp_path / "train.jsonl").write_bytes(b"{}\n")
    rows = texts(table(built(comparison, files={"file-train": tmp_path / "train.jsonl"}), "Files"))

    assert rows[0] == [
        "file-train",
        "training",
        "train.jsonl",
        "1",
        "3",
        "ca3d163bab055381827226140568f3bef7eaac187cebd76878e0b63e9e442356",
    ]
    assert rows[1][:2] == ["file-valid", "validation"]


def test_a_file_that_is_not_there_is_named(comparison, tmp_path):
    with pytest.raises(RequestError, match=r"gone\.jsonl cannot be read"):
        built(comparison, files={"file-train": tmp_path / "gone.jsonl"})


def test_warnings_and_errors_are_kept_and_counted(make_run):
    run = make_run(1)
    warned = tuple({"level": "warn", "message": f"late {n}", "created_at": 0} for n in range(30))
    found = table(built(compare([Run(run.job, run.results, run.checkpoints, warned)])), "Warnings and errors")

    assert found.caption == "Warnings and errors on the way (the first 12 of 30)"
    assert texts(found)[0] == ["1970-01-01 00:00 UTC", "ftjob-01", "warn", "late 0"]


def test_the_fingerprint_changes_with_a_single_measurement(make_run):
    run, other = make_run(1), make_run(1)
    other.results.frame.loc[3, "train_loss"] += 1e-6

    assert fingerprint(run) == fingerprint(make_run(1)) != fingerprint(other)


def test_building_a_report_changes_nothing_in_the_comparison(comparison):
    before = comparison.frame.copy()
    built(comparison)

    assert comparison.frame.equals(before)


def test_the_table_behind_a_curve_has_at_most_ten_rows_and_the_best_step(comparison):
    diagnosis = comparison.diagnoses["ftjob-01"]
    rows = curve_table("try-1", diagnosis).rows

    assert 3 <= len(rows) <= 10
    assert min(abs(float(row[0]) - diagnosis.recommended_step) for row in rows) <= 1


def test_an_answer_without_an_evaluation_asks_for_one(comparison):
    answer = write_answer(comparison, comparison.jobs, None)

    assert any("held-out examples" in step for step in answer.steps)
    assert answer.helped.startswith("Not measured")
    assert answer.call.startswith("found = tb.evaluate(ws, ")


@pytest.mark.parametrize(
    ("low", "gain", "high", "said"),
    [(0.04, 0.1, 0.16, "Yes. "), (-0.05, 0.02, 0.09, "Not shown. "), (-0.2, -0.1, -0.01, "No. ")],
)
def test_whether_tuning_helped_is_said_from_the_interval_of_the_gain(comparison, low, gain, high, said):
    answer = built(comparison, evaluation={**GAIN, "gain": gain, "gain_low": low, "gain_high": high}).answer

    assert answer.helped == said + GAIN["sentence"]
    assert answer.call == ""


def test_a_job_without_a_name_is_called_by_the_beginning_of_its_id(make_run):
    runs = [make_run(k, id=f"ftjob-{k}541ead58022463389b9381de2ed0862", suffix=None) for k in (1, 2)]

    assert sorted(job.label for job in compare(runs).jobs) == ["ftjob-1541ead5…", "ftjob-2541ead5…"]


def test_software_versions_and_the_age_of_the_catalogue_are_told(comparison):
    names = [row[0] for row in provenance(record_of(comparison, None, made=MADE))[-1].rows]

    assert {"Python", "tunebook", "Catalogue of models and prices"} <= set(names)


def test_jobs_without_a_name_or_times_are_reported_too(make_run):
    run = make_run(1)
    bare = Run({"id": "j", "status": "succeeded"}, run.results)
    report = built(compare([bare]))

    assert replace(report.jobs[0], reason="").label == "j"
    assert report.title == "Fine-tuning report"


def test_a_job_that_cannot_be_told_from_the_best_keeps_it_from_being_called_clear(comparison):
    jobs = comparison.jobs
    tied = tuple(
        replace(job, p_best=0.95, standing="as good" if job.label == "try-2" else job.standing) for job in jobs
    )

    assert "clearly the best" not in write_answer(comparison, tied, None).because


def test_several_tuned_models_each_have_their_gain():
    gains = {name: {"gain": 0.1, "low": 0.05, "high": 0.15, "p_value": 0.0001} for name in ("a", "b")}
    rows = scores_table(read_evaluation({**GAIN, "gains": gains})).rows

    assert rows[-1] == ("Gain of b", "+10.0 points", "+5.0 points to +15.0 points, p < 0.001")


def test_a_new_column_of_the_comparison_stands_in_the_ranking_by_itself(comparison):
    report = built(comparison)
    wider = replace(report, columns=(*report.columns, Column("status", "Status", lambda job: f"has {job.status}")))

    assert to_html(wider, figures_of(comparison)).count("has succeeded") == 4
    assert to_markdown(wider, figures_of(comparison), folder="f").count("has succeeded") == 4


def test_what_to_do_next_is_what_the_next_dollar_buys(comparison):
    found = next_steps(comparison)
    answer = write_answer(comparison, comparison.jobs, None)

    for step in found.chosen:
        assert step.kind == "deploy" or any(line.startswith(step.reason) for line in answer.steps)
    assert sum("expected gain" in line for line in answer.steps) == len(found.chosen) > 0
