"""The example files are what data/README.md says they are."""

from __future__ import annotations

import importlib.util
import json
import random
import sys
from collections import Counter
from pathlib import Path

import pytest

DATA = Path(__file__).parents[2] / "data"


def read(name: str) -> list[dict]:
    return [json.loads(line) for line in (DATA / name).read_text(encoding="utf-8").splitlines()]


@pytest.fixture(scope="module")
def maker():
    spec = importlib.util.spec_from_file_location("make_support_tickets", DATA / "make_support_tickets.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


@pytest.fixture(scope="module")
def tickets(maker):
    return maker.make_tickets()


def words(text: str) -> frozenset[str]:
    return frozenset(text.casefold().split())


def test_the_script_rewrites_the_committed_file_byte_for_byte(maker, tickets):
    assert "".join(map(maker.to_line, tickets)).encode() == (DATA / "support_tickets.jsonl").read_bytes()


def test_another_seed_gives_other_messages(maker, tickets):
    ours = {ticket.message for ticket in tickets}
    assert not ours & {
        ticket.message for ticket in maker.make_tickets(examples=50, seed=1) if len(ticket.message) > 120
    }


def test_every_ticket_is_a_supervised_chat_with_a_compact_json_answer_from_the_stated_values(maker):
    examples = read("support_tickets.jsonl")
    assert len(examples) == 1000
    for example in examples:
        assert [message["role"] for message in example["messages"]] == ["system", "user", "assistant"]
        answer = json.loads(example["messages"][2]["content"])
        assert list(answer) == ["category", "priority", "product"]
        assert answer["category"] in maker.CATEGORIES
        assert answer["priority"] in maker.PRIORITIES
        assert answer["product"] in maker.PRODUCTS
        assert example["messages"][2]["content"] == json.dumps(answer, separators=(",", ":"))
    assert len({example["messages"][0]["content"] for example in examples}) == 1


def test_no_slot_or_alternative_is_left_open_in_a_message(tickets):
    assert not [ticket.message for ticket in tickets if set("[]{}|") & set(ticket.message)]


def test_every_value_occurs_often_enough_to_be_learned(tickets):
    for key in ("category", "priority", "product"):
        assert min(Counter(ticket.label[key] for ticket in tickets).values()) >= 30


def test_messages_run_from_one_line_to_a_paragraph(tickets):
    lengths = sorted(len(ticket.message) for ticket in tickets)
    assert lengths[20] < 90
    assert lengths[-20] > 300


def test_the_label_noise_is_nine_percent_and_touches_one_key_each(tickets):
    wrong = [ticket for ticket in tickets if ticket.mislabelled]
    assert len(wrong) == 90
    assert all(sum(ticket.truth[key] != ticket.label[key] for key in ticket.truth) == 1 for ticket in wrong)


def test_wrong_labels_are_plausible_confusions(maker, tickets):
    for ticket in tickets:
        if ticket.truth["category"] != ticket.label["category"]:
            assert ticket.label["category"] in maker.CONFUSED_WITH[ticket.truth["category"]]
        if ticket.truth["product"] != ticket.label["product"]:
            assert (
                ticket.label["product"] in ticket.message
                or ticket.label["product"].casefold() in ticket.message.casefold()
            )
        steps = [maker.PRIORITIES.index(side["priority"]) for side in (ticket.truth, ticket.label)]
        assert abs(steps[0] - steps[1]) <= 1


def test_two_random_halves_share_no_message_and_few_near_duplicates(tickets):
    messages = [ticket.message for ticket in tickets]
    random.Random(0).shuffle(messages)  # noqa: S311
    one, other = messages[:500], [words(message) for message in messages[500:]]
    assert not {message.casefold() for message in messages[500:]} & {message.casefold() for message in one}
    near = sum(any(len(mine & yours) >= 0.8 * len(mine | yours) for yours in other) for mine in map(words, one))
    assert near <= 10  # 2 %


def test_tone_has_sixty_different_pairs_of_one_to_three_sentences():
    pairs = [[message["content"] for message in example["messages"][1:]] for example in read("tone.jsonl")]
    assert len(pairs) == 60
    assert len({blunt for blunt, _ in pairs}) == len({warm for _, warm in pairs}) == 60
    assert all(10 <= len(warm) <= 260 for _, warm in pairs)
