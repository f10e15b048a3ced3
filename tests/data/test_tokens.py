"""Token counts against those of an independent tokenizer, and what is made of them."""

import pytest

import tunebook as tb
from tunebook.data.tokens import count_records, count_texts, extrapolate, pieces, summarise

# Counted with bpe-openai 0.1.4 (GitHub's `bpe` crate), encode_ordinary, on the very texts.
TEXTS = [
    ("Hello, world!", 4, 4),
    ("", 0, 0),
    ("The order 4711 arrived broken; please refund me.", 12, 12),
    ("  leading and   inner spaces\n\n\ttabs", 9, 9),
    ("お客様の注文はまだ届いていません。", 11, 20),
    ("Grüße aus Köln – 12,50 €", 11, 12),
    ('{"category":"billing","priority":"high"}', 9, 9),
    ("🙂👩‍👩‍👧 emoji", 10, 16),
    ("don't can't we'll I'M", 5, 8),
    ("3.14159265358979", 7, 7),
    ("def add(a, b):\n    return a + b\n", 12, 12),
    ("<|endoftext|>", 7, 7),
    ("antidisestablishmentarianism", 6, 6),
    ("a" * 40, 5, 5),
    ("ПРИВЕТ мир", 5, 8),
]
MOSS = "Moss is a gardener who answers in one dry sentence."
ROWS = [
    ("When do I prune a pear tree?", "In winter, unless you enjoy waiting a year for the mistake.", 48),
    ("Why are my tomatoes splitting?", "Because you forgot them for a week and then drowned them.", 45),
    ("Can I move a peony?", "You can; it will sulk for three summers.", 45),
    ("What eats my hostas?", "Everything with a mouth, and the slugs first.", 44),
    ("Is moss bad for a lawn?", "Only if you are the lawn.", 41),
    ("How deep do I plant garlic?", "Two inches, and resist digging it up to check.", 45),
    ("When is it too late for tulips?", "When the ground rings like iron.", 43),
    ("Do worms help?", "They do more than you, and without gloves.", 41),
    ("Should I water at noon?", "If steam is what you wish to grow.", 42),
    ("How do I keep herons off the pond?", "Keep the fish somewhere else.", 43),
]


def chat(asked, said, system=MOSS):
    texts = [("system", system), ("user", asked), ("assistant", said)]
    return {"messages": [{"role": role, "content": text} for role, text in texts]}


def test_counts_equal_those_of_an_independent_tokenizer():
    texts = [text for text, _, _ in TEXTS]

    assert count_texts(texts, "o200k_base") == [count for _, count, _ in TEXTS]
    assert count_texts(texts, "cl100k_base") == [count for _, _, count in TEXTS]


def test_chat_overhead_is_three_a_message_and_three_an_example():
    assert tb.read_dataset([chat(asked, said) for asked, said, _ in ROWS]).count_tokens() == [n for _, _, n in ROWS]


def test_lines_read_plainly_and_records_read_closely_count_alike():
    records = [
        chat("a", "b"),
        {"messages": chat("a", "b")["messages"][1:]},
        {"messages": [{"role": "developer", "content": "x y"}, *chat("a", "b")["messages"]]},
        {"messages": [*chat("a", "b")["messages"], {"role": "assistant", "content": "c", "weight": 0}]},
    ]

    assert tb.read_dataset(records).count_tokens() == count_records(records)


def test_names_parts_images_and_tools_are_counted():
    name = {"messages": [{"role": "user", "content": "a", "name": "b"}]}
    parts = {"messages": [{"role": "user", "content": [{"type": "text", "text": "a"}]}]}
    low = {
        "messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "u", "detail": "low"}}]}]
    }
    tools = {"messages": [], "tools": [{"type": "function", "function": {"name": "f"}}]}

    assert pieces(name) == (["user", "a", "b"], 3 + 3 + 1)
    assert pieces(parts) == (["user", "a"], 3 + 3)
    assert pieces(low) == (["user"], 3 + 3 + 85)
    assert pieces(tools) == (['[{"type":"function","function":{"name":"f"}}]'], 3)


def test_both_outputs_of_a_preference_pair_are_counted():
    said = [{"role": "assistant", "content": "b"}]
    pair = {
        "input": {"messages": [{"role": "user", "content": "a"}]},
        "preferred_output": said,
        "non_preferred_output": said,
    }

    assert pieces(pair) == (["user", "a", "assistant", "b", "assistant", "b"], 3 + 3 * 3)


def test_the_summary_says_how_long_examples_are():
    summary = summarise([10, 20, 20, 30, 120])

    assert (summary.total, summary.fewest, summary.median, summary.mean, summary.most) == (200, 10, 20, 40.0, 120)
    assert summary.exact
    assert summary.histogram[0] == (10, 20, 0.2)
    assert sum(share for _, _, share in summary.histogram) == pytest.approx(1)
    assert summarise([]) is None


def test_a_sample_whose_tokens_follow_its_bytes_leaves_no_doubt():
    summary = extrapolate([10, 20, 30], [100, 200, 300], total_size=60_000, examples=300)

    assert (summary.total, summary.interval) == (6_000, (6_000, 6_000))
    assert not summary.exact
