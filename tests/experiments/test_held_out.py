"""Whether examples stand in the files of the jobs that made the models, against the embedded service."""

import pytest

from tunebook.experiments.evaluation.cases import conversation_key
from tunebook.experiments.evaluation.held_out import HeldOut, look_for
from tunebook.service import JobRequest
from tunebook.service.jobs import job_of


def key(text, system=None):
    return conversation_key([*([system] if system else []), {"role": "user", "content": text}])


@pytest.fixture
def model(ws, tuned):
    return ws.jobs.retrieve(tuned[0]).job.fine_tuned_model


def test_new_examples_are_held_out(ws, tuned, model):
    found = look_for(ws, {key("Say violet"), key("Say lime")}, ["gpt-4.1-nano-2025-04-14", model])

    assert (found.state, found.looked_at) == ("held out", (tuned[1], tuned[2]))
    assert str(found).startswith("Held out: none of the examples stands in file-")


def test_examples_of_the_validation_file_that_chose_the_checkpoint_are_not(ws, tuned, model):
    found = look_for(ws, {key("Say red"), key("Say lime")}, [f"{model}:ckpt-step-3"])

    assert found.state == "not held out"
    assert [(o.use, o.file_id, o.count, o.looked_for) for o in found.leaks] == [
        ("training", tuned[1], 1, 2),
        ("validation", tuned[2], 1, 2),
    ]
    assert "the validation file that chose the checkpoint" in str(found)


def test_another_system_message_does_not_hide_an_example(ws, model):
    assert look_for(ws, {key("Say  red ", {"role": "system", "content": "New."})}, [model]).leaks


def test_the_files_of_the_job_that_was_continued_are_looked_at_too(ws, service, tuned, model):
    other = service.upload(
        [{"messages": [{"role": "user", "content": f"{n}"}, {"role": "assistant", "content": "x"}]} for n in range(10)]
    )
    later = ws.jobs.create(JobRequest(model=model, training_file=other, n_epochs=1)).wait()

    found = look_for(ws, {key("Say sand")}, [later.job.fine_tuned_model])

    assert set(found.looked_at) == {other, tuned[1], tuned[2]}
    assert [o.job_id for o in found.leaks] == [tuned[0]]


def test_a_deleted_file_leaves_it_open(ws, service):
    train = service.upload()
    job = ws.jobs.create(JobRequest(model="gpt-4.1-nano", training_file=train, n_epochs=1)).wait()
    ws.files.delete(train)

    found = look_for(ws, {key("Say red")}, [job.job.fine_tuned_model])

    assert found.state == "not known"
    assert f"{train}, the training file of {job.id}, has been deleted" in str(found)


def test_a_model_from_elsewhere_leaves_it_open(ws):
    found = look_for(ws, {key("x")}, [f"gpt-4.1.ft-{'0' * 32}"])

    assert (found.state, found.looked_at) == ("not known", ())
    assert f"ftjob-{'0' * 32} is not at" in str(found)


def test_base_models_alone_are_not_called_held_out(ws):
    assert look_for(ws, {key("x")}, ["gpt-4.1-nano-2025-04-14"]).state == "not known"


def test_the_system_messages_of_the_training_are_remembered(ws, service):
    example = {
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "a"},
            {"role": "assistant", "content": "b"},
        ]
    }
    job = ws.jobs.create(
        JobRequest(model="gpt-4.1-nano", training_file=service.upload([example] * 10), n_epochs=1)
    ).wait()

    assert look_for(ws, {key("x")}, [job.job.fine_tuned_model]).systems == {"Be brief."}


def test_the_job_is_read_from_the_models_name():
    assert job_of(f"gpt-4.1.ft-{'a' * 32}-suffix:ckpt-step-9") == f"ftjob-{'a' * 32}"
    assert job_of("gpt-4.1") is None


def test_nothing_looked_at_is_not_known():
    assert HeldOut().state == "not known"
