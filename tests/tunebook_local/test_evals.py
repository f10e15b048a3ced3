"""Evaluations: a deployment's answers, or answers of one's own, graded item by item."""

import openai
import pytest

ACCOUNT = "/subscriptions/s/resourceGroups/g/providers/Microsoft.CognitiveServices/accounts/evals"
SCHEMA = {"type": "custom", "include_sample_schema": True, "item_schema": {"type": "object"}}
SAME = {
    "type": "string_check", "name": "same", "operation": "eq",
    "input": "{{sample.output_text}}", "reference": "{{item.answer}}",
}  # fmt: skip
NANO = {
    "sku": {"name": "standard", "capacity": 1},
    "properties": {"model": {"format": "OpenAI", "name": "gpt-4.1-nano"}},
}
GOING_ON = ("queued", "in_progress")
ITEMS = [{"item": {"answer": "yes"}, "sample": {"output_text": said}} for said in ("yes", "no", "yes")]


@pytest.fixture(scope="module")
def model(service):
    with service.http(params={"api-version": "2024-10-01"}) as http:
        assert http.put(f"{ACCOUNT}/deployments/e", json=NANO).status_code == 201
        yield "e"
        http.delete(f"{ACCOUNT}/deployments/e")


def evaluation(service, *criteria):
    return service.sdk.evals.create(name="n", data_source_config=SCHEMA, testing_criteria=list(criteria or [SAME])).id


def content(rows):
    return {"type": "jsonl", "source": {"type": "file_content", "content": rows}}


@pytest.fixture
def ended(until):
    """Start a run; the run when it has ended."""

    def run_to_its_end(service, eval_id, data_source):
        runs = service.sdk.evals.runs
        run = runs.create(eval_id, name="r", data_source=data_source)
        return until(lambda: (now := runs.retrieve(run.id, eval_id=eval_id)).status not in GOING_ON and now)

    return run_to_its_end


def test_answers_of_ones_own_are_graded_item_by_item(service, ended):
    eval_id = evaluation(service)
    run = ended(service, eval_id, content(ITEMS))

    assert run.status == "completed"
    assert run.result_counts.to_dict() == {"total": 3, "passed": 2, "failed": 1, "errored": 0}
    assert [each.to_dict() for each in run.per_testing_criteria_results] == [
        {"testing_criteria": "same", "passed": 2, "failed": 1}
    ]
    items = list(service.sdk.evals.runs.output_items.list(run.id, eval_id=eval_id))
    assert [(item.datasource_item_id, item.status) for item in items] == [(0, "pass"), (1, "fail"), (2, "pass")]
    assert items[1].results[0].score == 0.0
    failed = service.sdk.evals.runs.output_items.list(run.id, eval_id=eval_id, status="fail")
    assert [item.id for item in failed] == [items[1].id]
    one = service.sdk.evals.runs.output_items.retrieve(items[1].id, eval_id=eval_id, run_id=run.id)
    assert one.to_dict() == items[1].to_dict()


@pytest.mark.parametrize("spelled", ["max_completion_tokens", "max_completions_tokens"])
@pytest.mark.parametrize(
    "asked",
    [
        {"type": "template", "template": [
            {"type": "message", "role": "user", "content": {"type": "input_text", "text": "{{item.question}}"}}
        ]},
        {"type": "item_reference", "item_reference": "item.messages"},
    ],
)  # fmt: skip
def test_a_deployment_is_asked_what_the_template_or_the_item_says(service, model, asked, ended, spelled):
    rows = [{"item": {"question": "Hello", "messages": [{"role": "user", "content": "Hello"}], "answer": "?"}}]
    sampling = {"temperature": 0, spelled: 20}
    source = {**content(rows), "type": "completions", "model": model, "input_messages": asked}
    eval_id = evaluation(service)
    run = ended(service, eval_id, {**source, "sampling_params": sampling})

    (item,) = service.sdk.evals.runs.output_items.list(run.id, eval_id=eval_id)
    chat = service.sdk.chat.completions.create(
        model=model, messages=rows[0]["item"]["messages"], temperature=0, max_completion_tokens=20
    )
    assert item.sample.output[0].content == chat.choices[0].message.content
    assert item.sample.input[0].content == "Hello"
    assert [(each.model_name, each.invocation_count) for each in run.per_model_usage] == [(chat.model, 1)]


def test_items_come_from_an_uploaded_file(service, ended):
    lines = b'\xef\xbb\xbf{"item": {"answer": "yes"}, "sample": {"output_text": "yes"}}\n\n'
    file = service.sdk.files.create(file=("items.jsonl", lines), purpose="evals")
    service.sdk.files.wait_for_processing(file.id, poll_interval=0.05)

    run = ended(service, evaluation(service), {"type": "jsonl", "source": {"type": "file_id", "id": file.id}})
    service.sdk.files.delete(file.id)

    assert run.result_counts.passed == 1


def test_a_score_passes_from_its_threshold_on(service, ended):
    like = {
        "type": "text_similarity", "name": "like", "evaluation_metric": "fuzzy_match",
        "input": "{{sample.output_text}}", "reference": "{{item.answer}}",
    }  # fmt: skip
    row = {"item": {"answer": "abcd"}, "sample": {"output_text": "abce"}}

    passed = [
        ended(service, evaluation(service, {**like, **threshold}), content([row])).result_counts.passed
        for threshold in ({}, {"pass_threshold": 0.75}, {"pass_threshold": 0.76})
    ]

    assert passed == [1, 1, 0]


