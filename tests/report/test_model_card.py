"""The model card: read back as the Hub's own parser reads it, and safe from every foreign text."""

import json
import re

import pytest

from tunebook.analysis.curves.diagnosis import diagnose
from tunebook.analysis.results import Results
from tunebook.analysis.run import Run
from tunebook.analysis.sweeps.comparison import compare
from tunebook.errors import RequestError
from tunebook.report import provenance_record, write_model_card
from tunebook.report.card_metadata import front_matter
from tunebook.report.writing import replace_file

EVIL = "<script>alert('x')</script>\n---\n`tick` | pipe\n# head"
MODEL = "gpt-4.1-2025-04-14.ft-1-try-1"
EVALUATION = {
    "sentence": "tuned-v1 is better than base-v1.",
    "score": "exact",
    "n": 300,
    "dataset": "held_out.jsonl",
    "scores": [
        {"model": "base-v1", "value": 0.4, "low": 0.34, "high": 0.46, "n": 300, "served": "gpt-4.1-2025-04-14"},
        {"model": "tuned-v1", "value": 0.5, "low": 0.44, "high": 0.56, "n": 300, "served": MODEL},
    ],
    "gains": {"tuned-v1": {"gain": 0.1, "low": 0.04, "high": 0.16, "p_value": 0.001, "n": 300}},
    "notes": ["base-v1: 2 answers were cut off."],
}


def parsed(path):
    hub = pytest.importorskip("huggingface_hub", reason="huggingface_hub is not installed: pip install 'tunebook[dev]'")
    return hub.ModelCard.load(path)


@pytest.fixture
def data(tmp_path):
    """Two files, by the ids the runs know them under."""
    (tmp_path / "train.jsonl").write_bytes(b'{"a": 1}\n\n{"a": 2}\n')
    (tmp_path / "valid.jsonl").write_bytes(b'{"a": 3}')
    return {"file-train": tmp_path / "train.jsonl", "file-valid": tmp_path / "valid.jsonl"}


def test_the_hub_reads_base_model_data_tags_and_what_was_measured_with_its_intervals(comparison, data, tmp_path):
    path = write_model_card(comparison, tmp_path / "README.md", evaluation=EVALUATION, files=data, language="en")
    card = parsed(path)
    found = {result.metric_type: result for result in card.data.eval_results}

    assert card.data.base_model == "gpt-4.1-2025-04-14"
    assert card.data.datasets == ["train.jsonl"]
    assert card.data.language == ["en"]
    assert card.data.tags == ["azure-openai", "fine-tuning", "supervised", "tunebook"]
    assert card.data.model_name == MODEL
    assert set(found) == {"loss", "accuracy", "exact_match", "exact_match_gain"}
    assert found["exact_match"].metric_value == 0.5
    assert found["exact_match"].metric_args == {"examples": 300, "interval": 0.95, "low": 0.44, "high": 0.56}
    assert found["exact_match"].metric_name == "Exact (95 % interval 44.0 % to 56.0 %)"
    assert found["exact_match_gain"].metric_value == 0.1
    assert found["exact_match_gain"].metric_args["low"] == 0.04
    assert found["loss"].dataset_name == "valid.jsonl"
    assert found["loss"].metric_args["interval"] == 0.9
    assert found["loss"].metric_args["low"] < found["loss"].metric_value < found["loss"].metric_args["high"]


def test_the_hubs_own_writer_gives_the_same_metadata_again(comparison, tmp_path):
    card = parsed(write_model_card(comparison, tmp_path / "README.md", evaluation=EVALUATION))
    again = type(card)(str(card))

    assert again.data.to_dict() == card.data.to_dict()
    assert card.data.to_dict()["model-index"][0]["results"][1]["metrics"][0]["value"] == 0.5


def test_a_card_has_its_parts_in_order_and_links_to_files_that_are_there(comparison, data, tmp_path):
    text = write_model_card(comparison, tmp_path / "README.md", evaluation=EVALUATION, files=data).read_text("utf-8")
    linked = re.findall(r"\]\(([^)]+)\)", text)

    assert re.findall(r"^## (.+)", text, re.MULTILINE) == [
        "Intended use",
        "Data",
        "Method and hyperparameters",
        "Curves",
        "Verdict",
        "Evaluation against the base model",
        "Cost",
        "Limits",
        "Provenance",
    ]
    assert linked == [
        "README_files/loss.svg",
        "README_files/accuracy.svg",
        "README_files/all-jobs.svg",
        "provenance.json",
    ]
    assert all((tmp_path / link).is_file() for link in linked)


