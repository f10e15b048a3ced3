"""litellm's Azure provider: files, jobs, and a chat with what was trained."""

import io

import litellm
from steps import BASE, ENDPOINT, KEY, LINES, deploy, end, step, until

AZURE = {"custom_llm_provider": "azure", "api_base": ENDPOINT, "api_key": KEY, "api_version": "2024-10-21"}
CHAT = {"api_base": ENDPOINT, "api_key": KEY, "api_version": "2024-10-21", "max_tokens": 8}
SAID = [{"role": "user", "content": "Say 3"}]
made = {}

with step("create_file"):
    made["file"] = litellm.create_file(file=("t.jsonl", io.BytesIO(LINES)), purpose="fine-tune", **AZURE).id
with step("file_retrieve"):
    until(lambda: litellm.file_retrieve(made["file"], **AZURE).status == "processed")
with step("file_list"):
    assert made["file"] in {file.id for file in litellm.file_list(**AZURE)}
with step("file_content"):
    assert litellm.file_content(made["file"], **AZURE).content == LINES
with step("create_fine_tuning_job"):
    job = litellm.create_fine_tuning_job(
        model=BASE, training_file=made["file"], hyperparameters={"n_epochs": 1}, **AZURE
    )
    made["job"] = job.id
with step("retrieve_fine_tuning_job"):
    job = until(lambda: (job := litellm.retrieve_fine_tuning_job(made["job"], **AZURE)).status == "succeeded" and job)
    made["model"] = job.fine_tuned_model
with step("list_fine_tuning_jobs"):
    assert made["job"] in {job.id for job in litellm.list_fine_tuning_jobs(limit=5, **AZURE)}
with step("cancel_fine_tuning_job"):
    second = litellm.create_fine_tuning_job(model=BASE, training_file=made["file"], **AZURE).id
    assert litellm.cancel_fine_tuning_job(second, **AZURE).status in ("cancelled", "cancelling")
with step("completion"):
    deploy("litellm", made["model"])
    assert litellm.completion("azure/litellm", messages=SAID, **CHAT).choices[0].message.content
with step("completion, streamed"):
    chunks = litellm.completion("azure/litellm", messages=SAID, stream=True, **CHAT)
    pieces = [chunk.choices[0].delta.content or "" for chunk in chunks]
    assert "".join(pieces)
with step("file_delete"):
    litellm.file_delete(made["file"], **AZURE)
end()
