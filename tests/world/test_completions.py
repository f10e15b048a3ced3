"""Reasoning models, content filters and odd streams: every reply is an answer or counts as refused."""

import json

import pytest
from contrary import Reply, completion, page, refusal, stream

import tunebook as tb
from tunebook.experiments import ModelGrader
from tunebook.experiments.evaluation import evaluate as evaluating
from tunebook.service.completions import complete

DATA = [
    {"messages": [{"role": "user", "content": f"q{k}"}, {"role": "assistant", "content": "blue"}]} for k in range(10)
]


def reasoning(call):
    """As o4-mini and gpt-5 answer."""
    said = "is not supported with this model."
    if "max_tokens" in call.json:
        message = f"Unsupported parameter: 'max_tokens' {said} Use 'max_completion_tokens' instead."
        return refusal(400, "unsupported_parameter", message, type="invalid_request_error", param="max_tokens")
    if call.json.get("temperature", 1) != 1:
        message = f"Unsupported value: 'temperature' {said} Only the default (1) value is supported."
        return refusal(400, "unsupported_value", message, type="invalid_request_error", param="temperature")
    if call.json.get("stream"):
        return stream({"choices": [{"index": 0, "delta": {"content": "blue"}, "finish_reason": "stop"}]})
    return completion('{"score": 1, "reason": "as expected"}' if "grade answers" in str(call.json) else "blue")


@pytest.fixture
def deployed(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(evaluating, "served_model", lambda _, name: name)


def evaluate(ws, models=("a", "o4"), **more):
    return tb.evaluate(ws, DATA, models, held_out=False, progress=False, **more)


def test_what_a_reasoning_model_refuses_is_renamed_or_left_out_once_and_for_all(world, there):
    world.answers("POST", "chat", reasoning, always=True)
    asked = {"messages": [], "temperature": 0.0, "max_tokens": 5, "seed": 1}

    for _ in range(2):
        complete(there, model="o4-mini", **asked)

    assert [set(call.json) - {"messages", "model"} for call in world.calls][2:] == [
        {"max_completion_tokens", "seed"}
    ] * 2


def test_none_means_not_sent(world, there):
    world.answers("POST", "chat", completion("x"))

    complete(there, model="m", messages=[], temperature=None, max_tokens=None)

    assert set(world.calls[0].json) == {"messages", "model"}


@pytest.mark.usefixtures("deployed")
def test_a_reasoning_model_is_evaluated_and_what_it_does_not_take_is_noted(world, there):
    world.answers("POST", "chat", reasoning, always=True)

    found = evaluate(there, max_tokens=9)

    assert [model.refused for model in found.models] == [0, 0]
    assert "o4: the model does not take temperature; asked without." in found.notes


@pytest.mark.usefixtures("deployed")
def test_a_reasoning_model_grades(world, there):
    world.answers("POST", "chat", reasoning, always=True)

    found = evaluate(there, score=ModelGrader("gpt-5"))

    assert found.models[0].mean == 1.0


@pytest.mark.usefixtures("deployed")
@pytest.mark.parametrize(
    "odd", [completion(None, finish="content_filter"), completion("x", choices=[]), completion("x", choices=None)]
)
def test_an_answer_that_the_filter_took_away_counts_as_refused(world, there, odd):
    world.answers("POST", "chat", lambda call: odd if "q3" in str(call.json) else completion("blue"), always=True)

    found = evaluate(there)

    assert [model.refused for model in found.models] == [1, 1]


def ask(ws, **more):
    return tb.playground(ws, ["m"], system="s", **more).ask("hi").replies[0]


def piece(text, finish=None):
    return {"choices": [{"index": 0, "delta": {"content": text}, "finish_reason": finish}]}


FILTERED = {"choices": [{"index": 0, "finish_reason": None, "content_filter_offsets": {"check_offset": 1}}]}
PROMPT = {"id": "", "choices": [], "prompt_filter_results": [{"prompt_index": 0, "content_filter_results": {}}]}


@pytest.mark.parametrize("odd", [FILTERED, PROMPT])
def test_chunks_of_the_content_filter_do_not_end_a_playground(world, there, odd):
    world.answers("POST", "chat", stream(PROMPT, piece("blue"), odd, piece(" sky", "stop")))

    reply = ask(there)

    assert (reply.state, reply.text) == ("done", "blue sky")


@pytest.mark.parametrize(
    "reply",
    [
        page(),
        Reply(200, b"null"),
        Reply(200, b"data: {garbage\n\n", kind="text/event-stream"),
        Reply(200, stream(piece("blue" * 9)).body, kind="text/event-stream", cut=150),
    ],
    ids=["page", "null", "garbage", "cut"],
)
def test_a_stream_that_is_none_fails_in_words(world, there, reply):
    world.answers("POST", "chat", reply, always=True)

    answer = ask(there)

    assert answer.state == "failed"
    assert answer.error


def test_the_playground_sends_no_limit_when_none_is_given(world, there):
    world.answers("POST", "chat", stream(piece("blue", "stop")))

    ask(there, temperature=None, max_tokens=None, seed=None)

    assert set(json.loads(world.calls[-1].content)) == {"messages", "model", "stream"}


def test_a_reasoning_model_answers_in_the_playground(world, there):
    world.answers("POST", "chat", reasoning, always=True)

    assert ask(there).text == "blue"
