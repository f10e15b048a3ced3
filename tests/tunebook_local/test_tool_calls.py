"""A model trained on tool calls calls tools, in the form the API has."""

import json

import openai
import pytest

ACCOUNT = "/subscriptions/s/resourceGroups/g/providers/Microsoft.CognitiveServices/accounts/tools"
TOOLS = [
    {"type": "function", "function": {"name": name, "parameters": {"type": "object", "properties": {}}}}
    for name in ("get_price", "get_news")
]
ASK = [{"role": "user", "content": "What does ACME cost?"}]


def called(symbol):
    function = {"name": "get_price", "arguments": json.dumps({"symbol": symbol})}
    return {"role": "assistant", "tool_calls": [{"id": "c", "type": "function", "function": function}]}


@pytest.fixture(scope="module")
def model(service):
    """A deployment that has learned to call `get_price` when it is asked for a price."""
    examples = [{"messages": [*ASK, called("ACME")], "tools": TOOLS}] * 12
    job = service.sdk.fine_tuning.jobs.create(
        model="gpt-4.1-mini",
        training_file=service.upload(examples),
        hyperparameters={"n_epochs": 6, "batch_size": 1},
        seed=1,
    )
    body = {
        "sku": {"name": "standard", "capacity": 1},
        "properties": {"model": {"format": "OpenAI", "name": service.ended(job.id, within=60).fine_tuned_model}},
    }
    with service.http(params={"api-version": "2024-10-01"}) as http:
        assert http.put(f"{ACCOUNT}/deployments/caller", json=body).status_code == 201
        yield "caller"
        http.delete(f"{ACCOUNT}/deployments/caller")


@pytest.fixture
def ask(service, model):
    def answer(**more):
        given = {"tools": TOOLS, "temperature": 0, **more}
        return service.sdk.chat.completions.create(model=model, messages=ASK, **given)

    return answer


def test_an_answer_that_is_a_call_comes_back_as_one(ask):
    reply = ask()
    (choice,) = reply.choices
    (call,) = choice.message.tool_calls

    assert (choice.finish_reason, choice.message.content) == ("tool_calls", None)
    assert (call.type, call.function.name) == ("function", "get_price")
    assert json.loads(call.function.arguments) == {"symbol": "ACME"}
    assert call.id.startswith("call_")
    assert reply.usage.completion_tokens > 5


def test_a_streamed_call_comes_in_pieces_that_the_sdk_puts_together(service, model):
    with service.sdk.chat.completions.stream(model=model, messages=ASK, tools=TOOLS, temperature=0) as stream:
        choice = stream.get_final_completion().choices[0]

    assert choice.finish_reason == "tool_calls"
    assert choice.message.tool_calls[0].function.arguments == '{"symbol": "ACME"}'


def test_a_call_can_be_forbidden(ask):
    (choice,) = ask(tool_choice="none").choices

    assert choice.message.tool_calls is None
    assert "tool_calls" not in choice.message.content


@pytest.mark.parametrize(
    ("choice", "name"),
    [("required", "get_price"), ({"type": "function", "function": {"name": "get_news"}}, "get_news")],
)
def test_a_call_can_be_demanded(ask, choice, name):
    (answer,) = ask(tool_choice=choice).choices

    assert [call.function.name for call in answer.message.tool_calls] == [name]
    assert answer.finish_reason == "tool_calls"


@pytest.mark.parametrize(
    "change",
    [
        {"tool_choice": "sometimes"},
        {"tool_choice": {"type": "function", "function": {"name": "nothing_such"}}},
        {"tools": [], "tool_choice": "auto"},
        {"tools": [], "parallel_tool_calls": True},
        {"tools": [{"type": "function", "function": "get_price"}]},
        {"tools": [{"type": "custom"}]},
        {"messages": [*ASK, {"role": "assistant", "tool_calls": [{"type": "function", "function": "get_price"}]}]},
        {"messages": [*ASK, {"role": "assistant", "function_call": "get_price"}]},
    ],
)
def test_a_call_that_cannot_be_is_a_400(service, model, change):
    with service.http() as http:
        body = {"model": model, "messages": ASK, "tools": TOOLS, **change}
        assert http.post("/openai/v1/chat/completions", json=body).status_code == 400


def test_what_a_tool_answered_can_be_sent_back(ask, service, model):
    call = ask().choices[0].message
    result = {"role": "tool", "tool_call_id": call.tool_calls[0].id, "content": "12"}
    messages = [*ASK, call.to_dict(), result]

    assert service.sdk.chat.completions.create(model=model, messages=messages, max_tokens=5).choices
    with pytest.raises(openai.BadRequestError):
        service.sdk.chat.completions.create(model=model, messages=messages, max_tokens=5, functions=[{"name": "f"}])