def test_an_item_that_cannot_be_graded_is_an_error_and_says_why(service, ended):
    eval_id = evaluation(service)
    run = ended(service, eval_id, content([ITEMS[0], {"item": {"answer": "yes"}}, {"item": {}, "sample": {}}]))

    assert run.result_counts.to_dict() == {"total": 3, "passed": 1, "failed": 0, "errored": 2}
    *_, last = service.sdk.evals.runs.output_items.list(run.id, eval_id=eval_id)
    assert "has no value here" in last.results[0].sample["error"]["message"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"data_source_config": {"type": "logs"}}, "nothing is logged here"),
        ({"data_source_config": {"type": "custom"}}, "a JSON Schema"),
        ({"testing_criteria": []}, "a list of graders"),
        ({"testing_criteria": [{"type": "label_model", "name": "l"}]}, "one of string_check, text_similarity"),
        ({"testing_criteria": [{**SAME, "operation": "is"}]}, "use eq, ne, like, ilike"),
        ({"testing_criteria": [SAME, SAME]}, "one name"),
        ({"testing_criteria": [{**SAME, "pass_threshold": "high"}]}, "a number"),
        ({"testing_criteria": [{**SAME, "pass_threshold": ""}]}, "a number"),
        ({"testing_criteria": [{"type": "python", "name": "p", "source": "def grade(sample, item):\n  return 1"}]},
         "without --run-graders"),
        ({"testing_criteria": [{"type": "score_model", "name": "m", "model": "gone",
                                "input": [{"role": "user", "content": "{{sample.output_text}}"}]}]},
         "is no deployment of this service"),
    ],
)  # fmt: skip
def test_what_cannot_be_graded_here_is_refused_before_anything_runs(service, changes, words):
    body = {"name": "n", "data_source_config": SCHEMA, "testing_criteria": [SAME], **changes}

    with pytest.raises(openai.BadRequestError, match=words):
        service.sdk.evals.create(**body)


@pytest.mark.parametrize(
    ("source", "error", "words"),
    [
        ({"type": "responses"}, openai.BadRequestError, "jsonl or completions"),
        (content([]), openai.BadRequestError, "holds 0 items"),
        (content([{"answer": 1}]), openai.BadRequestError, "Row 1 of the data source must be an object"),
        (content([{"item": {}, "sample": "yes"}]), openai.BadRequestError, "The sample of row 1 must be an object"),
        ({"type": "jsonl", "source": {"type": "file_id", "id": "file-x"}}, openai.NotFoundError, "file-x"),
        ({**content(ITEMS), "type": "completions", "model": "gone",
          "input_messages": {"type": "template", "template": [{"role": "user", "content": "x"}]}},
         openai.NotFoundError, "deployment"),
        ({**content(ITEMS), "type": "completions", "model": "gone",
          "input_messages": {"type": "template", "template": [{"role": "user", "content": "{{item.question}}"}]}},
         openai.BadRequestError, "item.question"),
        ({**content(ITEMS), "type": "completions", "model": "gone", "sampling_params": {"n": 2},
          "input_messages": {"type": "template", "template": [{"role": "user", "content": "x"}]}},
         openai.BadRequestError, "each item gets one answer"),
        ({**content(ITEMS), "type": "completions", "model": "gone",
          "input_messages": {"type": "item_reference", "item_reference": "item.messages"}},
         openai.BadRequestError, "a reference to a key of each item"),
    ],
)  # fmt: skip
def test_a_run_that_could_not_be_read_or_answered_is_refused_at_once(service, source, error, words):
    with pytest.raises(error, match=words):
        service.sdk.evals.runs.create(evaluation(service), data_source=source)


def test_a_run_that_is_deleted_is_gone_with_its_items_and_so_is_an_evaluation(service, ended):
    eval_id = evaluation(service)
    run = ended(service, eval_id, content(ITEMS))
    with pytest.raises(openai.BadRequestError, match="has ended"):
        service.sdk.evals.runs.cancel(run.id, eval_id=eval_id)

    service.sdk.evals.runs.delete(run.id, eval_id=eval_id)
    assert list(service.sdk.evals.runs.list(eval_id)) == []
    service.sdk.evals.delete(eval_id)

    with pytest.raises(openai.NotFoundError):
        service.sdk.evals.retrieve(eval_id)


def test_a_run_goes_on_where_it_was_after_the_service_was_killed(start_for_module, tmp_path, until):
    service = start_for_module(state=tmp_path)
    eval_id = evaluation(service)
    run = service.sdk.evals.runs.create(eval_id, data_source=content(ITEMS * 300))
    service.kill()

    again = start_for_module(state=tmp_path)
    until(lambda: again.sdk.evals.runs.retrieve(run.id, eval_id=eval_id).status == "completed")
    done = again.sdk.evals.runs.retrieve(run.id, eval_id=eval_id)

    assert done.result_counts.to_dict() == {"total": 900, "passed": 600, "failed": 300, "errored": 0}


def test_code_and_a_deployment_grade_where_they_may(start_for_module, ended, tmp_path):
    service = start_for_module("--run-graders", state=tmp_path)
    with service.http(params={"api-version": "2024-10-01"}) as http:
        assert http.put(f"{ACCOUNT}/deployments/judge", json=NANO).status_code == 201
    code = {"type": "python", "name": "code", "source": "def grade(sample, item):\n    return len(item['answer'])"}
    judge = {
        "type": "score_model", "name": "judge", "model": "judge", "range": [0, 5],
        "input": [{"type": "message", "role": "user", "content": {"type": "input_text", "text": "{{item.answer}}"}}],
    }  # fmt: skip

    coded = ended(service, evaluation(service, {**code, "pass_threshold": 3}), content(ITEMS[:1]))
    judged = ended(service, evaluation(service, judge), content(ITEMS[:1]))

    assert coded.result_counts.passed == 1
    assert judged.result_counts.total == 1
    assert judged.result_counts.errored == 1  # a practice model that nobody has trained gives no score
