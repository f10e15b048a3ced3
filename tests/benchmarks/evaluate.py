"""How busy `evaluate` keeps a service, and whether its memory grows with the examples.

    python tests/benchmarks/evaluate.py [--latency 0.1] [--concurrency 16]

A service on this machine answers every call after a fixed time (it waits; it does not compute), so that what is
measured is the kit: wall time against calls / concurrency x mean latency, with 500 examples and two deployments, and
the peak of traced memory for 500 and for 5,000 examples. Exit code 1 when a target is missed.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import sys
import tempfile
import threading
import time
import tracemalloc
from pathlib import Path

from tunebook.data import read_dataset
from tunebook.experiments import evaluate
from tunebook.service import connect

MOST_WALL = 1.2
MOST_BYTES_PER_EXAMPLE = (
    1024  # scores, places in the file, and a digest of each prompt; texts would be several thousand
)
TEXT = "Dear help desk, the export of last month's invoices ends in a blank page. " * 40


class SlowService:
    """Chat completions after `latency` seconds, any number at once; nothing else."""

    def __init__(self, latency: float) -> None:
        self._latency = latency
        self._ready = threading.Event()
        threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True).start()
        self._ready.wait()

    async def _serve(self) -> None:
        server = await asyncio.start_server(self._talk, "127.0.0.1", 0, backlog=256)
        self.endpoint = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        self._ready.set()
        await server.serve_forever()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                length = next(int(h[15:]) for h in head.lower().split(b"\r\n") if h.startswith(b"content-length:"))
                model = json.loads(await reader.readexactly(length))["model"]
                await asyncio.sleep(self._latency)
                message = {"role": "assistant", "content": '{"category":"billing"}'}
                body = {"id": "x", "object": "chat.completion", "created": 1, "model": model}
                body["choices"] = [{"index": 0, "finish_reason": "stop", "message": message}]
                content = json.dumps(body).encode()
                writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n")
                writer.write(f"content-length: {len(content)}\r\n\r\n".encode() + content)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()


def examples(path: Path, n: int) -> Path:
    """A file of n examples with prompts of 3,000 characters."""
    with path.open("w") as file:
        for number in range(n):
            messages = [
                {"role": "user", "content": f"{number}: {TEXT}"},
                {"role": "assistant", "content": '{"category":"billing"}' if number % 3 else '{"category":"bug"}'},
            ]
            file.write(json.dumps({"messages": messages}) + "\n")
    return path


def run(endpoint: str, folder: Path, n: int, concurrency: int) -> Path:
    """Evaluate n examples x 2 deployments; the file of answers."""
    ws = connect(endpoint, api_key="k", environ={})
    answers = folder / f"answers-{n}-{time.monotonic_ns()}.jsonl"
    data = read_dataset(folder / f"{n}.jsonl")
    evaluate(ws, data, ["base", "tuned"], concurrency=concurrency, path=answers, progress=False)
    return answers


def wall(endpoint: str, folder: Path, n: int, concurrency: int) -> tuple[float, float]:
    """(wall seconds, mean latency of a call in seconds) of an evaluation."""
    began = time.monotonic()
    answers = run(endpoint, folder, n, concurrency)
    took = time.monotonic() - began
    records = [json.loads(line) for line in answers.read_text().splitlines()[1:]]
    assert len(records) == 2 * n
    return took, statistics.mean(record["latency_s"] for record in records)


def peak(endpoint: str, folder: Path, n: int) -> int:
    """Peak of the memory that Python traced during an evaluation of n examples."""
    tracemalloc.start()
    run(endpoint, folder, n, concurrency=32)
    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak_bytes


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--latency", type=float, default=0.1, help="seconds a call takes")
    parser.add_argument("--concurrency", type=int, default=16)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for n in (10, 500, 5000):
            examples(folder / f"{n}.jsonl", n)
        slow = SlowService(options.latency)
        wall(slow.endpoint, folder, 10, options.concurrency)  # imports, connections
        took, latency = wall(slow.endpoint, folder, 500, options.concurrency)
        ideal = 1000 / options.concurrency * latency
        served = 1000 / options.concurrency * options.latency
        print(
            f"500 examples x 2: {took:.2f} s; calls / concurrency x mean latency = {ideal:.2f} s: {took / ideal:.2f} x"
        )
        print(f"  against the service's own latency ({served:.2f} s): {took / served:.2f} x")
        fast = SlowService(0.0)
        small, large = peak(fast.endpoint, folder, 500), peak(fast.endpoint, folder, 5000)
        each = (large - small) / 4500
        print(f"peak memory: {small / 1e6:.1f} MB for 500, {large / 1e6:.1f} MB for 5,000: {each:.0f} bytes an example")
    return int(took > MOST_WALL * ideal or each > MOST_BYTES_PER_EXAMPLE)


if __name__ == "__main__":
    sys.exit(main())
