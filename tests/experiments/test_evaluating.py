"""Evaluating deployments of the embedded service over HTTP: asked once, gone on with, refused when not held out."""

import json

import openai
import pytest

from tunebook.errors import RequestError, ServiceError
from tunebook.experiments import ModelGrader, evaluate

NEW = ("lime", "rust", "coal", "jade", "ruby", "mint")


def example(colour, **more):
    messages = [{"role": "user", "content": f"Say {colour}"}, {"role": "assistant", "content": f"{colour}!"}]
    return {"messages": messages, **more}


EXAMPLES = [example(colour) for colour in NEW]
QUICK = {"max_tokens": 6, "progress": False}


def calls(mishap):
    return sum(method == "POST" and "/chat/completions" in path for method, path in mishap.seen)


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_each_example_is_put_to_each_deployment_and_written_down(ws, pair, tmp_path):
    path = tmp_path / "answers.jsonl"

    found = evaluate(ws, EXAMPLES, pair, score=lambda answer, _: "!" in answer, path=path, **QUICK)

    assert found.frame.shape == (6, 2)
    assert list(found.frame) == list(pair)
    assert found.models[1].served.endswith("-colours")
    assert found.held_out.state == "held out"
    header, *answers = lines(path)
    assert header["models"] == {m.model: m.served for m in found.models}
    assert {(a["example"], a["model"]) for a in answers} == {(n, name) for n in range(6) for name in pair}
    assert found.models[0].completion_tokens > 0


def test_the_scores_are_those_of_the_answers_in_the_file(ws, pair, tmp_path):
    path = tmp_path / "answers.jsonl"

    found = evaluate(ws, EXAMPLES, pair, score="token_f1", path=path, **QUICK)

    from tunebook.experiments.evaluation.scores import token_f1

    for record in lines(path)[1:]:
        expected = token_f1(record["answer"], f"{NEW[record['example']]}!")
        assert found.frame.loc[record["example"], record["model"]] == pytest.approx(expected)


def test_called_again_nothing_is_asked_again_and_another_score_needs_no_new_answers(mishap, pair, tmp_path):
    path = tmp_path / "answers.jsonl"
    first = evaluate(mishap.ws, EXAMPLES, pair, path=path, **QUICK)
    before = calls(mishap)

    again = evaluate(mishap.ws, EXAMPLES, pair, path=path, **QUICK)
    other = evaluate(mishap.ws, EXAMPLES, pair, score="token_f1", path=path, **QUICK)

    assert calls(mishap) - before == 4  # only which model each deployment serves
    assert again.frame.equals(first.frame)
    assert other.score == "token_f1"


def test_an_interrupted_evaluation_goes_on_where_it_stopped(mishap, pair, tmp_path):
    path = tmp_path / "answers.jsonl"
    evaluate(mishap.ws, EXAMPLES, pair, path=path, **QUICK)
    kept = path.read_bytes().splitlines(keepends=True)[:5]
    path.write_bytes(b"".join(kept) + b'{"example": 5, "mod')  # as a killed process leaves it
    before = calls(mishap)

    found = evaluate(mishap.ws, EXAMPLES, pair, path=path, **QUICK)

    assert calls(mishap) - before == 2 + 12 - 4
    assert found.n == 6
    assert len(lines(path)) == 1 + 12


def test_ctrl_c_keeps_what_was_answered(mishap, pair, tmp_path, monkeypatch):
    from tunebook.experiments.evaluation import asking

    path = tmp_path / "answers.jsonl"
    real, count = asking.ask, iter(range(100))

    def ask(*args):
        if next(count) == 5:
            raise KeyboardInterrupt
        return real(*args)

    monkeypatch.setattr(asking, "ask", ask)
    with pytest.raises(KeyboardInterrupt):
        evaluate(mishap.ws, EXAMPLES, pair, path=path, concurrency=1, **QUICK)
    assert len(lines(path)) == 1 + 5

    assert evaluate(mishap.ws, EXAMPLES, pair, path=path, **QUICK).n == 6


