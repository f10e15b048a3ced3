"""The small model: tokenizer, forward pass, gradients, Adam, sampling."""

from __future__ import annotations

import numpy as np
import pytest
from base_texts import library_examples, practice_examples, script_examples
from hypothesis import given, settings
from hypothesis import strategies as st
from make_base_model import learn_pieces, pretrain, read_texts

from tunebook_local.model.answers import AnswerSet, answer_to, read_answers, read_prompt
from tunebook_local.model.language_model import BASE_MODEL, WINDOW, Adam, Gradients, LanguageModel, add_gradients
from tunebook_local.model.messages import message_text
from tunebook_local.model.sampling import generate
from tunebook_local.model.tokenizer import END, FIRST_PIECE, Tokenizer, split_words

TOKENIZER = Tokenizer([b"the", b" the", b"an", b" and", "日".encode(), b'":"'])
BASE = LanguageModel.load()


def user(text: str) -> dict:
    return {"role": "user", "content": text}


def assistant(text: str, **more) -> dict:
    return {"role": "assistant", "content": text, **more}


# ---- tokenizer ----


@given(st.text())
def test_any_text_comes_back_from_its_tokens(text):
    for tokenizer in (TOKENIZER, BASE.tokenizer):
        assert tokenizer.decode(tokenizer.encode(text)) == text


@given(st.text())
def test_split_words_loses_nothing(text):
    assert "".join(split_words(text)) == text


@given(st.text(alphabet="日本語é🎉 a"))
def test_text_decoded_token_by_token_is_the_same_text(text):
    decoder = BASE.tokenizer.stream_decoder()
    pieces = [decoder.feed(token) for token in BASE.tokenizer.encode(text)]
    assert "".join(pieces) + decoder.finish() == text


def test_the_longest_piece_wins():
    assert TOKENIZER.encode("the and") == [FIRST_PIECE, FIRST_PIECE + 3]


def test_what_no_piece_covers_is_spelled_in_bytes():
    assert TOKENIZER.encode("🎉") == list("🎉".encode())


def test_a_lone_surrogate_becomes_a_question_mark():
    assert TOKENIZER.decode(TOKENIZER.encode("a\ud800b")) == "a?b"


def test_pieces_survive_as_plain_arrays():
    assert Tokenizer.from_arrays(**TOKENIZER.to_arrays()).pieces == TOKENIZER.pieces


def test_byte_pair_encoding_merges_the_most_frequent_pair_first():
    assert learn_pieces(["aaab aaab", "ab"], FIRST_PIECE + 2) == [b"aa", b"ab"]


# ---- answers ----


def test_tool_calls_are_answers_written_as_json():
    call = {"id": "1", "type": "function", "function": {"name": "find", "arguments": '{"city": "Rom"}'}}
    message = {"role": "assistant", "content": None, "tool_calls": [call]}
    assert message_text(message) == '{"tool_calls": [{"name": "find", "arguments": {"city": "Rom"}}]}'


def test_messages_of_weight_0_are_not_learnt():
    example = {"messages": [user("a"), assistant("no", weight=0), user("b"), assistant("yes", weight=1)]}
    (answer,) = read_answers(example, TOKENIZER)
    assert TOKENIZER.decode(answer.tokens) == "yes"


def test_every_answer_ends_with_the_end_token():
    (answer,) = read_answers({"messages": [user("a"), assistant("the")]}, TOKENIZER)
    assert answer.tokens.tolist() == [FIRST_PIECE, END]


def test_the_parts_of_a_content_list_are_read_and_images_leave_a_mark():
    parts = [{"type": "text", "text": "look"}, {"type": "image_url", "image_url": {"url": "data:…"}}]
    assert message_text({"role": "user", "content": parts}) == "look\n<image_url>"


def test_the_last_turn_and_the_same_words_earlier_are_told_apart():
    now = read_prompt([user("x"), user("hello")])
    before = read_prompt([user("hello"), user("x")])
    assert set(now.buckets.tolist()) != set(before.buckets.tolist())


def test_an_empty_prompt_is_still_a_prompt():
    assert len(read_prompt([]).buckets) == 3


def test_long_answers_are_cut_into_batches_with_the_same_windows():
    prompt = read_prompt([user("x")])
    answers = AnswerSet([answer_to(prompt, "abcdefgh", TOKENIZER), answer_to(prompt, "xy", TOKENIZER)], 3)
    (whole,) = answers.batches([0, 1])
    parts = list(answers.batches([0, 1], limit=5))
    assert [len(part) for part in parts] == [5, 5, 2]
    assert np.concatenate([part.windows for part in parts]).tolist() == whole.windows.tolist()
    assert [part.owners.tolist() for part in parts] == [[0], [0, 1], [1]]


# ---- model ----


def small_model() -> LanguageModel:
    model = LanguageModel.fresh(TOKENIZER, seed=1)
    return LanguageModel({name: a.astype(np.float64) for name, a in model.weights.items()}, TOKENIZER)


