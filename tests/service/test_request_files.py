"""A job request is read from JSON, YAML, TOML and from the request file of `azd ai finetuning`, and written."""

import json
from contextlib import suppress

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tunebook.errors import RequestError
from tunebook.service import JobRequest, read_request, write_request

AZD = """
name: ft-support
description: what people read
model: gpt-4.1-mini
training_file: local:./data/train.jsonl
validation_file: file-abc
suffix: support
seed: 42
metadata: {team: support}
integrations:
  - type: wandb
    config: {project: tuning}
method:
  type: supervised
  supervised:
    hyperparameters: {epochs: 3, batch_size: auto, learning_rate_multiplier: 0.1, prompt_loss_weight: 0.01}
extra_body:
  trainingType: GlobalStandard
"""


def test_the_request_file_of_azd_says_the_same_job(tmp_path):
    (tmp_path / "job.yaml").write_text(AZD)

    assert read_request(tmp_path / "job.yaml") == JobRequest(
        model="gpt-4.1-mini",
        training_file=f"local:{tmp_path}/data/train.jsonl",
        validation_file="file-abc",
        suffix="support",
        seed=42,
        n_epochs=3,
        learning_rate_multiplier=0.1,
        prompt_loss_weight=0.01,
        metadata={"team": "support"},
        integrations=[{"type": "wandb", "wandb": {"project": "tuning"}}],
        training_type="GlobalStandard",
    )


def test_what_is_written_for_azd_has_its_words(tmp_path):
    request = JobRequest(model="m", training_file="local:t.jsonl", n_epochs=2, training_type="GlobalStandard")

    written = yaml.safe_load(write_request(request, tmp_path / "job.yaml").read_text())

    assert written["method"]["supervised"]["hyperparameters"] == {"epochs": 2}
    assert written["extra_body"] == {"trainingType": "GlobalStandard"}


def test_a_setting_that_azd_has_no_place_for_is_refused_not_dropped(tmp_path):
    request = JobRequest(model="m", training_file="t", method="dpo", l2_multiplier=0.1)

    with pytest.raises(RequestError, match=r"l2_multiplier: .* Write the request as \.json"):
        write_request(request, tmp_path / "job.yaml")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("flat.toml", 'model = "m"\ntraining_file = "file-1"\nn_epochs = 2\n'),
        ("old.json", '{"model": "m", "training_file": "file-1", "hyperparameters": {"n_epochs": 2}}'),
        ("new.yml", "{model: m, training_file: file-1, method: {type: supervised, supervised: "
         "{hyperparameters: {n_epochs: 2}}}}"),
    ],
)  # fmt: skip
def test_a_setting_may_stand_where_the_api_has_it_or_at_the_top(tmp_path, name, text):
    (tmp_path / name).write_text(text)

    assert read_request(tmp_path / name) == JobRequest(model="m", training_file="file-1", n_epochs=2)


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("slip.json", '{"model": "m", "training_file": "f", "n_epoch": 2}', "n_epoch: there is no such setting; n_epo"),
        ("twice.json", '{"model": "m", "training_file": "f", "seed": 1, "hyperparameters": {"seed": 2}}', "said twice"),
        ("number.yaml", "{model: m, training_file: f, method: 3}", "method: 3 stands where an object"),
        ("other.yaml", "{model: m, training_file: f, extra_body: 7}", "7 stands where settings are expected"),
        ("date.yaml", "{model: m, training_file: f, metadata: {d: 2026-01-01}}", "is no YAML"),
        ("nan.json", '{"model": "m", "training_file": "f", "temperature": NaN}', "is no JSON"),
        ("list.json", '{"model": "m", "training_file": "f", "validation_file": ["x"]}', "no file's name"),
        ("both.yaml", "{model: m, training_file: f, hyperparameters: {epochs: 2, n_epochs: 40}}", "stand for the same"),
        ("bare.json", '{"model": "m"}', "training_file: the request names none"),
        ("list.yaml", "- model", "it holds no object"),
        ("broken.yaml", "model: [", "is no YAML"),
        ("odd.yaml", "{model: m, training_file: f, method: {type: dpo, dpo: {hyperparameters: 3}}}", "3 stands where"),
        ("job.txt", "model", r"its name ends in \.txt"),
        ("code.yaml", "!!python/object/apply:os.system ['true']", "is no YAML"),
    ],
)
def test_what_is_no_request_is_told_with_its_file(tmp_path, name, text, told):
    (tmp_path / name).write_text(text)

    with pytest.raises(RequestError, match=f"{name}: .*{told}"):
        read_request(tmp_path / name)


def test_a_request_written_into_another_folder_still_finds_its_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "jobs").mkdir()
    request = JobRequest(model="m", training_file="local:train.jsonl")

    assert read_request(write_request(request, "jobs/job.yaml")) == request


def test_a_file_that_is_not_there_is_told(tmp_path):
    with pytest.raises(RequestError, match=r"none\.yaml: cannot be read"):
        read_request(tmp_path / "none.yaml")


WORDS = [
    "model", "training_file", "method", "type", "supervised", "dpo", "hyperparameters", "n_epochs", "epochs",
    "metadata", "integrations", "config", "extra_body", "extra", "seed", "suffix", "trainingType", "grader",
    "tools", "m", "local:x",
]  # fmt: skip
words = st.sampled_from(WORDS)
anything = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 99) | st.floats(allow_nan=False) | words,
    lambda inside: st.lists(inside, max_size=3) | st.dictionaries(words, inside, max_size=5),
    max_leaves=20,
)


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=st.dictionaries(words, anything, max_size=6))
def test_whatever_a_request_file_holds_it_is_a_request_or_the_error_says_why(tmp_path, body):
    (tmp_path / "any.json").write_text(json.dumps({"model": "m", "training_file": "f"} | body))

    with suppress(RequestError):  # anything else fails here
        assert all(problem.message for problem in read_request(tmp_path / "any.json").problems())


@given(
    n_epochs=st.just("auto") | st.integers(1, 10),
    seed=st.none() | st.integers(0, 9),
    suffix=st.none() | st.from_regex(r"[a-z0-9_-]{1,10}", fullmatch=True),
    metadata=st.none() | st.dictionaries(st.text(min_size=1), st.text(), min_size=1),
    method=st.sampled_from(["supervised", "dpo", "reinforcement"]),
    extra=st.just({}) | st.just({"unheard_of": {"deep": [1, None]}}),
)
def test_a_body_of_the_api_gives_back_its_request(**given_settings):
    request = JobRequest(model="m", training_file="t", **given_settings)

    assert JobRequest.from_json(json.loads(json.dumps(request.to_json()))) == request
