"""The form: fields to request, one creation, errors where they happen, then the live cell."""

from __future__ import annotations

import threading
from datetime import date
from types import SimpleNamespace

import pytest

from tunebook.catalogue import load_catalogue
from tunebook.graders import KINDS, starter
from tunebook.widgets.form.form import JobForm, job_form
from tunebook.widgets.form.state import resolve
from tunebook.widgets.form.values import FileChoice, FormValues

from .conftest import at_once, picture, script, texts


def form_of(workspace, *, spawn=at_once, **values) -> JobForm:
    training = values.pop("training", "file-1")
    follow = script(picture("succeeded", steps=30, job_id="ftjob-new"))
    options = {"follow": follow, "spawn": spawn, "today": lambda: date(2026, 11, 1)}
    return JobForm(workspace, FormValues(**values), {"training": training}, **options)


def test_what_is_typed_becomes_the_request(workspace) -> None:
    form = form_of(workspace)

    form.fields["n_epochs"].value = "2"
    form.fields["learning_rate_multiplier"].value = "0.1"
    form.fields["suffix"].value = "support-v1"

    request = form.request
    assert (request.n_epochs, request.learning_rate_multiplier, request.suffix) == (2, 0.1, "support-v1")
    assert "n_epochs=2" in texts(form.widget)


def test_a_suffix_with_quotes_is_refused_beside_the_field_and_cannot_be_sent(workspace) -> None:
    form = form_of(workspace)

    form.fields["suffix"].value = "\"'><script>"

    assert form.create_button.disabled
    assert "has to be 1 to 64 characters" in form._notes["suffix"].value
    assert "<script>" not in texts(form.widget).replace("&lt;script&gt;", "")


def test_create_sends_once_and_turns_into_the_live_cell(workspace) -> None:
    form = form_of(workspace)

    form.create_button.click()
    form.create_button.click()
    assert form.live.ended.wait(10)

    assert [call[0] for call in workspace.calls] == ["create"]
    assert form._form.layout.display == "none"
    assert "Succeeded" in texts(form.widget)


def test_a_double_click_while_creating_creates_once(workspace) -> None:
    waiting = []
    form = form_of(workspace, spawn=waiting.append)

    form.create_button.click()
    form.create_button.click()
    for work in waiting:
        work()

    assert [call[0] for call in workspace.calls] == ["create"]


def test_an_error_of_creating_is_shown_and_create_can_be_pressed_again(workspace) -> None:
    form = form_of(workspace)
    workspace.error = RuntimeError("<b>full</b>")

    form.create_button.click()

    assert "RuntimeError: &lt;b&gt;full&lt;/b&gt;" in texts(form.widget)
    assert not form.create_button.disabled
    assert form.job is None


def test_a_dear_job_is_asked_about_once(workspace) -> None:
    form = form_of(workspace, price="100", n_epochs="2")
    form._pickers["training"]._become(FileChoice(file_id="file-1", tokens=1_000_000, examples=900))

    form.create_button.click()
    assert workspace.calls == []
    assert "$200" in texts(form._question)

    form.yes_button.click()
    assert [call[0] for call in workspace.calls] == ["create"]


def test_only_methods_of_the_model_are_offered(workspace) -> None:
    form = form_of(workspace)

    form.fields["model"].value = "o4-mini-2025-04-16"

    assert form.fields["method"].options == ("reinforcement",)
    assert form._rows["grader"].layout.display == ""


def test_only_training_types_of_the_region_are_offered(workspace) -> None:
    near, far = form_of(workspace, region="North Central US"), form_of(workspace, region="West US")

    assert ("Standard", "Standard") in near.fields["training_type"].options
    assert [value for _, value in far.fields["training_type"].options] == [
        "GlobalStandard",
        "DatazoneStandard",
        "Developer",
    ]
    assert far.request.training_type == "GlobalStandard"


