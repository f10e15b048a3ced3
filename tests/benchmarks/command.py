"""How long the command takes from typing to answer, and an agent's call from asking to answer.

    python tests/benchmarks/command.py

Baselines in the same run: starting Python, starting Python with the API's own SDK, and the same list asked of a
service that this process holds open. Each is the median of several.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from statistics import median

ROUNDS, CALLS = 7, 50


def timed(do: Callable[[], object], rounds: int) -> float:
    took = []
    for _ in range(rounds):
        begun = time.perf_counter()
        do()
        took.append(time.perf_counter() - begun)
    return median(took)


def process(*arguments: str) -> float:
    run = lambda: subprocess.run([sys.executable, *arguments], capture_output=True, check=True)  # noqa: E731
    run()
    return timed(run, ROUNDS)


def agent(state: str) -> tuple[float, float]:
    """(seconds until the server answers its first call, seconds of a later call)."""
    import anyio
    import mcp
    from mcp.client.stdio import stdio_client

    found = []

    async def play() -> None:
        environ = {**os.environ, "TUNEBOOK_STATE": state}
        server = mcp.StdioServerParameters(command=sys.executable, args=["-m", "tunebook", "mcp"], env=environ)
        begun = time.perf_counter()
        async with mcp.Client(stdio_client(server)) as client:
            await client.call_tool("jobs", {})
            found.append(time.perf_counter() - begun)
            took = []
            for _ in range(CALLS):
                begun = time.perf_counter()
                await client.call_tool("jobs", {})
                took.append(time.perf_counter() - begun)
            found.append(median(took))

    anyio.run(play)
    return found[0], found[1]


def main() -> None:
    with tempfile.TemporaryDirectory() as state:
        os.environ["TUNEBOOK_STATE"] = state
        os.environ.pop("AZURE_OPENAI_ENDPOINT", None)
        from tunebook.service import connect

        workspace = connect(say=str)
        python, sdk = process("-c", "pass"), process("-c", "import openai")
        help_, listing = process("-m", "tunebook", "--help"), process("-m", "tunebook", "jobs", "list")
        asked = timed(workspace.jobs.list, CALLS)
        first, call = agent(state)
        print(f"tunebook --help      {help_:6.3f} s   {help_ / python:5.1f} × starting Python ({python:.3f} s)")
        print(f"tunebook jobs list   {listing:6.3f} s   {listing / sdk:5.1f} × `import openai` ({sdk:.3f} s)")
        print(f"MCP: first answer    {first:6.3f} s   {first / sdk:5.1f} × `import openai`")
        print(f"MCP: a call of jobs  {call:6.3f} s   {call / asked:5.1f} × ws.jobs.list() ({asked:.4f} s)")
        import json
        from pathlib import Path

        import psutil

        for record in Path(state).glob("service.json"):
            psutil.Process(json.loads(record.read_text())["pid"]).terminate()


if __name__ == "__main__":
    main()