def test_data_is_told_by_rows_bytes_and_hash(comparison, data, tmp_path):
    text = write_model_card(comparison, tmp_path / "README.md", files=data).read_text("utf-8")

    assert "| `train.jsonl` | training | 2 | 19 |" in text
    assert (
        "- `train.jsonl`: SHA-256 "
        "`f5c29076bd5485ba3c2810804a3199e1f725028a38952df34df78db1d94f5860`, at the service `file-train`"
    ) in text
    assert "(2 examples)" in text


def test_the_best_of_several_jobs_is_told_which_it_is(comparison, tmp_path):
    text = write_model_card(comparison, tmp_path / "README.md").read_text("utf-8")

    assert "The final model of `try-1`, the best of 5 jobs: `gpt-4.1-2025-04-14` fine-tuned on `file-train`." in text
    assert "Deploy the final model of try-1." in text
    assert "| try-4 | failed: The training file has 3 examples. |" in text


def test_what_is_not_known_is_said_to_be_and_has_no_key(make_run, tmp_path):
    run = make_run(1)
    bare = Run({"id": "j", "status": "succeeded", "fine_tuned_model": "m.ft-1"}, run.results)
    path = write_model_card(bare, tmp_path / "README.md")
    text = path.read_text("utf-8")
    card = parsed(path)

    assert "## Intended use\n\nNot told." in text
    assert "## Data\n\nNot told: the job names no files." in text
    assert "| Base model | not told |" in text
    assert "| Seed | not told |" in text
    assert "## Evaluation against the base model\n\nNot told:" in text
    assert "- Whether it is better than its base model is not known: the two were not compared." in text
    assert card.data.base_model is card.data.datasets is card.data.language is card.data.eval_results is None


def test_files_whose_paths_were_not_given_are_told_by_their_ids(comparison, tmp_path):
    text = write_model_card(comparison, tmp_path / "README.md").read_text("utf-8")

    assert "| `file-train` | training | not told | not told |" in text
    assert "- `file-train`: SHA-256 not told\n" in text


def test_intended_use_keeps_its_paragraphs(comparison, tmp_path):
    said = "Answers questions.\n\n--- not a rule\n\n1. not a list"
    text = write_model_card(comparison, tmp_path / "README.md", intended_use=said).read_text("utf-8")

    assert "## Intended use\n\nAnswers questions.\n\n\\--- not a rule\n\n1\\. not a list\n\n## Data" in text


def test_a_stand_in_is_marked_as_practice(make_run, tmp_path):
    run = make_run(1)
    events = ({"level": "info", "message": "This is tunebook's embedded stand-in."},)
    path = write_model_card(Run(run.job, run.results, run.checkpoints, events), tmp_path / "README.md")

    assert "practice-model" in parsed(path).data.tags
    assert json.loads((tmp_path / "provenance.json").read_text("utf-8"))["jobs"][0]["practice"] is True
    assert "> **Practice, not production.**" in path.read_text("utf-8")


@pytest.fixture
def hostile(make_run):
    """A run in which every text from outside tries to break out."""
    job = {"suffix": EVIL, "model": EVIL, "training_file": EVIL, "validation_file": f"v{EVIL}", "trainingType": EVIL}
    run = make_run(1, id=EVIL, **job)
    method = {"type": EVIL, EVIL: {"hyperparameters": {"n_epochs": 3, EVIL: EVIL}}}
    kept = tuple({**one, "fine_tuned_model_checkpoint": EVIL} for one in run.checkpoints)
    events = ({"level": "error", "message": EVIL, "created_at": EVIL},)
    results = Results(run.results.frame, (EVIL,), EVIL)
    return Run({**run.job, "method": method, "fine_tuned_model": EVIL}, results, kept, events)


