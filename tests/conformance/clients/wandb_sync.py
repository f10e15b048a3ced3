"""`openai.wandb sync`, as W&B's integration does it, into files (`WANDB_MODE=offline`)."""

import io

from openai import OpenAI
from steps import BASE, ENDPOINT, KEY, LINES, end, step, until
from wandb.integration.openai.fine_tuning import WandbLogger

client = OpenAI(base_url=f"{ENDPOINT}/openai/v1/", api_key=KEY)
made = {}

with step("train"):
    file = client.files.create(file=("t.jsonl", io.BytesIO(LINES)), purpose="fine-tune")
    client.files.wait_for_processing(file.id, poll_interval=0.2)
    made["job"] = client.fine_tuning.jobs.create(
        model=BASE, training_file=file.id, validation_file=file.id, hyperparameters={"n_epochs": 2}
    ).id
    until(lambda: client.fine_tuning.jobs.retrieve(made["job"]).status == "succeeded")
with step("sync by id"):
    told = WandbLogger.sync(
        fine_tune_job_id=made["job"], openai_client=client, project="tunebook", overwrite=True, log_datasets=False
    )
    assert told, told
with step("sync of all"):
    WandbLogger.sync(openai_client=client, num_fine_tunes=1, project="tunebook", overwrite=True, log_datasets=False)
end()
