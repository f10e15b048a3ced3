"""Files: each state ends the waiting with a sentence, nothing is uploaded twice or taken for whole when cut short."""

import io
from types import SimpleNamespace

import pytest
from contrary import DROPPED, LOST, Carried, Reply, page, refusal

import tunebook as tb
from tunebook.errors import DataError, ResultsError, ServiceError
from tunebook.experiments import clear
from tunebook.service.uploads import Sender, upload_in_parts

EXAMPLES = [
    {"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": f"{k}"}]} for k in range(10)
]


def upload(ws, said=None, **more):
    say = str if said is None else said.append
    return ws.files.upload(tb.read_dataset(EXAMPLES), name="t.jsonl", say=say, sleep=lambda _: None, **more)


def in_state(world, status, **more):
    file = {"id": "file-1", "object": "file", "bytes": 10, "created_at": 1, "filename": "t.jsonl", **more}
    reply = Reply(200, file | {"purpose": "fine-tune", "status": status})
    world.answers("POST", "files", reply)
    world.answers("GET", "files", reply, always=True)


@pytest.mark.parametrize(
    ("status", "words"),
    [
        ("error", "the service refused the file: bad line 3. `tunebook check` finds the lines."),
        ("failed", "the service could not process the file: bad line 3. Upload it again."),
        ("cancelled", "the processing of the file was cancelled at the service: bad line 3. Upload it again."),
        ("deleting", "the file is being deleted at the service: bad line 3. Upload it again."),
        ("deleted", "the file was deleted at the service while it was processed: bad line 3. Upload it again."),
    ],
)
def test_each_state_that_ends_badly_is_told(world, there, status, words):
    in_state(world, status, status_details="bad line 3.")

    with pytest.raises(DataError) as refused:
        upload(there)

    assert str(refused.value) == f"t.jsonl (file-1): {words}"


@pytest.mark.parametrize("status", ["pending", "uploaded", "something_new", None])
def test_a_file_that_is_never_processed_is_told_of_and_given_up(world, there, status):
    in_state(world, status)
    there.poll_interval_s = (20.0, 20.0)
    said = []

    with pytest.raises(ServiceError, match=r"is still .* after 130 s"):
        upload(there, said, timeout_s=130)

    assert said == [f"t.jsonl: {status} at the service for 80 s."]


def test_the_waiting_outlasts_a_service_that_is_away(world, there):
    world.answers("POST", "files", Reply(200, {"id": "file-1", "object": "file", "status": "pending"}))
    world.answers(
        "GET", "files/file-1", page(), refusal(503, "x", "x"), Reply(200, {"id": "file-1", "status": "processed"})
    )

    assert upload(there).status == "processed"


@pytest.mark.parametrize("answer", [LOST, page(), refusal(503, "x", "x")])
def test_an_upload_whose_answer_is_lost_is_found_and_not_doubled(world, there, answer):
    world.answers("POST", "files", answer if answer is LOST else Carried(answer))

    file = upload(there)

    assert [kept["id"] for kept in world.files] == [file.id]


def test_an_upload_that_did_not_arrive_is_sent_again_whole(world, there):
    world.answers("POST", "files", DROPPED)
    seen = []

    file = upload(there, progress=lambda *at: seen.append(at))

    assert world.contents[file.id] == tb.read_dataset(EXAMPLES).to_bytes()
    assert seen[-1][0] == seen[-1][1]


def in_parts(ws, said, folder, content=b"x" * 25):
    sender = Sender(ws, said.append, lambda _: None)
    return upload_in_parts(
        sender, io.BytesIO(content), name="t.jsonl", total=len(content), key="k", part_bytes=10, folder=folder
    )


@pytest.mark.parametrize("step", ["uploads\\?", "parts", "complete"])
@pytest.mark.parametrize("fault", [LOST, DROPPED, Carried(page()), Carried(refusal(503, "x", "x"))])
def test_an_upload_in_parts_is_one_file_whichever_answer_is_lost_and_that_is_told(world, there, tmp_path, step, fault):
    world.answers("POST", step, fault)
    said = []

    file = in_parts(there, said, tmp_path)

    assert [kept["id"] for kept in world.files] == [file.id]
    assert "its answer was lost" in said[0]


