"""The playground against the embedded service: asked in code and by clicks, streamed, kept as cases."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest

from tunebook.errors import RequestError
from tunebook.service import JobRequest
from tunebook.widgets.side_by_side import Playground, playground, training_system
from tunebook.widgets.trials import Reply, Settings, Turn, cases_of, code, log_table, reply_html, turn_card

from .conftest import at_once, texts

SHORT = Settings(temperature=0.0, seed=0, max_tokens=6)


@pytest.fixture
def play(ws, pair):
    return Playground(ws, pair, system="Be brief.", settings=SHORT, spawn=at_once)


def test_one_prompt_is_answered_by_each_deployment(play, pair) -> None:
    turn = play.ask("Say red")

    assert [reply.model for reply in turn.replies] == list(pair)
    assert [reply.state for reply in turn.replies] == ["done", "done"]
    assert turn.messages == [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Say red"}]
    assert all(reply.text for reply in turn.replies)


def test_the_same_prompt_seed_and_temperature_give_the_same_answers(play) -> None:
    assert [r.text for r in play.ask("Say red").replies] == [r.text for r in play.ask("Say red").replies]


def test_the_streamed_answer_is_the_one_the_copied_code_gives(play, ws, pair) -> None:
    turn = play.ask("Say red")
    printed: list[str] = []

    exec(code(pair, "Say red", "Be brief.", SHORT), {"ws": ws, "print": printed.append})  # noqa: S102 - our own code

    assert printed == [f"{model}: {turn.answer(model)}" for model in pair]


def test_a_click_asks_and_shows_the_answers_and_the_log(play, pair) -> None:
    play.prompt.value = "Say red"

    play.ask_button.click()

    shown = texts(play.widget)
    assert play.turns[0].prompt == "Say red"
    assert "Tried so far: 1" in shown
    assert all(f"{model} <span" in shown for model in pair)
    assert not play.expect_buttons[pair[1]].disabled


def test_without_a_prompt_nothing_is_sent(play) -> None:
    play.ask_button.click()

    assert play.turns == []
    assert "A prompt is needed" in texts(play.widget)


def test_a_seed_that_is_no_number_is_said_before_anything_is_sent(play) -> None:
    play.prompt.value, play.seed.value = "Say red", "lucky"

    play.ask_button.click()

    assert play.turns == []
    assert "seed &#39;lucky&#39; is not a whole number" in texts(play.widget)


def test_an_answer_called_right_becomes_a_case(play, pair) -> None:
    play.ask("Say red")

    play.expect_buttons[pair[1]].click()

    (case,) = play.cases().examples
    assert case["messages"][-1] == {"role": "assistant", "content": play.turns[0].answer(pair[1])}
    assert case["messages"][0]["role"] == "system"


def test_the_right_answer_can_be_typed_and_the_newest_of_a_prompt_counts(play) -> None:
    play.ask("Say red")
    play.expect("red!")
    play.ask("Say red")
    play.expected.value = "RED!"

    play.keep_button.click()

    assert [case["messages"][-1]["content"] for case in play.cases()] == ["RED!"]


def test_cases_are_what_evaluate_takes(play, ws, pair, tmp_path) -> None:
    from tunebook.experiments import evaluate

    for word in ("lime", "rust"):
        play.ask(f"Say {word}")
        play.expect(f"{word}!")

    found = evaluate(ws, play.cases(), pair, path=tmp_path / "a.jsonl", max_tokens=4, progress=False)

    assert found.n == 2


def test_before_anything_is_right_there_are_no_cases(play) -> None:
    with pytest.raises(RequestError, match="Nothing has been asked yet"):
        play.expect("x")
    with pytest.raises(RequestError, match="No turn has an expected answer yet"):
        play.cases()
    play.ask("Say red")
    with pytest.raises(RequestError, match="expected answer is empty"):
        play.expect("  ")


def test_each_turn_is_appended_to_the_log(ws, pair, tmp_path) -> None:
    play = playground(ws, pair, system="", max_tokens=4, log=tmp_path / "log.jsonl")
    play.ask("Say red")
    play.expect("red!")

    first, second = (json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines())
    assert (first["prompt"], first["expected"], second["expected"]) == ("Say red", None, "red!")


def test_the_system_message_of_the_training_is_filled_in(ws, service) -> None:
    told = [
        {
            "messages": [
                {"role": "system", "content": "Sort it."},
                {"role": "user", "content": f"{n}"},
                {"role": "assistant", "content": "x"},
            ]
        }
        for n in range(10)
    ]
    job = ws.jobs.create(JobRequest(model="gpt-4.1-nano", training_file=service.upload(told), n_epochs=1)).wait()
    ws.deployments.create(job, name="sorter", say=str)
    play = Playground(ws, ["sorter"], settings=SHORT, spawn=at_once)

    turn = play.ask("7")

    assert turn.system == "Sort it."
    assert "Every example of file-" in texts(play.widget)


def test_base_models_have_no_training_message(ws, pair) -> None:
    assert training_system(ws, pair[:1]) is None
    assert training_system(ws, pair)[:2] == ("", 1.0)


def test_a_deployment_that_fails_does_not_spoil_the_others(ws, pair) -> None:
    play = Playground(ws, [pair[0], "nowhere"], system="", settings=SHORT, spawn=at_once)

    good, bad = play.ask("Say red").replies

    assert (good.state, bad.state) == ("done", "failed")
    assert "does not find it (404, DeploymentNotFound)" in bad.error
    assert "does not find it (404, DeploymentNotFound)" in texts(play.widget)


def test_stop_keeps_what_has_come(ws, pair) -> None:
    play = Playground(ws, pair[1:], system="", settings=SHORT, spawn=at_once)
    real = ws.client.chat.completions.create

    class Interrupted:
        """A stream during which Stop is pressed after the second chunk."""

        def __init__(self, stream):
            self.stream = stream

        def __enter__(self):
            return self

        def __exit__(self, *_):
            self.stream.close()

        def __iter__(self):
            for place, chunk in enumerate(self.stream):
                if place == 2:
                    play.stop()
                yield chunk

    create = lambda **asked: Interrupted(real(**asked))  # noqa: E731
    completions = SimpleNamespace(create=create)
    play.workspace = SimpleNamespace(
        name="x", learned={}, client=SimpleNamespace(chat=SimpleNamespace(completions=completions), max_retries=2)
    )

    (reply,) = play.ask("Say red").replies

    assert reply.state == "stopped"


def test_models_have_to_be_given(ws) -> None:
    with pytest.raises(RequestError, match="give one or more deployments, each once"):
        playground(ws, [])
    with pytest.raises(RequestError, match="each once"):
        playground(ws, ["a", "a"])


def test_a_deployment_handle_will_do(ws, pair) -> None:
    assert playground(ws, ws.deployments.retrieve(pair[0]), system="").models == (pair[0],)


def test_an_unattended_run_leaves_a_picture_that_stands_alone(play) -> None:
    play.ask("Say red")

    bundle = play._repr_mimebundle_()

    assert "> Say red" in bundle["text/plain"]
    assert "Run the cell again" in bundle["text/html"]


EVIL = "<script>alert(1)</script>"
EVIL_TURN = Turn(EVIL, EVIL, SHORT, (Reply(EVIL, EVIL, "failed", error=EVIL),), expected=EVIL)


@pytest.mark.parametrize(
    "html",
    [turn_card(EVIL_TURN).html(), log_table([EVIL_TURN]).html(), reply_html(EVIL_TURN.replies[0])],
)
def test_prompts_answers_and_errors_are_escaped(html) -> None:
    assert "<script>" not in html
    assert "&lt;script&gt;" in html


def test_prompts_with_quotes_and_newlines_give_code_that_runs() -> None:
    text = code(["a'b"], 'He said "x"\nand \\n', "it's", Settings(temperature=None, seed=None, max_tokens=None))

    compile(text, "copied", "exec")
    assert "temperature" not in text


def test_of_the_same_prompt_the_newest_expectation_counts() -> None:
    turns = [Turn("p", "", SHORT, (), expected="1"), Turn("p", "", SHORT, (), expected="2"), Turn("q", "", SHORT, ())]

    assert [case["messages"][-1]["content"] for case in cases_of(turns)] == ["2"]
