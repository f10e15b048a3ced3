"""The records of the service room show themselves; what came from outside stays text."""

from types import SimpleNamespace

import pytest
from openai import OpenAI

from tunebook.service.connection import Workspace
from tunebook.service.copying import CheckpointCopy
from tunebook.service.deployments import Deployment
from tunebook.service.jobs import Job
from tunebook.service.preflight import DeploymentFacts, judge_deployment
from tunebook.service.request import JobRequest


def records(text: str) -> dict[str, object]:
    """One of each, with `text` where a name or an answer of the service stands."""
    client = OpenAI(api_key="secret", base_url="https://contoso.example")
    workspace = Workspace(client, name=text, endpoint="https://contoso.example")
    record = {"id": f"ftjob-{text}", "status": "running", "model": text, "suffix": text, "seed": 3}
    asked = JobRequest(model=text, training_file=text, suffix="asked", metadata={text: text})
    job = Job(workspace, SimpleNamespace(**record, to_dict=lambda mode: record), asked=asked)  # noqa: ARG005
    served = SimpleNamespace(
        name=text,
        properties=SimpleNamespace(model=SimpleNamespace(name=text, version="1"), provisioning_state=text),
        sku=SimpleNamespace(name="Standard", capacity=1),
    )
    to = {"destinationResourceId": f"/accounts/{text}", "region": text, "status": text}
    return {
        "request": asked,
        "workspace": workspace,
        "job": job,
        "deployment": Deployment(workspace, served, read_at=0.0),
        "copy": CheckpointCopy(job, text, {"copiedAccountDetails": [to]}),
        "pre-flight": judge_deployment(DeploymentFacts(name=text, model=text, sku=text, capacity=1, location=text)),
    }


@pytest.mark.parametrize("name", records(""))
def test_foreign_text_is_neither_markup_nor_mathematics(name) -> None:
    html = records("<script>$x$\x1b[31m")[name]._repr_html_()

    assert "&lt;script&gt;" in html
    assert "<script>" not in html
    assert "$x$" not in html


def test_what_a_deployment_would_cost_at_azure_stands_below_the_sentence_that_nothing_is_billed_here() -> None:
    deployment = records("a")["deployment"]
    deployment.workspace.embedded = True

    *_, terms = deployment._card().parts

    assert terms.title == "Nothing is billed here. At Azure:"
    assert terms.items[0].startswith("A base model: only the tokens are billed.")
