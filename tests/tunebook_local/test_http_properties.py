"""Whatever is sent, no reply is a 5xx, and every reply has the shape the specifications give it."""

from urllib.parse import quote

import jsonschema
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

DATED = "api-version=2025-04-01-preview"
SETTINGS = {"deadline": None, "suppress_health_check": list(HealthCheck), "derandomize": True}

TEXT, NUMBER, WHOLE = {"type": "string"}, {"type": "number"}, {"type": "integer"}


def shape(required, optional=None, *, open_ended=False):
    """A schema of an object with these keys and, unless open-ended, no others."""
    return {
        "type": "object",
        "properties": {**required, **(optional or {})},
        "required": list(required),
        "additionalProperties": open_ended,
    }


def one_of(*values):
    return {"enum": list(values)}


def listed(item):
    ends = {"first_id": {"type": ["string", "null"]}, "last_id": {"type": ["string", "null"]}}
    required = {"object": one_of("list"), "data": {"type": "array", "items": item}, "has_more": {"type": "boolean"}}
    return shape(required, ends)


ERROR = shape(
    {"error": shape({"code": TEXT, "message": TEXT}, {"param": TEXT, "target": TEXT, "type": one_of("error")})}
)
FILE = shape(
    {
        "id": {"type": "string", "pattern": "^file-[0-9a-f]{32}$"},
        "object": one_of("file"),
        "created_at": WHOLE,
        "filename": TEXT,
        "purpose": one_of("assistants", "batch", "fine-tune", "fine-tune-results", "evals"),
        "status": one_of("pending", "running", "processed", "error"),
    },
    {"bytes": WHOLE, "expires_at": WHOLE, "status_details": TEXT},
)
HYPERPARAMETERS = shape({"n_epochs": WHOLE, "batch_size": WHOLE, "learning_rate_multiplier": NUMBER}, open_ended=True)
JOB = shape(
    {
        "id": {"type": "string", "pattern": "^ftjob-[0-9a-f]{32}$"},
        "object": one_of("fine_tuning.job"),
        "created_at": WHOLE,
        "status": one_of("pending", "running", "pausing", "paused", "resuming", "succeeded", "cancelled", "failed"),
        "model": TEXT,
        "training_file": TEXT,
        "hyperparameters": HYPERPARAMETERS,
        "seed": {"type": "integer", "minimum": 0, "maximum": 2**31 - 1},
        "trainingType": one_of("standard", "globalStandard", "developerTier"),
    },
    {
        "validation_file": TEXT,
        "fine_tuned_model": TEXT,
        "finished_at": WHOLE,
        "estimated_finish": WHOLE,
        "result_files": {"type": "array", "items": TEXT},
        "trained_tokens": WHOLE,
        "error": shape({"code": TEXT, "message": TEXT}, {"param": TEXT}),
        "suffix": TEXT,
        "metadata": {"type": "object", "additionalProperties": TEXT},
        "integrations": {"type": "array"},
        "method": shape({"type": one_of("supervised", "dpo", "reinforcement")}, open_ended=True),
    },
)
EVENT = shape(
    {
        "id": {"type": "string", "pattern": "^ftevent-[0-9a-f]{32}$"},
        "object": one_of("fine_tuning.job.event"),
        "created_at": WHOLE,
        "level": one_of("info", "warn", "warning", "error"),
        "message": TEXT,
        "type": one_of("message", "metrics"),
    },
    {"data": {"type": "object", "additionalProperties": NUMBER}},
)
CHECKPOINT = shape(
    {
        "id": {"type": "string", "pattern": "^ftchkpt-[0-9a-f]{32}$"},
        "object": one_of("fine_tuning.job.checkpoint"),
        "created_at": WHOLE,
        "fine_tuning_job_id": TEXT,
        "fine_tuned_model_checkpoint": TEXT,
        "step_number": WHOLE,
        "metrics": {"type": "object", "additionalProperties": NUMBER},
    }
)
MODEL = shape({"id": TEXT, "object": one_of("model"), "created": WHOLE, "owned_by": TEXT})
DATED_MODEL = shape(
    {
        "id": TEXT,
        "object": one_of("model"),
        "created_at": WHOLE,
        "status": one_of("succeeded"),
        "capabilities": shape(
            {
                key: {"type": "boolean"}
                for key in ("fine_tune", "inference", "completion", "chat_completion", "embeddings")
            }
        ),
        "lifecycle_status": one_of("preview", "generally-available", "deprecating", "deprecated"),
        "deprecation": shape({"inference": WHOLE}, {"fine_tune": WHOLE}),
    },
    {"model": TEXT, "fine_tune": TEXT},
)
UPLOAD = shape(
    {
        "id": TEXT,
        "object": one_of("upload"),
        "created_at": WHOLE,
        "expires_at": WHOLE,
        "bytes": WHOLE,
        "filename": TEXT,
        "purpose": TEXT,
        "status": one_of("pending", "expired", "completed", "cancelled"),
    },
    {"file": FILE},
)
GRADED = shape({"reward": NUMBER, "metadata": {"type": "object"}, "sub_rewards": {"type": "object"}}, open_ended=True)

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


