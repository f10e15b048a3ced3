"""Of a chat request nothing is ignored in silence: each key is honoured, or refused with a sentence."""

import math

import openai
import pytest

from tunebook_local.desk.chat_request import read_chat_request
from tunebook_local.desk.refusals import Refusal
from tunebook_local.model.sampling import Taste, generate

ASK = [{"role": "user", "content": "How many?"}]
IMAGE = [{"type": "image_url", "image_url": {"url": "data:"}}]
ACCOUNT = "/subscriptions/s/resourceGroups/g/providers/Microsoft.CognitiveServices/accounts/chat"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"top_p": 7}, "top_p must be a number from 0 to 1"),
        ({"wisdom": 3}, "Unrecognized request argument supplied: wisdom"),
        ({"response_format": {"type": "json_object"}}, "cannot promise a structure"),
        ({"logit_bias": {"5": 1}}, "another vocabulary"),
        ({"store": True}, "not stored"),
        ({"audio": {"voice": "alloy"}}, "text only"),
        ({"modalities": ["text", "audio"]}, "text only"),
        ({"functions": []}, "say tools"),
        ({"top_logprobs": 2}, "only allowed when logprobs"),
        ({"stream_options": {"include_usage": True}}, "only allowed when 'stream'"),
        ({"frequency_penalty": 3}, "from -2 to 2"),
        ({"messages": [{"role": "user", "content": IMAGE}]}, "reads text only"),
        ({"messages": [{"role": "user", "content": [{"type": "text", "text": 3}]}]}, "must be a string"),
    ],
)
def test_what_cannot_be_honoured_is_refused(change, said):
    with pytest.raises(Refusal) as refused:
        read_chat_request({"messages": ASK, **change})

    assert refused.value.status == 400
    assert said in refused.value.message


@pytest.mark.parametrize(
    "change",
    [
        {"response_format": {"type": "text"}},
        {"modalities": ["text"]},
        {"store": False},
        {"user": "me"},
        {"metadata": {"a": "b"}},
        {"service_tier": "auto"},
        {"wisdom": None},
    ],
)
def test_what_changes_nothing_is_taken(change):
    assert read_chat_request({"messages": ASK, **change}).messages == ASK


@pytest.fixture(scope="module")
def chat(service):
    body = {
        "sku": {"name": "standard", "capacity": 1},
        "properties": {"model": {"format": "OpenAI", "name": "gpt-4.1-mini", "version": "2025-04-14"}},
    }
    with service.http(params={"api-version": "2024-10-01"}) as http:
        assert http.put(f"{ACCOUNT}/deployments/base", json=body).status_code == 201
        yield lambda **more: service.sdk.chat.completions.create(model="base", messages=ASK, **more)
        http.delete(f"{ACCOUNT}/deployments/base")


def test_log_probabilities_come_with_the_tokens(chat):
    (choice,) = chat(logprobs=True, top_logprobs=3, max_tokens=6, temperature=0).choices
    tokens = choice.logprobs.content

    assert b"".join(bytes(token.bytes) for token in tokens).decode() == choice.message.content
    for token in tokens:
        likeliest = token.top_logprobs[0]
        assert (likeliest.token, likeliest.logprob) == (token.token, token.logprob)
        assert sum(math.exp(each.logprob) for each in token.top_logprobs) <= 1
        assert len(token.top_logprobs) == 3


def test_log_probabilities_are_streamed_too(chat):
    chunks = list(chat(logprobs=True, max_tokens=6, temperature=0, stream=True))
    noted = [chunk.choices[0].logprobs for chunk in chunks]
    said = [token.token for logprobs in noted if logprobs for token in logprobs.content]

    assert "".join(said) == "".join(chunk.choices[0].delta.content or "" for chunk in chunks)


def test_an_answer_cut_off_has_as_many_tokens_as_it_was_given(chat):
    reply = chat(max_tokens=7, temperature=0)

    assert reply.choices[0].finish_reason == "length"
    assert reply.usage.completion_tokens == 7


def test_effort_is_asked_of_models_that_reason(chat):
    with pytest.raises(openai.BadRequestError, match="reasoning_effort"):
        chat(reasoning_effort="low")


def test_the_smallest_nucleus_is_the_likeliest_token():
    greedy = "".join(generate(None, ASK, temperature=0, max_tokens=12))
    assert "".join(generate(None, ASK, taste=Taste(1.5, top_p=1e-9), max_tokens=12, seed=3)) == greedy


def test_a_penalty_below_nothing_has_the_same_come_again():
    rewarded = Taste(0.0, frequency_penalty=-2.0, presence_penalty=-2.0)

    assert "".join(generate(None, ASK, taste=rewarded, max_tokens=60)).endswith("''''")
