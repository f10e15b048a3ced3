"""The table of the rules: each is broken by its own example, and the code names no other."""

import ast
import re
from pathlib import Path

import pytest

import tunebook as tb
from tunebook.cli import main
from tunebook.data.rules import methods, table
from tunebook.data.rules.gate import check_lines
from tunebook.data.rules.table import rules

_BLANK = re.compile("‹(.+?)(?: × ([0-9]+))?›".encode(), re.S)


def written(text, rule, path):
    """The example as a file: its last line as often as the table says, the marks in ‹› replaced."""
    *lines, last = text.split("\n")
    lines += [last.replace("‹n›", str(n)) for n in range(rule.times)]

    def fill(mark):
        raw = mark[1].decode("unicode_escape").encode("latin-1") if b"\\" in mark[1] else mark[1]
        return raw * int(mark[2] or 1)

    path.write_bytes(_BLANK.sub(fill, "\n".join(lines).encode(rule.encoding)))
    return tb.read_dataset(path, method=rule.method)


def lowered(limits, path):
    rows = (f'{name} = {{ value = {most}, unit = "", source = "howto", dated = 2026-11-01 }}' for name, most in limits)
    path.write_text("[limits]\n" + "\n".join(rows), "utf-8")
    return str(path)


def findings(rule, tmp_path, monkeypatch, *, mended=False):
    """What the rule says of its file, by itself or as fix() mends it."""
    if rule.limits:
        monkeypatch.setenv("TUNEBOOK_CATALOGUE", lowered(rule.limits.items(), tmp_path / f"{rule.limits}.toml"))
    dataset = written(rule.example, rule, tmp_path / "a.jsonl")
    validation = written(rule.validation, rule, tmp_path / "b.jsonl") if rule.validation else None
    report = (dataset.fix()[0] if mended else dataset).check(validation=validation, **rule.check)
    return [problem for problem in report.problems if (problem.rule, problem.severity) == (rule.id, rule.severity)]


TRIED = [address for address in rules() if address != "line-too-long"]


@pytest.mark.parametrize("address", TRIED)
def test_every_rule_is_broken_by_its_own_example(address, tmp_path, monkeypatch):
    rule = rules()[address]

    def says(text, words):
        return re.fullmatch(re.sub("‹.+?›", "(.+)", re.escape(words)), text, re.S)

    found = findings(rule, tmp_path, monkeypatch)

    assert [problem for problem in found if says(problem.message, rule.what) and says(problem.fix, rule.fix)]


@pytest.mark.parametrize("address", TRIED)
def test_what_comes_nearest_to_the_example_does_not_break_the_rule(address, tmp_path, monkeypatch):
    rule = rules()[address]

    assert findings(rule.kept() or rule, tmp_path, monkeypatch, mended=not rule.nearest) == []


def test_every_rule_that_refuses_a_file_names_the_page_that_says_so():
    assert [rule.address for rule in rules().values() if rule.severity == "error" and not rule.source] == []


def test_a_line_longer_than_any_example_is_refused_unread():
    line = b"x" * (256 * 2**20 + 1)

    assert [p.rule for p in check_lines([line], method="supervised") if p.line] == ["line-too-long"]


def test_the_code_names_no_rule_that_is_not_in_the_table():
    named = {rule for _, rule, _ in methods._FOREIGN}
    for file in Path(table.__file__).parents[1].rglob("*.py"):
        for call in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(call, ast.Call) and getattr(call.func, "id", "") == "problem_of":
                first = call.args[0]
                named |= {part.value for part in ast.walk(first) if isinstance(part, ast.Constant)} - {"dpo", "text"}

    assert named - rules().keys() <= {"missing-key."}  # … and the method
    assert len(named) > 100


def test_a_rule_is_explained_with_its_cases_and_an_example(capsys):
    assert main(["check", "--explain", "weight-value"]) == 0
    assert capsys.readouterr().out == (
        "weight-value\n\n"
        "error: `weight` is 0 (not learned from) or 1.\n"
        "    -> Write 0 or 1.\n"
        '    {"messages": [{"role": "assistant", "content": "Hello", "weight": 0.5}]}\n'
        '    passes: {"messages": [{"role": "assistant", "content": "Hello", "weight": 1}]}\n'
        "    https://learn.microsoft.com/azure/ai-foundry/openai/how-to/fine-tuning\n"
    )


def test_of_an_unknown_rule_those_near_are_named_and_of_none_all(capsys):
    assert main(["check", "--explain", "wieght-value"]) == 2
    assert "Near are weight-value" in capsys.readouterr().err

    assert main(["check", "--explain"]) == 0
    assert "texts: secret, email, special-token, control-character, garbled-text" in capsys.readouterr().out


def test_check_wants_a_file_or_a_rule(capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["check"])

    assert stopped.value.code == 2
    message = capsys.readouterr().err
    assert message.startswith("usage: tunebook check [-h]")
    assert "name a FILE or --explain RULE" in message
