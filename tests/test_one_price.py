"""One file and one model have one price, wherever it is asked for, before the job and after it."""

from datetime import date
from tempfile import TemporaryDirectory
from types import SimpleNamespace

import pytest

import tunebook as tb
from tunebook.analysis import Run, load_results
from tunebook.money import remember_price
from tunebook.widgets.form.form import JobForm
from tunebook.widgets.form.values import FormValues
from tunebook.words import missing

MODEL, EXAMPLES, EPOCHS = "gpt-4.1", 12, 8  # what `auto` becomes for 12 examples
RESULTS = "step,train_loss,valid_loss\n1,1.0,1.1\n2,0.8,0.9\n3,0.7,0.8\n4,0.6,0.8\n"


@pytest.fixture(scope="module")
def data() -> tb.Dataset:
    chat = [{"role": "user", "content": "Where is my parcel?"}, {"role": "assistant", "content": "On its way."}]
    return tb.read_dataset([{"messages": chat}] * EXAMPLES)


def of_cost(data, tier):
    cost = data.cost(MODEL, training_type=tier)
    return cost.billed_tokens, cost.usd


def of_check(data, tier):
    cost = data.check(model=MODEL, training_type=tier).cost
    return cost.billed_tokens, cost.usd


def of_form(data, tier):
    workspace = SimpleNamespace(name="contoso", endpoint="https://contoso.example", embedded=False)
    form = JobForm(
        workspace,
        FormValues(model=MODEL, training_type=tier or ""),
        {"training": data},
        today=lambda: date(2026, 11, 1),
        spawn=lambda work: work(),
    )
    cost = form.state.estimate.cost
    return cost.billed_tokens, cost.usd


def of_plan(data, tier):
    request = tb.JobRequest(model=MODEL, training_file="file-1", training_type=tier)
    tokens = int(sum(data.count_tokens(model=MODEL)))
    space = {"learning_rate_multiplier": [0.1]}
    with TemporaryDirectory() as folder:
        plan = tb.Sweep(request, space, folder=folder, file_tokens=tokens, file_examples=EXAMPLES).plan
    return plan["tokens"].iloc[0], plan["usd"].iloc[0]


def of_comparison(data, tier):
    """The comparison's cost, which the report prints too, of a job that trained as many tokens."""
    tokens = int(sum(data.count_tokens(model=MODEL))) * EPOCHS
    job = {"id": "ftjob-1", "status": "succeeded", "model": MODEL, "trained_tokens": tokens, "trainingType": tier}
    runs = [Run(job | {"id": f"ftjob-{i}"}, load_results(RESULTS.encode(), name="r")) for i in (1, 2)]
    row = tb.compare(runs).frame.iloc[0]
    return row["trained_tokens"], row["cost_usd"]


@pytest.mark.parametrize("asked", [of_cost, of_check, of_form, of_plan, of_comparison])
def test_auto_epochs_are_billed_alike_wherever_the_price_is_asked_for(data, asked) -> None:
    assert asked(data, "GlobalStandard") == (1920, pytest.approx(0.048))


@pytest.mark.parametrize("asked", [of_cost, of_check, of_form, of_plan, of_comparison])
def test_a_tier_that_is_left_out_is_standard_wherever_the_price_is_asked_for(data, asked) -> None:
    assert asked(data, None) == (1920, pytest.approx(0.05808))  # at the price of the dearer regions


@pytest.mark.parametrize("asked", [of_cost, of_check, of_form, of_plan, of_comparison])
def test_a_tier_without_a_published_price_has_none_wherever_it_is_asked_for(data, asked) -> None:
    tokens, usd = asked(data, "DatazoneStandard")

    assert (tokens, missing(usd)) == (1920, True)


@pytest.mark.parametrize("asked", [of_cost, of_check, of_form, of_plan, of_comparison])
def test_a_price_typed_once_counts_wherever_it_is_asked_for(data, asked, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("TUNEBOOK_STATE", str(tmp_path))
    remember_price(MODEL, "DatazoneStandard", 50, hourly=False, today=date(2026, 11, 1))

    assert asked(data, "DatazoneStandard") == (1920, pytest.approx(0.096))