def test_no_foreign_text_breaks_metadata_markdown_or_html(hostile, make_run, tmp_path):
    (tmp_path / "a <b> `c` | d.jsonl").write_text("{}\n")
    evaluation = {
        "sentence": EVIL,
        "score": EVIL,
        "dataset": EVIL,
        "notes": [EVIL],
        "held_out": EVIL,
        "scores": [{"model": EVIL, "value": 0.1}, {"model": f"t{EVIL}", "value": 0.2}],
        "gain": 0.1,
    }
    files = {EVIL: tmp_path / "a <b> `c` | d.jsonl"}
    with_others = compare([hostile, make_run(2, suffix=EVIL, model=EVIL, low=0.9), make_run(3, status=EVIL)])
    for source in (hostile, with_others):
        path = write_model_card(
            source, tmp_path / "README.md", evaluation=evaluation, files=files, title=EVIL, intended_use=EVIL
        )
        text = path.read_text("utf-8")
        card = parsed(path)
        body = card.text
        outside_code = re.sub(r"(?<![\\`])(`+)(?!`).*?(?<!`)\1(?!`)", "", body)

        assert card.data.model_name == EVIL
        assert card.data.base_model is None  # no id of a model: the text alone tells it
        assert {result.metric_type for result in card.data.eval_results} >= {"loss"}
        assert EVIL in {result.dataset_name for result in card.data.eval_results}
        assert re.findall(r"(?<!\\)<", outside_code) == []
        assert re.findall(r"^(?:---+|===+)[ ]*$", text, re.MULTILINE) == ["---", "---"]
        assert "# head" not in re.findall(r"^#.*", text, re.MULTILINE)


@pytest.mark.parametrize(
    "value",
    [
        EVIL,
        "a: b",
        "no",
        "1e5",
        "\x85\u2028\x00\x1b",
        "\N{GRINNING FACE} ünï",
        'say "hi" \\ there',
        "- x",
        1e-7,
        2.5,
        True,
    ],
)
def test_values_come_back_from_yaml_as_they_went_in(value):
    yaml = pytest.importorskip("yaml", reason="PyYAML is not installed: pip install 'tunebook[dev]'")
    block = front_matter({"key": value, "list": [value], "nested": [{"inner": {"key": value}}]})

    assert yaml.safe_load(block.removesuffix("---\n")) == {
        "key": value,
        "list": [value],
        "nested": [{"inner": {"key": value}}],
    }


def test_half_a_character_becomes_the_sign_for_what_cannot_be_shown(tmp_path):
    assert front_matter({"key": "a\ud800b"}) == '---\nkey: "a\N{REPLACEMENT CHARACTER}b"\n---\n'
    assert replace_file(tmp_path / "card.md", "a\ud800b").read_text("utf-8") == "a?b"


def test_the_record_beside_the_card_says_what_the_card_is_about(comparison, data, tmp_path):
    write_model_card(comparison, tmp_path / "README.md", files=data)
    record = json.loads((tmp_path / "provenance.json").read_text("utf-8"))

    assert record["subject"] == {"model": MODEL, "job": "ftjob-01", "step": 120, "deployment": None}
    assert record["conclusion"] == "healthy"
    assert record["files"][0]["rows"] == 2


def test_the_record_is_plain_and_tells_what_there_is(comparison, data):
    record = provenance_record(comparison, files=data)
    job = next(job for job in record["jobs"] if job["id"] == "ftjob-01")
    failed = next(job for job in record["jobs"] if job["id"] == "ftjob-04")

    assert json.loads(json.dumps(record, allow_nan=False)) == record
    assert record["recommended"] == {"job": "ftjob-01", "step": 120, "model": MODEL}
    assert job["settings"] == {"n_epochs": 3, "batch_size": 4, "learning_rate_multiplier": 0.1}
    assert (job["base_model"], job["base_model_version"]) == ("gpt-4.1-2025-04-14", "2025-04-14")
    assert (job["status"], job["tokens"], job["cost_usd"], job["seconds"]) == ("succeeded", 500_000, 12.5, 600.0)
    assert re.fullmatch("[0-9a-f]{64}", job["measurements_sha256"])
    assert (failed["conclusion"], failed["model"], failed["error"]) == (None, None, "The training file has 3 examples.")
    assert record["files"][1] == {
        "id": "file-valid",
        "used_for": ["validation"],
        "path": str(data["file-valid"]),
        "name": "valid.jsonl",
        "rows": 1,
        "bytes": 8,
        "sha256": "779599adeaef635dee2b1309f3c11ee2fee8a3297a5d696526bae8c9029cb408",
    }
    assert {"Python", "tunebook"} <= set(record["software"])