def test_the_file_of_an_earlier_upload_in_parts_is_not_taken_for_the_new_one(world, there, tmp_path):
    first = in_parts(there, [], tmp_path)
    world.answers("POST", "complete", LOST)

    assert in_parts(there, [], tmp_path).id != first.id
    assert len(world.files) == 2


@pytest.mark.parametrize("fault", [LOST, DROPPED, Carried(page()), Carried(refusal(503, "x", "x"))])
def test_an_import_whose_answer_is_lost_is_one_file(world, there, fault):
    world.answers("POST", "import", fault)
    said = []

    file = there.files.import_url("https://box.example/t.jsonl?sig=secret", say=said.append, sleep=lambda _: None)

    assert [kept["id"] for kept in world.files] == [file.id]
    assert said
    assert "secret" not in str(said)


def test_a_doubled_upload_is_told_with_the_call_that_deletes_the_other(world, there):
    world.answers("POST", "files", lambda call: (world._carry_out(call), world._carry_out(call))[0])
    said = []

    file = upload(there, said)

    (double,) = {kept["id"] for kept in world.files} - {file.id}
    assert said == [
        f"upload of t.jsonl: {file.id} is the one; {double} was created as well, and is not needed: "
        f'ws.files.delete("{double}")'
    ]


def test_the_same_file_uploaded_twice_on_purpose_is_no_double(there):
    said = []

    upload(there, said), upload(there, said)

    assert said == []


class Item:
    """As an inventory has it."""

    kind, first, key, name = "file", (), "file:x", "t.jsonl"

    def __init__(self, file_id):
        self.id = file_id


@pytest.mark.parametrize("fault", [Carried(page()), Carried(refusal(503, "x", "x")), LOST])
def test_a_deletion_whose_answer_is_lost_counts_as_what_became_of_it(world, there, fault):
    there.client = there.client.with_options(max_retries=0)
    file = upload(there)
    world.answers("DELETE", "files", fault)

    cleared = clear(there, SimpleNamespace(steps=[Item(file.id)], refused=[]), dry_run=False, log=None)

    assert world.files == []
    assert [each.outcome for each in cleared.deletions] == ["deleted"]


def test_a_deletion_that_did_not_arrive_has_failed(world, there):
    there.client = there.client.with_options(max_retries=0)
    file = upload(there)
    world.answers("DELETE", "files", refusal(503, "x", "busy"))

    cleared = clear(there, SimpleNamespace(steps=[Item(file.id)], refused=[]), dry_run=False, log=None, sleep=bool)

    (deletion,) = cleared.deletions
    assert deletion.outcome == "failed"
    assert deletion.reason.endswith("busy")


def finished(world, content, told):
    world.jobs.append(
        {"id": "ftjob-1", "object": "fine_tuning.job", "created_at": 1, "status": "succeeded", "model": "m"}
        | {"training_file": "f", "result_files": ["file-r"]}
    )
    world.files.append({"id": "file-r", "object": "file", "bytes": told, "created_at": 1, "filename": "results.csv"})
    world.contents["file-r"] = content


@pytest.mark.parametrize(
    ("content", "told", "words"),
    [
        (b"", 0, "its result file file-r is empty"),
        (b"step,train_loss\n1,0.5\n", 90, "22 bytes come, and its record tells 90"),
    ],
)
def test_a_result_file_that_is_empty_or_cut_short_is_told_everywhere(world, there, content, told, words):
    finished(world, content, told)
    job = there.jobs.retrieve("ftjob-1")

    with pytest.raises(ResultsError, match=words):
        job.results()
    assert words in job.run().problems["results.csv"]


def test_a_page_in_place_of_a_result_file_is_no_result_file(world, there):
    finished(world, b"", 10)
    world.answers("GET", "content", page(), always=True)

    with pytest.raises(ServiceError, match="answers with an HTML page"):
        there.jobs.retrieve("ftjob-1").results()
