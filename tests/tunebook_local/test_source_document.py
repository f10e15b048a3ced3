"""The curl lines of Microsoft's fine-tuning tutorial, in its order, with endpoint, key and ids filled in."""

import json
import re
import shutil
import subprocess

import pytest

pytestmark = pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")

EXAMPLE = {"messages": [{"role": "user", "content": "How many?"}, {"role": "assistant", "content": "Three."}]}
ACCOUNT = "subscriptions/s/resourceGroups/g/providers/Microsoft.CognitiveServices/accounts/a"


@pytest.fixture(scope="module")
def line(start_once, tmp_path_factory):
    """Run a line as a shell does; the reply, read."""
    service = start_once()
    folder = tmp_path_factory.mktemp("lines")
    for name in ("training_set", "validation_set"):
        (folder / f"{name}.jsonl").write_text("\n".join([json.dumps(EXAMPLE)] * 12))
    environ = {
        "AZURE_OPENAI_ENDPOINT": service.endpoint,
        "AZURE_OPENAI_API_KEY": service.api_key,
        "PATH": "/usr/bin:/bin",
    }

    def run(text, **ids):
        for name, value in ids.items():
            text = text.replace(f"<{name}>", value)
        done = subprocess.run(
            ["sh", "-c", text], cwd=folder, env=environ, capture_output=True, text=True, timeout=60, check=False
        )
        return json.loads(done.stdout) if done.stdout.startswith("{") else done.stdout

    run.service = service
    return run


UPLOAD = """curl -X POST $AZURE_OPENAI_ENDPOINT/openai/v1/files \\
  -H "Content-Type: multipart/form-data" \\
  -H "api-key: $AZURE_OPENAI_API_KEY" \\
  -F "purpose=fine-tune" \\
  -F "file=@<NAME>.jsonl;type=application/json\""""
CREATE = """curl -X POST $AZURE_OPENAI_ENDPOINT/openai/v1/fine_tuning/jobs \\
  -H "Content-Type: application/json" \\
  -H "api-key: $AZURE_OPENAI_API_KEY" \\
  -d '{
    "model": "gpt-4.1-2025-04-14",
    "training_file": "<TRAIN>",
    "validation_file": "<VALID>",
    "seed": 105
}'"""
CREATE_GLOBAL = """curl -X POST $AZURE_OPENAI_ENDPOINT/openai/fine_tuning/jobs?api-version=2025-04-01-preview \\
  -H "Content-Type: application/json" \\
  -H "api-key: $AZURE_OPENAI_API_KEY" \\
  -d '{
    "model": "gpt-4.1-2025-04-14",
    "training_file": "<TRAIN>",
    "validation_file": "<VALID>",
    "seed": 105,
    "trainingType": "globalstandard"
}'"""
UNQUOTED = """curl -X POST "$AZURE_OPENAI_ENDPOINT/openai/fine_tuning/jobs?api-version=2025-04-01-preview" \\
  -H "Content-Type: application/json" -H "api-key: $AZURE_OPENAI_API_KEY" \\
  -d "{"model":"gpt-4.1","training_file":"<TRAIN>"}\""""
RETRIEVE = (
    """curl -X GET $AZURE_OPENAI_ENDPOINT/openai/v1/fine_tuning/jobs/<JOB> -H "api-key: $AZURE_OPENAI_API_KEY\""""
)
OF_JOB = """curl -X POST $AZURE_OPENAI_ENDPOINT/openai/v1/fine_tuning/jobs/<JOB>/<WHAT> \\
  -H "Content-Type: application/json" \\
  -H "api-key: $AZURE_OPENAI_API_KEY\""""