def test_jobs_of_which_none_can_be_called_the_best_are_refused_with_a_way_out(make_run, tmp_path):
    failed = [make_run(n, status="failed") for n in (1, 2)]
    with pytest.raises(RequestError, match=r"None of these 2 jobs can be called the best.*comparison\.run\('ftjob-0"):
        write_model_card(failed, tmp_path / "README.md")
    assert list(tmp_path.iterdir()) == []


def test_a_job_without_a_model_is_refused(make_run, tmp_path):
    with pytest.raises(RequestError, match="left no model a card could tell of: failed"):
        write_model_card(make_run(1, status="failed"), tmp_path / "README.md")
    with pytest.raises(RequestError, match="there are no runs here"):
        write_model_card([], tmp_path / "README.md")


def test_a_deployment_leads_to_its_job_its_files_and_its_price(ws, tuned, pair, tmp_path):
    deployment = ws.deployments.retrieve(pair[1])
    path = write_model_card(deployment, tmp_path / "README.md")
    text = path.read_text("utf-8")
    record = json.loads((tmp_path / "provenance.json").read_text("utf-8"))

    assert text.count("\n# colours-tuned: gpt-4.1-nano-2025-04-14, fine-tuned\n") == 1
    assert f"| Model | `{deployment.model}` | answers as colours-tuned |" in text
    assert f"| Job | `{tuned[0]}` |" in text
    assert "| `train.jsonl` | training | not told | not told |" in text
    assert "- Nothing is billed here. At Azure: " in text
    assert parsed(path).data.datasets == ["train.jsonl"]
    assert record["subject"]["deployment"] == "colours-tuned"
    assert record["subject"]["job"] == tuned[0]


def test_a_deployment_of_another_checkpoint_than_the_recommended_one_says_so(ws, tuned, tmp_path):
    job = ws.jobs.retrieve(tuned[0])
    recommended = diagnose(job.run()).checkpoint["name"]
    other = next(kept for kept in job.checkpoints() if kept.fine_tuned_model_checkpoint != recommended)
    deployment = ws.deployments.create(other, name="colours-other", say=str)
    try:
        path = write_model_card(deployment, tmp_path / "README.md")
    finally:
        deployment.delete()
    text = path.read_text("utf-8")

    assert f"\nThe checkpoint at step {other.step_number} of `colours`: " in text
    assert f"What this card is about is not what the diagnosis recommends, which is {recommended}." in text
    assert parsed(path).data.eval_results is None  # the loss that is known is of the other checkpoint


def test_a_deployment_of_a_base_model_is_refused(ws, pair, tmp_path):
    with pytest.raises(RequestError, match=r"colours-base serves gpt-4\.1-nano-2025-04-14, which no job at .* made"):
        write_model_card(ws.deployments.retrieve(pair[0]), tmp_path / "README.md")


def test_an_evaluation_of_another_model_is_refused(comparison, tmp_path):
    other = {**EVALUATION, "scores": [{**score, "served": "gpt-4.1.ft-9-other"} for score in EVALUATION["scores"]]}
    with pytest.raises(
        RequestError, match=r"it asked base-v1 \(gpt-4.1.ft-9-other\) and tuned-v1 .*, not gpt-4.1-2025"
    ):
        write_model_card(comparison, tmp_path / "README.md", evaluation=other)


def test_wrong_paths_are_named_before_anything_is_written(comparison, tmp_path):
    with pytest.raises(RequestError, match="is a folder"):
        write_model_card(comparison, tmp_path)
    with pytest.raises(RequestError, match="lies in one that does not exist"):
        write_model_card(comparison, tmp_path / "gone" / "README.md")
    with pytest.raises(RequestError, match=r"README\.txt: a model card is written as \.md"):
        write_model_card(comparison, tmp_path / "README.txt")
    with pytest.raises(RequestError, match="language='English'"):
        write_model_card(comparison, tmp_path / "README.md", language="English")
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written_is_named(comparison, tmp_path):
    (tmp_path / "README_files").write_text("in the way")
    with pytest.raises(RequestError, match=r"README_files: cannot be a folder"):
        write_model_card(comparison, tmp_path / "README.md")


def test_a_notebook_shows_the_card_as_a_link(comparison, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    shown = write_model_card(comparison, "README.md")._repr_html_()
    assert "The model card: <a " in shown
    assert 'href="README.md"' in shown
