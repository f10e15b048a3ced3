"""Acts at the desk: done once, after a yes to that very act, within an hour and within the budget."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunebook.agents.approvals import LIFE_S, Approvals
from tunebook.agents.desk import Desk
from tunebook.agents.marking import END, START, marked
from tunebook.cli import main
from tunebook.errors import RequestError
from tunebook.experiments import Act


class Job:
    id, status = "ftjob-1", "pending"


@pytest.fixture
def now():
    return [1000.0]


@pytest.fixture
def approvals(tmp_path, now):
    return Approvals(tmp_path / "approvals", lambda: now[0])


@pytest.fixture
def done():
    return []


@pytest.fixture
def act(done):
    return Act("create", "Train.", 2.0, "$2.", lambda: done.append(1) or Job())


def test_an_act_is_done_once_after_a_yes(approvals, act, done):
    desk = Desk(approvals, budget_usd=5)
    code = desk.plan(act)["code"]
    assert desk.carry_out(code, 5)["state"] == "waiting"

    approvals.decide(code, "approved")

    assert [desk.carry_out(code, 5)["state"] for _ in range(3)] == ["done"] * 3
    assert done == [1]
    assert desk.left_usd == 3.0


def test_the_budget_holds_for_all_acts_together(approvals, act, done):
    desk = Desk(approvals, budget_usd=3)
    codes = [desk.plan(act)["code"] for _ in range(2)]
    for code in codes:
        approvals.decide(code, "approved")

    assert [desk.carry_out(code, 5)["state"] for code in codes] == ["done", "refused"]
    assert desk.plan(act)["code"] is None
    assert done == [1]


def test_an_act_without_a_price_cannot_be_kept_within_a_budget(approvals):
    unknown = Act("evaluate", "Ask.", None, "No price is known.", lambda: None)

    assert Desk(approvals, budget_usd=100).plan(unknown)["code"] is None


def test_an_answer_to_another_act_does_not_count(approvals, act, done):
    desk = Desk(approvals, budget_usd=5)
    code = desk.plan(act)["code"]
    file = approvals.folder / f"{code}.json"
    forged = json.loads(file.read_text()) | {"decision": "approved", "digest": "0" * 64}
    file.write_text(json.dumps(forged))

    assert desk.carry_out(code, 5)["state"] == "waiting"
    assert done == []


def test_a_code_is_good_for_an_hour(approvals, act, now):
    desk = Desk(approvals, budget_usd=5)
    code = desk.plan(act)["code"]
    approvals.decide(code, "approved")
    now[0] += LIFE_S + 1

    assert desk.carry_out(code, 5)["state"] == "expired"
    assert approvals.waiting() == []


def test_what_fails_says_why(approvals):
    def fail():
        raise RequestError("no such file")

    desk = Desk(approvals, budget_usd=5)
    code = desk.plan(Act("create", "Train.", 1.0, "$1.", fail))["code"]
    approvals.decide(code, "approved")

    assert desk.carry_out(code, 5)["told"] == "RequestError: no such file"


def test_nobody_approves_without_a_terminal(approvals, act, capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("TUNEBOOK_STATE", str(tmp_path))
    monkeypatch.setattr("tunebook.cli.opening.time", lambda: 1000.0)
    code = Desk(approvals, budget_usd=5).plan(act)["code"]

    assert main(["approve"]) == 0
    assert code in capsys.readouterr().out
    assert main(["approve", code]) == 2
    assert "A person approves, at a terminal." in capsys.readouterr().err
    assert main(["approve", code, "--no"]) == 0
    assert main(["approve", code]) == 2  # used up
    assert main(["approve", "../../etc/passwd"]) == 2


@given(st.text())
def test_a_foreign_text_cannot_end_its_own_marks(text):
    found = marked({"value": text})["value"]

    if found != text:
        assert found.startswith(START)
        assert found.endswith(END)
        assert found.count(END) == 1
    else:
        assert len(text.split()) <= 1