def sometimes(*values):
    """Mostly one of these, now and then anything at all: a request is refused for one reason at a time."""
    return st.integers(0, 9).flatmap(lambda n: json_values if n == 9 else st.sampled_from(values))


hyperparameters = st.fixed_dictionaries(
    {},
    optional={
        "n_epochs": sometimes("auto", None, 1, 2, 50, 51),
        "batch_size": sometimes("auto", 1, 8, 256, 257),
        "learning_rate_multiplier": sometimes("auto", 0.1, 2, 1e308, 0),
        "prompt_loss_weight": sometimes(0.01),
    },
)
methods = st.fixed_dictionaries(
    {"type": sometimes("supervised", "dpo", "reinforcement")},
    optional={
        "supervised": st.fixed_dictionaries({}, optional={"hyperparameters": hyperparameters}) | json_values,
        "dpo": st.fixed_dictionaries({}, optional={"hyperparameters": hyperparameters, "beta": json_values}),
        "reinforcement": st.fixed_dictionaries({"grader": json_values}) | json_values,
    },
)
job_bodies = st.fixed_dictionaries(
    {
        "model": sometimes("gpt-4.1-mini", "gpt-4.1-mini", "o4-mini", "gpt-4o"),
        "training_file": sometimes("FILE", "FILE", "FILE", "file-0"),
    },
    optional={
        "validation_file": sometimes("FILE", None),
        "suffix": sometimes("ok", "OK-1_", "a.b"),
        "seed": sometimes(0, 1, 2**31 - 1, 2**31),
        "hyperparameters": hyperparameters,
        "method": methods,
        "trainingType": sometimes("standard", "GLOBALSTANDARD", "developerTier", 0, 1, 2),
        "metadata": sometimes({"a": "b"}),
        "integrations": sometimes([{"type": "wandb", "wandb": {"project": "p"}}]),
    },
)
chat_bodies = st.fixed_dictionaries(
    {
        "model": sometimes("d"),
        "messages": sometimes([{"role": "user", "content": "x"}]) | st.lists(json_values, max_size=2),
    },
    optional={
        "temperature": sometimes(0, 1),
        "max_tokens": sometimes(1),
        "stop": sometimes("x"),
        "n": sometimes(1),
        "seed": sometimes(1),
        "tools": json_values,
        "stream": sometimes(False),
        "stream_options": json_values,
    },
)
graders = st.fixed_dictionaries(
    {
        "type": sometimes("string_check", "text_similarity", "multi"),
        "input": sometimes("{{sample.output_text}}", "{{item.x}}", "{{"),
        "reference": sometimes("{{ item.a }}"),
    },
    optional={
        "operation": sometimes("eq", "ilike"),
        "evaluation_metric": sometimes("bleu", "rouge_l"),
        "graders": json_values,
        "calculate_output": sometimes("a + b", "a ^ 9 ^ 9 ^ 9 ^ 9", "1 / 0"),
        "name": json_values,
    },
)


@pytest.fixture(scope="module")
def http(service):
    with service.http() as client:
        yield client


@pytest.fixture(scope="module")
def file(service):
    return service.upload()


@pytest.fixture(scope="module")
def job(service, file):
    two_epochs = {"n_epochs": 2, "batch_size": 6}
    made = service.sdk.fine_tuning.jobs.create(model="gpt-4.1-mini", training_file=file, hyperparameters=two_epochs)
    return service.ended(made.id).id


def check(reply, *shapes):
    """No 5xx; a refusal has the shape of an error; what succeeds fits one of the shapes."""
    assert reply.status_code < 500, reply.text
    if reply.status_code >= 400:
        jsonschema.validate(reply.json(), ERROR)
    elif shapes:
        jsonschema.validate(reply.json(), {"anyOf": list(shapes)})
    return reply


@settings(max_examples=80, **SETTINGS)
@given(body=job_bodies, dated=st.booleans())
def test_any_job_request_gets_a_job_or_a_reason(http, file, body, dated):
    text = {key: file if value == "FILE" else value for key, value in body.items()}
    address = f"/openai/fine_tuning/jobs?{DATED}" if dated else "/openai/v1/fine_tuning/jobs"
    reply = check(http.post(address, json=text), JOB)

    if reply.status_code < 300:
        check(http.post(f"/openai/v1/fine_tuning/jobs/{reply.json()['id']}/cancel"), JOB)


@settings(max_examples=30, **SETTINGS)
@given(body=chat_bodies)
def test_any_chat_request_gets_an_answer_or_a_reason(http, body):
    check(http.post("/openai/v1/chat/completions", json=body))


