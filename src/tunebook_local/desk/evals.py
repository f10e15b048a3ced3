"""Evaluations: items, and a deployment's answers to them or answers of their own, graded by the graders there are.

As far as fine-tuning needs them: the base model beside the tuned one. The supervisor works a run off in a thread; one
that a stop has interrupted goes on where it was.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import msgspec

from tunebook.graders import GraderResult, GradingError, Means, fill_messages, grade, sample_of
from tunebook_local.desk import Desk
from tunebook_local.desk.body import Body, is_number, must_be, object_in, text_in
from tunebook_local.desk.chat import Call, Chat, Piece, open_chat
from tunebook_local.desk.chat_request import read_chat_request
from tunebook_local.desk.files import content_of, visible_file
from tunebook_local.desk.grading import check_grader, means_of
from tunebook_local.desk.naming import new_id
from tunebook_local.desk.records import EvalItemRow, EvalRow, EvalRunRow
from tunebook_local.desk.refusals import Refusal, invalid, not_found, wrong_state

GOING_ON = ("queued", "in_progress")
_CRITERIA = ("string_check", "text_similarity", "score_model", "python")
_MOST_ITEMS = 10_000


def create_eval(desk: Desk, body: Body) -> EvalRow:
    """An evaluation, refused when something of it cannot be graded here."""
    config, criteria = object_in(body, "data_source_config"), body.get("testing_criteria")
    if config.get("type") != "custom":
        raise must_be("data_source_config.type", "custom: nothing is logged here", config.get("type"), "type")
    if not isinstance(config.get("item_schema"), dict):
        raise must_be("data_source_config.item_schema", "a JSON Schema", config.get("item_schema"), "item_schema")
    if not isinstance(criteria, list) or not criteria:
        raise must_be("testing_criteria", "a list of graders", criteria, "testing_criteria")
    for place, criterion in enumerate(criteria):
        where = f"testing_criteria[{place}]"
        kind = criterion.get("type") if isinstance(criterion, dict) else criterion
        if kind not in _CRITERIA:
            raise must_be(f"{where}.type", f"one of {', '.join(_CRITERIA)}", kind, where)
        check_grader(desk, criterion, where)
        text_in(criterion, "name")
        if criterion.get("pass_threshold") is not None and not is_number(criterion["pass_threshold"]):
            raise must_be(f"{where}.pass_threshold", "a number", criterion["pass_threshold"], where)
    if len({criterion["name"] for criterion in criteria}) < len(criteria):
        raise invalid("Two of the testing_criteria have one name.", "testing_criteria")
    properties = {"item": config["item_schema"]}
    if config.get("include_sample_schema"):
        properties["sample"] = {"type": "object", "properties": {"output_text": {"type": "string"}}}
    schema = {"type": "object", "properties": properties, "required": list(properties)}
    own = {"data_source_config": {"type": "custom", "schema": schema}, "testing_criteria": criteria}
    row = EvalRow(name := new_id("eval"), _told(desk, "eval", name, body, **own))
    desk.store.add(row)
    return row


def _told(desk: Desk, kind: str, name: str, body: Body, **own: Any) -> dict[str, Any]:
    """What every object here says of itself, and what is its own."""
    said = {"name": str(body.get("name") or ""), "metadata": object_in(body, "metadata")}
    return {"id": name, "object": kind, "created_at": int(desk.clock.now()), **said, **own}


def visible_eval(desk: Desk, eval_id: str) -> EvalRow:
    """An evaluation by its id."""
    row = desk.store.get(EvalRow, id=eval_id)
    if row is None:
        raise not_found("evaluation", eval_id)
    return row


def visible_run(desk: Desk, eval_id: str, run_id: str) -> EvalRunRow:
    """A run of an evaluation by its id."""
    row = desk.store.get(EvalRunRow, id=run_id, eval=eval_id)
    if row is None:
        raise not_found("evaluation run", run_id)
    return row


def start_run(desk: Desk, eval_id: str, body: Body) -> EvalRunRow:
    """A run that waits for its turn; what could not be read or answered is refused now."""
    visible_eval(desk, eval_id)
    data_source = object_in(body, "data_source")
    if data_source.get("type") not in ("jsonl", "completions"):
        raise must_be("data_source.type", "jsonl or completions", data_source.get("type"), "data_source")
    total = sum(1 for _ in _rows(desk, data_source))
    if not 0 < total <= _MOST_ITEMS:
        raise invalid(f"data_source.source holds {total:,} items; a run has 1 to {_MOST_ITEMS:,}.", "data_source")
    if data_source["type"] == "completions":
        first = next(_rows(desk, data_source))
        _chat(desk, data_source, _messages(data_source, first["item"]))
    own = {"eval_id": eval_id, "data_source": data_source, "model": data_source.get("model") or "", "report_url": ""}
    own |= {"error": None, "per_testing_criteria_results": [], "per_model_usage": []}
    row = EvalRunRow(name := new_id("run"), eval_id, "queued", _told(desk, "eval.run", name, body, **own, total=total))
    desk.store.add(row)
    return row


def cancel_run(desk: Desk, eval_id: str, run_id: str) -> EvalRunRow:
    """A run that goes no further; its items so far stay."""
    row = visible_run(desk, eval_id, run_id)
    if not desk.store.change(EvalRunRow, {"id": row.id, "status": GOING_ON}, status="canceled"):
        raise wrong_state(f"The run {row.id} has ended: it is {row.status}.")
    return replace(row, status="canceled")


def delete_run(desk: Desk, eval_id: str, run_id: str) -> None:
    """Remove a run and its items."""
    row = visible_run(desk, eval_id, run_id)
    with desk.store.transaction():
        desk.store.remove(EvalItemRow, run=row.id)
        desk.store.remove(EvalRunRow, id=row.id)


def delete_eval(desk: Desk, eval_id: str) -> None:
    """Remove an evaluation with its runs."""
    visible_eval(desk, eval_id)
    for run in desk.store.all(EvalRunRow, eval=eval_id):
        delete_run(desk, eval_id, run.id)
    desk.store.remove(EvalRow, id=eval_id)


def work_off(desk: Desk, run: EvalRunRow, stopping: Callable[[], bool]) -> None:
    """Answer and grade what is left of a run, item by item, until it is done, cancelled or `stopping`."""
    store, criteria, source = desk.store, visible_eval(desk, run.eval).told["testing_criteria"], run.told["data_source"]
    done = {item.place for item in store.all(EvalItemRow, run=run.id)}
    store.change(EvalRunRow, {"id": run.id, "status": "queued"}, status="in_progress")
    try:
        with means_of(desk) as means:
            for place, row in enumerate(_rows(desk, source)):
                if place in done:
                    continue
                if stopping() or not store.count(EvalRunRow, id=run.id, status=GOING_ON):
                    return
                status, results, sample = _judge(desk, source, row, criteria, means)
                own = {"run_id": run.id, "eval_id": run.eval, "datasource_item_id": place, "status": status}
                own |= {"datasource_item": row["item"], "results": results, "sample": sample}
                told = _told(desk, "eval.run.output_item", name := new_id("output item"), {}, **own)
                with store.transaction():  # it may have been deleted meanwhile
                    if store.count(EvalRunRow, id=run.id):
                        store.add(EvalItemRow(name, run.id, place, status, told), again="IGNORE")
    except Refusal as refusal:  # its file is gone, say
        end_run(desk, run, "failed", error={"code": refusal.code, "message": refusal.message})
        return
    end_run(desk, run, "completed", **_summary([item.told for item in store.all(EvalItemRow, run=run.id)]))


def end_run(desk: Desk, run: EvalRunRow, status: str, **told: Any) -> None:
    """A run that goes no further by itself; nothing if it was cancelled meanwhile."""
    desk.store.change(EvalRunRow, {"id": run.id, "status": GOING_ON}, status=status, told={**run.told, **told})


def counts(desk: Desk, run: EvalRunRow) -> dict[str, int]:
    """How many items a run has, and how many of them were judged how."""
    named = (("passed", "pass"), ("failed", "fail"), ("errored", "error"))
    judged = {name: desk.store.count(EvalItemRow, run=run.id, status=status) for name, status in named}
    return {"total": run.told["total"], **judged}


def _rows(desk: Desk, data_source: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The rows of a data source, each with its `item`; refused at the first that has none."""
    source = object_in(data_source, "source", "data_source.source")
    if source.get("type") == "file_id":
        file = visible_file(desk, text_in(source, "id"))
        if file.blob is None or file.status != "processed":
            raise invalid(f"The file {file.id} is {file.status}; it cannot be evaluated on.", "data_source")
        with content_of(desk, file).open("rb") as lines:
            held = ((number, line.removeprefix(b"\xef\xbb\xbf").strip()) for number, line in enumerate(lines, 1))
            yield from (_row(line, number) for number, line in held if line)
    elif source.get("type") == "file_content" and isinstance(content := source.get("content"), list):
        yield from (_row(row, number) for number, row in enumerate(content, 1))
    else:
        raise must_be("data_source.source", "a file_id, or file_content with a list", source, "data_source")