def small_answers() -> AnswerSet:
    texts = [("say it", "the the"), ("and you?", "日本 and"), ("", "")]
    return AnswerSet([answer_to(read_prompt([user(q)]), a, TOKENIZER) for q, a in texts], WINDOW)


def test_the_gradients_are_those_of_the_loss():
    model, answers = small_model(), small_answers()
    rng = np.random.default_rng(0)
    (batch,) = answers.batches([0, 1, 2])
    coefficients = rng.random(len(batch))
    gradients = model.gradients(model.forward(batch), coefficients)
    for name, weights in model.weights.items():
        dense = gradients.dense.get(name, np.zeros_like(weights))
        if name in gradients.tables:
            dense[gradients.tables[name].rows] = gradients.tables[name].values
        flat = np.flatnonzero(np.abs(dense) > 1e-6)
        for place in rng.choice(flat, 5):
            weight = weights.ravel()
            kept, losses = weight[place], []
            for change in (1e-5, -1e-5):
                weight[place] = kept + change
                losses.append(-(coefficients * model.forward(batch).log_p).sum())
            weight[place] = kept
            assert (losses[0] - losses[1]) / 2e-5 == pytest.approx(dense.ravel()[place], rel=1e-4, abs=1e-7)


def test_a_batch_in_parts_has_the_same_gradients():
    model, answers = small_model(), small_answers()
    passes = [model.forward(batch) for batch in answers.batches([0, 1], limit=4)]
    parts = [model.gradients(each, np.ones(len(each.log_p))) for each in passes]
    (whole,) = answers.batches([0, 1])
    expected = model.gradients(model.forward(whole), np.ones(len(whole)))
    summed = parts[0]
    for part in parts[1:]:
        summed = add_gradients(summed, part)
    assert np.allclose(summed.dense["output_weights"], expected.dense["output_weights"])
    tables = summed.tables["token_vectors"], expected.tables["token_vectors"]
    assert tables[0].rows.tolist() == tables[1].rows.tolist()
    assert np.allclose(tables[0].values, tables[1].values)


def test_adams_first_step_has_the_length_of_the_learning_rate():
    weights = {"w": np.zeros(2, np.float32)}
    gradients = Gradients({"w": np.array([3.0, -0.1], np.float32)}, {})
    Adam(weights).update(weights, gradients, 0.01)
    assert weights["w"] == pytest.approx([-0.01, 0.01], rel=1e-4)


def test_the_base_model_is_far_better_than_chance_on_plain_english():
    prompt = read_prompt([user("Where is my parcel?")])
    text = "I am sorry to hear that. Your order will arrive tomorrow, and we will let you know."
    answers = AnswerSet([answer_to(prompt, text, BASE.tokenizer)], WINDOW)
    (batch,) = answers.batches([0])
    assert -BASE.forward(batch).log_p.mean() < 0.7 * np.log(len(BASE.tokenizer))


# ---- the base model ----


def test_the_base_model_is_small_and_of_plain_arrays():
    assert BASE_MODEL.stat().st_size < 5_000_000
    with np.load(BASE_MODEL, allow_pickle=False) as file:
        assert {file[name].dtype.kind for name in file.files} <= {"f", "i", "u"}
    assert len(BASE.tokenizer) == 2048


def test_pretraining_the_same_texts_twice_makes_the_same_model():
    examples = [*practice_examples(60, seed=1), *script_examples(5, seed=1)]
    made = []
    for _ in range(2):
        model = LanguageModel.fresh(BASE.tokenizer, seed=1)
        list(pretrain(model, read_texts(BASE.tokenizer, examples), epochs=1))
        made.append(model.weights)
    assert all(np.array_equal(made[0][name], made[1][name]) for name in made[0])


def test_the_library_documentation_is_there_to_learn_from():
    example = next(library_examples())
    assert [message["role"] for message in example["messages"]] == ["user", "assistant"]


# ---- sampling ----


def yield_value(pieces):
    while True:
        try:
            next(pieces)
        except StopIteration as end:
            return end.value


def test_the_same_seed_says_the_same_and_another_something_else():
    said = ["".join(generate(None, [user("Hello")], max_tokens=30, seed=seed)) for seed in (1, 1, 2)]
    assert said[0] == said[1] != said[2]


def test_max_tokens_ends_an_answer_with_the_reason_length():
    pieces = generate(None, [user("Explain lists")], temperature=0, max_tokens=1)
    assert next(pieces)
    reason = yield_value(pieces)
    assert reason == "length"


def test_a_stop_text_is_cut_off_even_across_tokens():
    whole = "".join(generate(None, [user("Hello")], temperature=0, max_tokens=30))
    stop = whole[3:9]
    assert "".join(generate(None, [user("Hello")], temperature=0, max_tokens=30, stop=[stop])) == whole[:3]


@settings(max_examples=20, deadline=None)
@given(st.text(min_size=1, max_size=30))
def test_any_question_gets_an_answer(text):
    assert isinstance("".join(generate(None, [user(text)], max_tokens=3, seed=0)), str)
