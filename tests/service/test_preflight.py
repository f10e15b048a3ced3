"""Judging a deployment before it is asked for: each check on facts typed in here."""

from dataclasses import replace
from datetime import date

import pytest

from tunebook.service.preflight import (
    WRITE,
    DeploymentFacts,
    Offer,
    allowed,
    judge_deployment,
    model_format,
    name_and_version,
)

MODEL = "gpt-4.1-mini-2025-04-14.ft-0123456789abcdef0123456789abcdef"
FINE = DeploymentFacts(
    name="support-v1",
    model=MODEL,
    sku="standard",
    capacity=10,
    existing={"other": ("gpt-4.1-mini-2025-04-14", "GlobalStandard", 1)},
    permissions=((("Microsoft.CognitiveServices/*",), ()),),
    location="swedencentral",
    offers=(Offer("Standard", "OpenAI.Standard.gpt-4.1-mini-finetune", 100),),
    quotas={"OpenAI.Standard.gpt-4.1-mini-finetune": (40, 100)},
    job={"id": "ftjob-0123456789abcdef0123456789abcdef", "status": "succeeded", "fine_tuned_model": MODEL},
    checkpoints=(MODEL, f"{MODEL}:ckpt-step-10"),
    today=date(2026, 11, 23),
)


def outcome(facts, check):
    return next(finding for finding in judge_deployment(facts).findings if finding.check == check)


def test_when_everything_is_known_and_right_nothing_is_refused():
    preflight = judge_deployment(FINE)

    assert preflight.ok
    assert {finding.outcome for finding in preflight.findings} == {"fine"}


def test_what_cannot_be_read_is_called_unknown_and_refuses_nothing():
    blind = DeploymentFacts(name="a", model=MODEL, sku="standard", capacity=1, today=date(2026, 11, 23))

    preflight = judge_deployment(blind)

    assert preflight.ok
    assert [f.check for f in preflight.findings if f.outcome == "unknown"] == [
        *("name", "model", "role", "SKU", "region", "number", "quota")
    ]


@pytest.mark.parametrize(
    ("change", "check", "words"),
    [
        ({"name": "has space"}, "name", "cannot be a deployment's name"),
        ({"name": ""}, "name", "cannot be"),
        ({"existing": {"support-v1": ("another-model", "Standard", 1)}}, "name", "is taken: it serves another-model"),
        ({"permissions": ((("*/read",), ()),)}, "role", "Cognitive Services OpenAI Contributor"),
        ({"sku": "developer"}, "SKU", "DeveloperTier is not offered for this model here, only Standard"),
        ({"capacity": 0}, "quota", "not a whole number of at least 1"),
        ({"capacity": 61}, "quota", "60 of 100 thousand tokens per minute are free"),
        ({"capacity": 101}, "quota", "over the SKU's most, 100"),
        ({"job": {"id": "ftjob-1", "status": "running"}, "checkpoints": ()}, "model", "ftjob-1 is running"),
        ({"model": f"{MODEL}:ckpt-step-1"}, "model", "does not keep"),
        ({"today": date(2027, 11, 1)}, "retirement", "retired on 2027-10-14"),
        ({"existing": {f"d{n}": (MODEL, "Standard", 1) for n in range(10)}}, "number", "10 is the most"),
    ],
)
def test_what_the_service_would_refuse_is_refused_here_with_the_reason(change, check, words):
    found = outcome(replace(FINE, **change), check)

    assert found.outcome == "refused"
    assert words in found.message


def test_a_region_without_the_model_is_said_with_the_regions_that_have_it():
    found = outcome(replace(FINE, location="westus3"), "region")

    assert found.outcome == "doubtful"
    assert "northcentralus, swedencentral, not in westus3" in found.message


def test_global_deployments_are_bound_to_no_region():
    facts = replace(FINE, location="westus3", sku="globalstandard", offers=(Offer("GlobalStandard"),))

    assert outcome(facts, "region").outcome == "fine"


def test_a_name_that_serves_this_model_already_is_no_reason_to_refuse():
    assert outcome(replace(FINE, existing={"support-v1": (MODEL, "Standard", 1)}), "name").outcome == "fine"


def test_a_model_this_resource_has_no_job_of_may_have_been_copied_here():
    assert outcome(replace(FINE, job={}, checkpoints=None), "model").outcome == "doubtful"


def test_a_right_is_granted_by_one_role_unless_the_same_role_takes_it_back():
    assert allowed(WRITE, [(["*"], [])])
    assert allowed(WRITE, [(["*/read"], []), (["microsoft.cognitiveservices/accounts/deployments/*"], [])])
    assert not allowed(WRITE, [(["*"], ["Microsoft.CognitiveServices/*/write"])])
    assert not allowed(WRITE, [])


def test_models_are_named_as_the_management_plane_wants_them():
    assert name_and_version("gpt-4.1-mini-2025-04-14") == ("gpt-4.1-mini", "2025-04-14")
    assert name_and_version(MODEL) == (MODEL, "1")
    assert (model_format(MODEL), model_format("gpt-oss-20b.ft-1")) == ("OpenAI", "Microsoft")
