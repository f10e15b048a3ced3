"""A real service in a process of its own, on a free port, with a state folder that goes away."""

import json
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

EXAMPLE = {"messages": [{"role": "user", "content": "How many?"}, {"role": "assistant", "content": "Three of them."}]}


@dataclass
class Running:
    """A running service: where it is, its key, its state folder, and the process itself."""

    endpoint: str
    api_key: str = field(repr=False)
    state: Path
    process: subprocess.Popen = field(repr=False)

    def client(self, **options):
        """An openai client, as anyone would make it."""
        from openai import OpenAI

        return OpenAI(base_url=f"{self.endpoint}/openai/v1/", api_key=self.api_key, **options)

    def dated_client(self, version="2025-04-01-preview", **options):
        from openai import AzureOpenAI

        return AzureOpenAI(azure_endpoint=self.endpoint, api_key=self.api_key, api_version=version, **options)

    def http(self, **options):
        """A bare HTTP client with the key."""
        import httpx

        options.setdefault("headers", {"api-key": self.api_key})
        return httpx.Client(base_url=self.endpoint, timeout=30, trust_env=False, **options)

    def stop(self):
        self.process.terminate()
        self.process.wait(20)

    def kill(self):
        self.process.kill()
        self.process.wait(20)


def start_service(state, *options):
    """Start `python -m tunebook.local` on this folder and wait for its line."""
    command = [sys.executable, "-m", "tunebook.local", "--state", str(state), "--json", *map(str, options)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)
    line = process.stdout.readline()
    process.stdout.close()
    if not line:
        raise RuntimeError(f"the service did not start: exit code {process.wait(5)}")
    record = json.loads(line)
    return Running(record["endpoint"], record["api_key"], Path(state), process)


def jsonl(examples):
    return b"".join(json.dumps(example).encode() + b"\n" for example in examples)


def upload(client, examples=None, *, count=12, name="train.jsonl"):
    """Upload examples (or `count` tiny ones) and wait until the file is processed; its id."""
    content = jsonl(examples if examples is not None else [EXAMPLE] * count)
    file = client.files.create(file=(name, content), purpose="fine-tune")
    return client.files.wait_for_processing(file.id, poll_interval=0.02, max_wait_seconds=20).id


def until(condition, *, within=30.0):
    """Ask again and again until the answer is true; the answer. The service runs in real time, so must this."""
    deadline = time.monotonic() + within
    while True:
        answer = condition()
        if answer:
            return answer
        assert time.monotonic() < deadline, f"still not after {within} s"
        time.sleep(0.02)


def ended(client, job_id, *, within=30.0):
    """The job once it has ended."""

    def look():
        job = client.fine_tuning.jobs.retrieve(job_id)
        return job if job.status in ("succeeded", "failed", "cancelled") else None

    return until(look, within=within)