def _row(given: Any, number: int) -> dict[str, Any]:
    try:
        row = msgspec.json.decode(given) if isinstance(given, bytes) else given
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise invalid(f"Row {number} of the data source is not valid JSON: {error}.", "data_source") from error
    if not isinstance(row, dict) or not isinstance(row.get("item"), dict):
        raise must_be(f"Row {number} of the data source", 'an object {"item": {…}}', row, "data_source")
    if not isinstance(row.get("sample") or {}, dict):
        raise must_be(f"The sample of row {number}", "an object", row["sample"], "data_source")
    return row


def _messages(data_source: Mapping[str, Any], item: Mapping[str, Any]) -> Any:
    """What a deployment is asked for an item."""
    asked = object_in(data_source, "input_messages", "data_source.input_messages")
    template, path = asked.get("template"), str(asked.get("item_reference") or "").removeprefix("item.")
    if asked.get("type") == "template" and isinstance(template, list):
        try:
            return fill_messages([each for each in template if isinstance(each, dict)], item, {})
        except GradingError as error:
            raise invalid(f"data_source.input_messages: {error}.", "data_source") from error
    if asked.get("type") == "item_reference" and path in item:
        return item[path]
    raise must_be("input_messages", "a template, or a reference to a key of each item", asked, "data_source")