def test_a_training_type_that_has_to_move_says_so_with_what_it_means(workspace) -> None:
    form = form_of(workspace, model="gpt-4.1-mini-2025-04-14", training_type="Developer")

    form.fields["model"].value = "gpt-oss-20b"
    (told,) = [line for line in form._notes["training_type"].value.split("</p>") if "Moved" in line]
    assert "Moved from Developer to GlobalStandard, as gpt-oss-20b is not trained as Developer" in told
    assert "No data residency" in form._notes["training_type"].value

    form.fields["model"].value = "gpt-4.1-mini-2025-04-14"
    form.fields["training_type"].value = "Standard"
    assert "Moved" not in form._notes["training_type"].value


def test_a_region_without_standard_training_is_not_left_in_silence(workspace) -> None:
    form = form_of(workspace, region="West US")

    assert "Moved from Standard to GlobalStandard" in form._notes["training_type"].value


def test_a_method_that_has_to_move_says_so(workspace) -> None:
    form = form_of(workspace, model="gpt-4.1-mini-2025-04-14", method="dpo")

    form.fields["model"].value = "o4-mini-2025-04-16"
    assert "Moved from dpo to reinforcement" in form._notes["method"].value


@pytest.mark.parametrize("kind", KINDS)
def test_a_grader_begins_with_one_of_its_type_made_for_the_items_of_the_file(workspace, kind) -> None:
    form = form_of(workspace, model="o4-mini-2025-04-16", method="reinforcement")
    form._pickers["training"]._become(FileChoice(file_id="file-1", items=({"id": 1, "label": "x"},)))

    form._grader.starters.value = kind

    assert form.request.grader == starter(kind, ["id", "label"])
    assert form._grader.starters.value == ""


def test_the_switch_says_what_a_deployment_costs_and_asks_for_it_with_the_job(workspace) -> None:
    asked = []
    make = workspace.jobs.create
    workspace.jobs.create = lambda request, **more: asked.append(more) or make(request)
    form = form_of(workspace)
    assert "deploy_when_done" not in texts(form.widget)

    form.deploying.switch.value = True
    assert "A deployment needs a name." in texts(form.deploying.widget)
    form.deploying.name.value = "support-v1"
    form.deploying.sku.value = "developer"
    assert "Removed 24 hours after its creation" in texts(form.deploying.widget)
    assert "job.deploy_when_done(" in texts(form.widget)

    form.create_button.click()
    assert asked == [{"deploy": {"name": "support-v1", "sku": "developer", "checkpoint": "diagnosis"}}]


def test_what_was_accepted_otherwise_than_asked_is_said_in_the_live_cell(workspace) -> None:
    make = workspace.jobs.create

    def create(request):
        job = make(request)
        job.differences = ("n_epochs: asked for 2, the service accepted <3>.",)
        return job

    workspace.jobs.create = create
    form = form_of(workspace, n_epochs="2")

    form.create_button.click()
    assert form.live.ended.wait(10)

    assert "asked for 2, the service accepted &lt;3&gt;." in texts(form.live.widget)


def test_an_unknown_model_is_allowed_with_a_warning(workspace) -> None:
    form = form_of(workspace)

    form.fields["model"].value = "gpt-9-secret"

    assert "not in the catalogue" in form._notes["model"].value
    assert not form.create_button.disabled


def test_the_lists_are_filled_by_load_and_the_newest_file_can_be_picked(workspace) -> None:
    file = SimpleNamespace(
        id="file-9", filename="<script>.jsonl", bytes=5000, created_at=1, status="processed", purpose="fine-tune"
    )
    workspace.stored = [file]
    form = form_of(workspace, training=None)
    assert form.create_button.disabled

    form.load()
    form._pickers["training"].uploaded.value = "file-9"

    assert form.request.training_file == "file-9"
    assert "1,000 tokens" in form._estimate.value
    assert "guessed from the file" in form._estimate.value
    assert "<script>" not in form._notes["training"].value


def test_an_error_while_loading_is_shown_and_the_form_still_works(workspace) -> None:
    form = form_of(workspace)
    workspace.error = RuntimeError("away")

    form.load()

    assert "RuntimeError: away" in texts(form.widget)
    assert not form.create_button.disabled