COPY = """curl --request POST \\
  --url "$AZURE_OPENAI_ENDPOINT/openai/v1/fine_tuning/jobs/<JOB>/checkpoints/<CHECKPOINT>/copy" \\
  --header 'Content-Type: application/json' \\
  --header "api-key: $AZURE_OPENAI_API_KEY" \\
  --header 'aoai-copy-ft-checkpoints: preview' \\
  --data '{
  "destinationResourceId": "/<ACCOUNT>",
  "region": "swedencentral"
}'"""
COPIED = """curl --request GET \\
  --url "$AZURE_OPENAI_ENDPOINT//openai/v1/fine_tuning/jobs/<JOB>/checkpoints/<CHECKPOINT>/copy" \\
  --header 'Content-Type: application/json' \\
  --header "api-key: $AZURE_OPENAI_API_KEY" \\
  --header 'aoai-copy-ft-checkpoints: preview'"""
RESULT = """curl -X GET "$AZURE_OPENAI_ENDPOINT/openai/v1/files/<FILE>/content" -H "api-key: $AZURE_OPENAI_API_KEY\""""
DEPLOY = """curl -X POST "$AZURE_OPENAI_ENDPOINT/<ACCOUNT>/deployments/<NAME>?api-version=2024-10-21" \\
  -H "Authorization: Bearer $AZURE_OPENAI_API_KEY" \\
  -H "Content-Type: application/json" \\
  -d '{
    "sku": {"name": "standard", "capacity": 1},
    "properties": {"model": {"format": "OpenAI", "name": "<MODEL>", "version": "1"}}
}'"""
CONTINUE = """curl -X POST $AZURE_OPENAI_ENDPOINT/openai/v1/fine_tuning/jobs \\
  -H "Content-Type: application/json" \\
  -H "api-key: $AZURE_OPENAI_API_KEY" \\
  -d '{
    "model": "<MODEL>",
    "training_file": "<TRAIN>",
    "validation_file": "<VALID>",
    "suffix": "more"
}'"""


def test_each_line_answers_as_it_stands_there(line, until):
    train, valid = (line(UPLOAD, NAME=name)["id"] for name in ("training_set", "validation_set"))
    files = line.service.sdk.files
    until(lambda: {files.retrieve(file).status for file in (train, valid)} == {"processed"})
    ids = {"TRAIN": train, "VALID": valid}

    job = line(CREATE, **ids)
    assert (job["object"], job["seed"]) == ("fine_tuning.job", 105)
    assert line(CREATE_GLOBAL, **ids)["trainingType"] == "globalStandard"
    assert "not valid JSON" in line(UNQUOTED, **ids)["error"]["message"]  # the document's own slip: quotes in quotes

    assert line(RETRIEVE, JOB=job["id"])["id"] == job["id"]
    done = until(lambda: (now := line(RETRIEVE, JOB=job["id"]))["status"] == "succeeded" and now)
    assert line(OF_JOB, JOB=job["id"], WHAT="events")["data"][0]["object"] == "fine_tuning.job.event"
    points = line(OF_JOB, JOB=job["id"], WHAT="checkpoints")["data"]
    assert len(points) == 3
    for what in ("pause", "resume"):  # it has ended: the document asks while it runs
        assert "only while" in line(OF_JOB, JOB=job["id"], WHAT=what)["error"]["message"]

    place = {"JOB": job["id"], "CHECKPOINT": points[0]["id"], "ACCOUNT": ACCOUNT}
    assert line(COPY, **place)["copiedAccountDetails"][0]["status"] == "InProgress"
    assert line(COPIED, **place)["checkpointedModelName"] == done["fine_tuned_model"]
    assert line(RESULT, FILE=done["result_files"][0]).startswith("step,train_loss,")

    for model in (done["fine_tuned_model"], points[1]["id"]):  # a checkpoint deploys by its id
        assert re.fullmatch(r"[\w.:-]+", model)
        made = line(DEPLOY, ACCOUNT=ACCOUNT, NAME=model.split(".")[0][:20], MODEL=model)
        assert made["properties"]["provisioningState"] == "Accepted"
    assert line(CONTINUE, MODEL=done["fine_tuned_model"], **ids)["model"] == done["fine_tuned_model"]