def _chat(desk: Desk, data_source: Mapping[str, Any], messages: Any) -> Chat:
    asked = object_in(data_source, "sampling_params", "data_source.sampling_params")
    if own := {"messages", "n", "stream"} & asked.keys():
        raise invalid(f"data_source.sampling_params has {', '.join(sorted(own))}: each item gets one answer.", "n")
    if "max_completions_tokens" in asked:  # the reference's name here; the SDK's is that of chats
        asked["max_completion_tokens"] = asked.pop("max_completions_tokens")
    request = read_chat_request({"messages": messages, **asked})
    return open_chat(desk, request, data_source.get("model"))


def _judge(
    desk: Desk, source: Mapping[str, Any], row: Mapping[str, Any], criteria: list[Any], means: Means
) -> tuple[str, list[dict[str, Any]], dict[str, Any] | None]:
    """An item's status, what each criterion says of it, and the answer if a deployment was asked."""
    item, sample, answer = row["item"], None, row.get("sample") or {}
    if source["type"] == "completions":
        try:
            sample, answer = _answer(_chat(desk, source, _messages(source, item)))
        except Refusal as refusal:
            return "error", [], {"error": {"code": refusal.code, "message": refusal.message}}
    elif isinstance(answer.get("output_text"), str):
        answer = {**sample_of(answer["output_text"]), **answer}
    results = [_result(criterion, grade(criterion, item, answer, means)) for criterion in criteria]
    passed = all(result["passed"] for result in results)
    return "error" if any(result["sample"] for result in results) else "pass" if passed else "fail", results, sample


def _answer(chat: Chat) -> tuple[dict[str, Any], dict[str, Any]]:
    """A deployment's answer, as the API tells it and as graders see it."""
    (choice,) = chat.choices()
    said = list(choice)
    text = "".join(each.text for each in said if isinstance(each, Piece))
    calls = [
        {"id": each.id, "type": "function", "function": {"name": each.name, "arguments": each.arguments}}
        for each in said
        if isinstance(each, Call)
    ]
    request, asked, answered = chat.request, chat.prompt_tokens(), chat.answer_tokens(choice)
    usage = {"prompt_tokens": asked, "completion_tokens": answered, "total_tokens": asked + answered}
    message = {"role": "assistant", "content": text, **({"tool_calls": calls} if calls else {})}
    sample = {
        "input": request.messages,
        "output": [message],
        "finish_reason": choice.ended,
        "model": chat.model,
        "usage": {**usage, "cached_tokens": 0},
        "error": None,
        "seed": request.seed,
        "temperature": request.temperature,
        "top_p": request.top_p,
        "max_completion_tokens": chat.longest,
    }
    return sample, sample_of(text, calls)


def _result(criterion: Mapping[str, Any], given: GraderResult) -> dict[str, Any]:
    """What one criterion says of an item; in `sample` why it says nothing."""
    failed = {"error": {"code": "grader_error", "message": given.problem}} if given.problem else None
    score = None if failed else given.reward
    passed = score is not None and score >= _threshold(criterion)
    return {"name": criterion["name"], "type": criterion["type"], "score": score, "passed": passed, "sample": failed}


def _threshold(criterion: Mapping[str, Any]) -> float:
    """The score that passes: as asked; else all of a string_check, half of what another can give."""
    if criterion.get("pass_threshold") is not None:
        return float(criterion["pass_threshold"])
    low, high = criterion.get("range") or (0, 1)
    return 1.0 if criterion["type"] == "string_check" else (low + high) / 2


def _summary(items: list[Mapping[str, Any]]) -> dict[str, Any]:
    """How a run went: by criterion, and what the model was asked."""
    passed, failed, used = Counter[str](), Counter[str](), Counter[str]()
    samples = [item["sample"] for item in items if item["sample"] and "usage" in item["sample"]]
    for result in (result for item in items for result in item["results"]):
        (passed if result["passed"] else failed)[result["name"]] += result["sample"] is None
    for sample in samples:
        used.update({"invocation_count": 1, **sample["usage"]})
    names = dict.fromkeys([*passed, *failed])
    return {
        "per_testing_criteria_results": [
            {"testing_criteria": name, "passed": passed[name], "failed": failed[name]} for name in names
        ],
        "per_model_usage": [{"model_name": model, **used} for model in {sample["model"]: None for sample in samples}],
    }