def test_an_exception_in_a_callback_of_a_file_field_is_shown(workspace, monkeypatch) -> None:
    form = form_of(workspace)

    def broken(_):
        raise RuntimeError("cannot <pick>")

    monkeypatch.setattr(form._pickers["training"], "_describe", broken)
    form._pickers["training"].set(None)
    form._pickers["training"].uploaded.value = "local"
    form._pickers["training"].uploaded.value = "file-1"

    assert "RuntimeError: cannot &lt;pick&gt;" in texts(form.widget)


def test_what_is_shown_last_is_what_is_so_last_when_two_files_are_checked_at_once(workspace, monkeypatch) -> None:
    form = form_of(workspace)
    read, shown = threading.Event(), threading.Event()

    def slow(values, *args, **options):
        state = resolve(values, *args, **options)
        if values.training.label == "first" and not values.validation.label:
            read.set()
            shown.wait(0.3)  # for the other thread to overtake; it may not
        return state

    monkeypatch.setattr("tunebook.widgets.form.form.resolve", slow)
    first = threading.Thread(target=lambda: form._pickers["training"]._become(FileChoice("file-1", label="first")))
    first.start()
    assert read.wait(10)
    form._pickers["validation"]._become(FileChoice("file-2", label="second"))
    shown.set()
    first.join(10)

    assert "second" in form._notes["validation"].value


def test_what_keeps_create_from_being_pressed_is_named_beside_it(workspace) -> None:
    form = form_of(workspace, training=None)
    form.fields["metadata"].value, form.fields["n_epochs"].value = "x", "lots"

    assert "Still to be filled in or mended: training file, n_epochs, metadata." in form._waits.value
    assert "lots" in form._notes["n_epochs"].value  # though metadata alone keeps the request from being written
    assert "stands here once" in form._code["Python"].value


def test_an_untouched_form_says_what_it_needs_without_calling_it_wrong(workspace) -> None:
    form = form_of(workspace, training=None)

    assert "Choose an uploaded file" in form._notes["training"].value
    assert not [name for name, shown in form._notes.items() if "tb-bad" in shown.value]
    assert "tb-warning" not in form._waits.value
    assert form.create_button.disabled


def test_every_model_is_in_the_list_and_any_other_can_be_named(workspace) -> None:
    form = form_of(workspace)
    listed = form._model.known

    assert listed.value == "gpt-4.1-mini-2025-04-14"  # by its other name
    listed.value = "gpt-4.1-2025-04-14"
    assert form.values["model"] == "gpt-4.1-2025-04-14"
    listed.value = "another model …"
    form.fields["model"].value = "gpt-9"

    assert len(listed.options) == len(form.catalogue.models) + 1
    assert form.request.model == "gpt-9"
    assert form.fields["model"].layout.display == ""


def test_an_empty_form_offers_a_model_that_lasts_the_year(workspace) -> None:
    form = JobForm(workspace, today=lambda: date(2026, 11, 26), spawn=at_once)

    assert form.values["model"] == "gpt-oss-20b"  # every model before it in the catalogue retires within the year
    assert "tb-warning" not in form._notes["model"].value
    assert form.values["training_type"] == "GlobalStandard"  # it is not trained as Standard, so nothing was moved
    assert "Moved" not in form._notes["training_type"].value


def test_an_empty_form_empties_what_was_filled_in(workspace) -> None:
    form = form_of(workspace, n_epochs="3", suffix="mine")
    form.start_from.widget.options = [("again", "again x"), *form.start_from.widget.options]
    form.start_from.records["x"] = {"model": "gpt-4.1", "training_file": "file-2"}
    form.start_from.widget.value = "again x"

    form.start_from.widget.value = ""

    assert (form.values["n_epochs"], form.values["suffix"], form.values.training.given) == ("", "", False)


def test_a_question_about_another_estimate_is_taken_back_and_a_higher_one_is_asked_again(workspace) -> None:
    form = form_of(workspace, price="100", n_epochs="2")
    form._pickers["training"]._become(FileChoice(file_id="file-1", tokens=1_000_000, examples=900))
    form.create_button.click()

    form.fields["n_epochs"].value = "3"
    assert form._asking.layout.display == "none"
    workspace.error = RuntimeError("full")
    form.create_button.click()
    form.yes_button.click()
    assert [call[0] for call in workspace.calls] == ["create"]

    form.create_button.click()  # the same estimate: asked about once
    form.fields["n_epochs"].value = "4"
    form.create_button.click()

    assert [call[0] for call in workspace.calls] == ["create", "create"]
    assert "$400" in texts(form._question)