def test_the_default_file_belongs_to_exactly_this_evaluation(ws, pair, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    one = evaluate(ws, EXAMPLES[:2], pair[1], **QUICK)
    other = evaluate(ws, EXAMPLES[:2], pair[1], seed=5, **QUICK)

    assert one.path.parent.name == other.path.parent.name == "evaluations"
    assert one.path != other.path


def test_the_file_that_chose_the_checkpoint_is_refused_as_held_out(ws, pair, tmp_path):
    seen = [example("red"), *EXAMPLES]

    with pytest.raises(RequestError, match=r"examples is not held out\. 1 of 7 examples .*that chose the checkpoint"):
        evaluate(ws, seen, pair, path=tmp_path / "a.jsonl", **QUICK)

    anyway = evaluate(ws, seen, pair, held_out=False, path=tmp_path / "a.jsonl", **QUICK)
    assert "held-out" not in anyway.sentence
    assert "Not held out" in repr(anyway)


def test_a_transient_error_is_retried_by_the_sdk(mishap, pair, tmp_path):
    mishap("POST", "/chat/completions", 429, {"error": {"code": "429", "message": "rate limit"}}, times=2, after=1)

    found = evaluate(mishap.ws, EXAMPLES[:3], pair[1], path=tmp_path / "a.jsonl", **QUICK)

    assert found.models[0].n == 3


def test_a_refused_prompt_scores_nothing_and_is_counted(mishap, pair, tmp_path):
    filtered = {"error": {"code": "content_filter", "message": "The response was filtered."}}
    mishap("POST", "/chat/completions", 400, filtered, after=1)  # the first call asks which model is served

    found = evaluate(mishap.ws, EXAMPLES[:2], pair[1], path=tmp_path / "a.jsonl", **QUICK)

    assert found.models[0].refused == 1
    assert "1 answers were refused by the service's content rules" in found.notes[0]


def test_a_deployment_that_is_not_there_is_named(ws, pair, tmp_path):
    with pytest.raises(RequestError, match=r"'nowhere' is not deployed at .*ws\.deployments\.create"):
        evaluate(ws, EXAMPLES, [pair[0], "nowhere"], path=tmp_path / "a.jsonl", **QUICK)


def test_what_would_fail_for_every_call_is_raised_at_once(ws, pair, tmp_path):
    with pytest.raises(openai.BadRequestError, match="temperature"):
        evaluate(ws, EXAMPLES, pair, temperature=9.0, path=tmp_path / "a.jsonl", **QUICK)


def test_a_service_that_goes_down_stops_it_with_what_is_kept(mishap, pair, tmp_path, monkeypatch):
    from tunebook.experiments.evaluation import asking

    monkeypatch.setattr(asking, "_SDK_RETRIES", 0)
    mishap.ws.client.max_retries = 0
    many = [example(f"{colour}{n}") for n in range(5) for colour in NEW]
    mishap("POST", "/chat/completions", 500, {"error": {"message": "down"}}, times=1000, after=2 + 7)

    with pytest.raises(ServiceError, match=r"20 calls in a row failed.*7 answers are kept in .*a\.jsonl"):
        evaluate(mishap.ws, many, pair, path=tmp_path / "a.jsonl", concurrency=1, **QUICK)


def test_examples_without_an_expected_answer_are_named(ws, pair, tmp_path):
    open_ended = [*EXAMPLES, {"messages": [{"role": "user", "content": "Say something"}]}]

    with pytest.raises(RequestError, match=r"1 of 7 examples have no expected answer .* number 6"):
        evaluate(ws, open_ended, pair, path=tmp_path / "a.jsonl", **QUICK)

    found = evaluate(ws, open_ended, pair, score=lambda answer, _: len(answer), path=tmp_path / "b.jsonl", **QUICK)
    assert found.n == 7


def test_samples_are_averaged(ws, pair, tmp_path):
    path = tmp_path / "a.jsonl"

    found = evaluate(
        ws, EXAMPLES[:3], pair[1], samples=3, temperature=1.0, score=lambda a, _: len(a), path=path, **QUICK
    )

    lengths = [len(record["answer"]) for record in lines(path)[1:] if record["example"] == 1]
    assert len(lengths) == 3
    assert found.frame.loc[1, pair[1]] == pytest.approx(sum(lengths) / 3)


def test_a_model_grades_and_its_grades_are_kept_too(mishap, pair, tmp_path):
    """The grader is a deployment like others; here it is played, since the practice model cannot grade."""
    path = tmp_path / "a.jsonl"
    evaluate(mishap.ws, EXAMPLES[:3], pair, path=path, **QUICK)
    graded = {
        "id": "x",
        "object": "chat.completion",
        "created": 1,
        "model": "judge",
        "choices": [
            {
                "index": 0,
                "finish_reason": "stop",
                "message": {"role": "assistant", "content": '{"reason": "<script>", "score": 0.25}'},
            }
        ],
    }
    mishap("POST", "/chat/completions", 200, graded, times=6, after=2)
    found = evaluate(mishap.ws, EXAMPLES[:3], pair, score=ModelGrader("judge"), path=path, **QUICK)
    before = calls(mishap)
    again = evaluate(mishap.ws, EXAMPLES[:3], pair, score=ModelGrader("judge"), path=path, **QUICK)

    assert found.frame.to_numpy().tolist() == [[0.25, 0.25]] * 3
    assert calls(mishap) - before == 2
    assert again.frame.equals(found.frame)


def test_a_grader_whose_reply_holds_no_score_leaves_the_answer_out(ws, pair, tmp_path):
    found = evaluate(ws, EXAMPLES[:2], pair, score=ModelGrader(pair[0]), path=tmp_path / "a.jsonl", **QUICK)

    assert found.n == 0
    assert "4 answers have no grade" in " ".join(found.notes)


def test_another_system_message_than_that_of_the_training_is_remarked(ws, pair, tmp_path):
    other = [{"messages": [{"role": "system", "content": "Be long."}, *each["messages"]]} for each in EXAMPLES[:2]]

    found = evaluate(ws, other, pair, path=tmp_path / "a.jsonl", **QUICK)

    assert "system message is not the one the model was trained with" in " ".join(found.notes)


@pytest.mark.parametrize("models", [[], ["a", "a"]])
def test_models_have_to_be_given_each_once(ws, models):
    with pytest.raises(RequestError, match="give one or more deployments, each once"):
        evaluate(ws, EXAMPLES, models)


def test_what_the_file_says_is_not_evaluated_twice_by_others(ws, pair, tmp_path):
    path = tmp_path / "a.jsonl"
    evaluate(ws, EXAMPLES[:2], pair, path=path, **QUICK)

    with pytest.raises(RequestError, match="answers of another evaluation"):
        evaluate(ws, EXAMPLES[:3], pair, path=path, **QUICK)