@settings(max_examples=30, **SETTINGS)
@given(
    body=st.fixed_dictionaries(
        {"grader": graders | json_values}, optional={"model_sample": sometimes("x"), "item": json_values}
    )
)
def test_any_grader_grades_or_is_refused(http, body):
    check(http.post("/openai/v1/fine_tuning/alpha/graders/run", json=body), GRADED)
    check(http.post("/openai/v1/fine_tuning/alpha/graders/validate", json=body))


@settings(max_examples=30, **SETTINGS)
@given(
    body=st.fixed_dictionaries(
        {},
        optional={
            "filename": sometimes("f"),
            "purpose": sometimes("fine-tune"),
            "bytes": sometimes(1, -1, 10**12),
            "mime_type": sometimes("text/plain"),
            "content_url": sometimes("http://127.0.0.1:9/x", "http://example.com"),
            "expires_after": sometimes({"anchor": "created_at", "seconds": 3600}),
            "part_ids": json_values,
        },
    )
)
def test_any_upload_or_import_is_begun_or_refused(http, body):
    check(http.post(f"/openai/files/import?{DATED}", json=body), FILE)
    upload = check(http.post(f"/openai/uploads?{DATED}", json=body), UPLOAD)
    if upload.status_code < 300:
        name = upload.json()["id"]
        check(http.post(f"/openai/uploads/{name}/complete?{DATED}", json=body), UPLOAD)
        check(http.post(f"/openai/uploads/{name}/cancel?{DATED}"), UPLOAD)


ACCOUNT = "/subscriptions/p/resourceGroups/g/providers/Microsoft.CognitiveServices/accounts/props"


@settings(max_examples=30, **SETTINGS)
@given(
    name=st.sampled_from(["d", "e", "-", "x" * 65]) | st.text(min_size=1, max_size=10),
    body=st.fixed_dictionaries(
        {},
        optional={
            "sku": sometimes({"name": "standard", "capacity": 1}, {"name": []}),
            "properties": sometimes({"model": {"format": "OpenAI", "name": "gpt-4.1-mini", "version": "2025-04-14"}}),
            "tags": json_values,
        },
    ),
)
def test_any_deployment_is_accepted_or_refused(http, name, body):
    address = f"{ACCOUNT}/deployments/{quote(name, safe='')}?api-version=2024-10-01"
    for call in (http.put, http.patch):
        check(call(address, json=body))
    check(http.get(address))
    check(http.delete(address))


@settings(max_examples=50, **SETTINGS)
@given(
    content=st.binary(max_size=60) | st.text(max_size=60).map(str.encode) | st.just(b"[" * 100_000),
    path=st.sampled_from(["/openai/v1/fine_tuning/jobs", "/openai/v1/chat/completions", f"/openai/uploads?{DATED}"]),
)
def test_any_bytes_for_a_body_are_refused_in_order(http, content, path):
    assert check(http.post(path, content=content, headers={"content-type": "application/json"})).status_code < 500


@settings(max_examples=50, **SETTINGS)
@given(
    name=st.text(min_size=1, max_size=20),
    tail=st.sampled_from(
        ["files/{}", "files/{}/content", "fine_tuning/jobs/{}", "fine_tuning/jobs/{}/events", "models/{}", "{}"]
    ),
    query=st.dictionaries(
        st.sampled_from(["after", "limit", "purpose", "order", "x"]), st.text(max_size=6), max_size=2
    ),
    verb=st.sampled_from(["GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS"]),
)
def test_any_address_is_found_or_not(http, name, tail, query, verb):
    reply = http.request(verb, f"/openai/v1/{tail.format(quote(name, safe=''))}", params=query)

    assert reply.status_code < 500
    if reply.status_code >= 400 and verb != "HEAD":
        jsonschema.validate(reply.json(), ERROR)


@pytest.mark.parametrize(
    ("path", "schema"),
    [
        ("/openai/v1/files", listed(FILE)),
        ("/openai/v1/fine_tuning/jobs", listed(JOB)),
        ("/openai/v1/models", listed(MODEL)),
        (f"/openai/models?{DATED}", listed(DATED_MODEL)),
        (f"/openai/fine_tuning/jobs?{DATED}", listed(JOB)),
        ("/openai/v1/fine_tuning/jobs/JOB/events", listed(EVENT)),
        (f"/openai/fine_tuning/jobs/JOB/events?{DATED}", listed(EVENT)),
        ("/openai/v1/fine_tuning/jobs/JOB/checkpoints", listed(CHECKPOINT)),
    ],
)
@pytest.mark.parametrize("limit", ["", "0", "1", "100"])
def test_every_list_fits_its_schema(http, job, path, schema, limit):
    path = path.replace("JOB", job)
    joint = "&" if "?" in path else "?"
    page = check(http.get(path + (f"{joint}limit={limit}" if limit else "")), schema).json()

    assert not limit or "models" in path or len(page["data"]) <= int(limit)