def test_a_local_file_is_checked_again_for_another_model(workspace) -> None:
    models = []
    report = SimpleNamespace(examples=60, tokens=100, errors=(), warnings=())
    data = SimpleNamespace(name="mine", method="supervised", check=lambda model: models.append(model) or report)
    form = form_of(workspace, training=data)

    form.fields["model"].value = "gpt-4.1"

    assert models == ["gpt-4.1-mini", "gpt-4.1"]
    assert form.state.ready


def test_a_local_file_made_for_another_method_cannot_be_sent(workspace) -> None:
    report = SimpleNamespace(examples=60, tokens=100, errors=(), warnings=())
    form = form_of(workspace, training=SimpleNamespace(name="mine", method="dpo", check=lambda model: report))  # noqa: ARG005

    assert "made for dpo; the method is supervised" in form._notes["training"].value
    form.fields["method"].value = "dpo"
    assert form.state.ready


def test_a_field_the_form_does_not_have_is_named(workspace) -> None:
    with pytest.raises(TypeError, match="n_epoch;"):
        job_form(workspace, n_epoch=3)


def test_starting_from_a_job_takes_its_settings_and_continuing_takes_its_model(workspace) -> None:
    record = {
        "model": "gpt-4.1-mini-2025-04-14",
        "fine_tuned_model": "gpt-4.1-mini-2025-04-14.ft-1",
        "training_file": "file-7",
        "hyperparameters": {"n_epochs": 4, "batch_size": -1, "learning_rate_multiplier": 0.1},
        "trainingType": "globalStandard",
        "seed": 5,
    }
    job = SimpleNamespace(job=SimpleNamespace(to_dict=lambda mode: record))  # noqa: ARG005

    again = job_form(workspace, again=job).request
    onward = job_form(workspace, continue_from=job).request

    assert (again.model, again.n_epochs, again.batch_size, again.seed) == (record["model"], 4, "auto", 5)
    assert again.training_type == "GlobalStandard"
    assert (onward.model, onward.seed, onward.training_file) == (record["fine_tuned_model"], None, "file-7")


def test_a_price_typed_once_is_known_to_the_next_form_and_forgotten_when_it_is_emptied(
    workspace, tmp_path, monkeypatch
) -> None:
    monkeypatch.setenv("TUNEBOOK_STATE", str(tmp_path))
    first = form_of(workspace, model="gpt-oss-20b", training_type="GlobalStandard")

    first.fields["price"].value = "4"
    again = form_of(workspace, model="gpt-oss-20b", training_type="GlobalStandard")

    assert again.fields["price"].value == "4"
    assert load_catalogue().price("gpt-oss-20b", "GlobalStandard").usd == 4
    again.fields["model"].value = "gpt-4.1-mini"
    assert again.fields["price"].value == ""
    again.fields["model"].value = "gpt-oss-20b"
    assert again.fields["price"].value == "4"
    again.fields["price"].value = ""
    assert form_of(workspace, model="gpt-oss-20b", training_type="GlobalStandard").fields["price"].value == ""


def test_a_price_of_reinforcement_is_typed_by_the_hour(workspace, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("TUNEBOOK_STATE", str(tmp_path))
    form = form_of(workspace, model="gpt-5")

    assert form.fields["price"].description == "$ an hour"
    assert "no price known for gpt-5, Standard" in texts(form.widget)
    form.fields["price"].value = "90"

    assert load_catalogue().price("gpt-5", "Standard").usd_per_hour == 90


@pytest.mark.parametrize("text", ["-1", "dear", "<script>"])
def test_what_is_no_price_is_not_kept(workspace, tmp_path, monkeypatch, text) -> None:
    monkeypatch.setenv("TUNEBOOK_STATE", str(tmp_path))
    form = form_of(workspace, model="gpt-5")

    form.fields["price"].value = text

    assert not (tmp_path / "prices.toml").exists()
    assert "is not a number of dollars" in form._notes["price"].value
    assert "<script>" not in form._notes["price"].value
