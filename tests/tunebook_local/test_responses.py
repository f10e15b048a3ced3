"""The Responses API, text in and text out."""

import openai
import pytest

ACCOUNT = "/subscriptions/s/resourceGroups/g/providers/Microsoft.CognitiveServices/accounts/responses"


@pytest.fixture(scope="module")
def model(service):
    body = {
        "sku": {"name": "standard", "capacity": 1},
        "properties": {"model": {"format": "OpenAI", "name": "GPT-4.1-Mini"}},  # names are taken in any case
    }
    with service.http(params={"api-version": "2024-10-01"}) as http:
        assert http.put(f"{ACCOUNT}/deployments/r", json=body).status_code == 201
        yield "r"
        http.delete(f"{ACCOUNT}/deployments/r")


def test_a_response_says_what_a_chat_says(service, model):
    chat = service.sdk.chat.completions.create(
        model=model,
        messages=[{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hello"}],
        temperature=0,
    )
    reply = service.sdk.responses.create(model=model, instructions="Be brief.", input="Hello", temperature=0)

    assert reply.output_text == chat.choices[0].message.content
    assert (reply.status, reply.instructions) == ("completed", "Be brief.")
    assert reply.usage.input_tokens == chat.usage.prompt_tokens
    assert reply.usage.output_tokens == chat.usage.completion_tokens


def test_a_list_of_messages_is_a_conversation(service, model):
    parts = [{"type": "input_text", "text": "Hello"}]
    listed = service.sdk.responses.create(model=model, input=[{"role": "user", "content": parts}], temperature=0)

    assert listed.output_text == service.sdk.responses.create(model=model, input="Hello", temperature=0).output_text


def test_an_answer_cut_off_is_incomplete(service, model):
    reply = service.sdk.responses.create(model=model, input="Tell me a story", max_output_tokens=16, temperature=2)

    if reply.status == "incomplete":  # it seldom ends by itself so soon
        assert reply.incomplete_details.reason == "max_output_tokens"
        assert reply.usage.output_tokens == 16


def test_it_is_streamed_with_the_documented_events(service, model):
    events = list(service.sdk.responses.create(model=model, input="Hello", temperature=0, stream=True))
    kinds = [event.type for event in events]

    assert [kind for kind in kinds if not kind.endswith("delta")] == [
        "response.created",
        "response.in_progress",
        "response.output_item.added",
        "response.content_part.added",
        "response.output_text.done",
        "response.content_part.done",
        "response.output_item.done",
        "response.completed",
    ]
    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert "".join(event.delta for event in events if event.type.endswith("delta")) == events[-1].response.output_text


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"input": []}, "input is required"),
        ({"tools": [{"type": "web_search"}]}, "answers in text"),
        ({"previous_response_id": "resp_1"}, "not stored"),
        ({"max_output_tokens": 3}, "from 16 to"),
        ({"input": [{"role": "user", "content": [{"type": "input_image"}]}]}, "reads text only"),
        ({"extra_body": {"wisdom": 1}}, "Unrecognized request argument supplied: wisdom"),
    ],
)
def test_what_it_cannot_do_it_refuses(service, model, change, said):
    with pytest.raises(openai.BadRequestError, match=said):
        service.sdk.responses.create(**{"model": model, "input": "Hello", **change})
