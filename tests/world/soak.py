"""A soak: the public calls through faults of many kinds, with nothing sent twice untold, no foreign error, no hang.

    python tests/world/soak.py [--faults 500] [--seed 0]

Each round one fault of a random kind meets one call. What is checked: the error, if any, is the kit's or the SDK's own;
a create or upload that returns made exactly one thing, or the others were named; one that raises has said what it does
not know; and the call came back within its limit. Prints a table, exits with 1 when something is wrong.
"""

import argparse
import random
import re
import sys
import time
from collections import Counter

import openai
from contrary import DROPPED, LOST, Carried, Contrary, Reply, completion, page, refusal, unwrapped

import tunebook as tb
from tunebook.errors import TunebookError
from tunebook.service.completions import complete

LIMIT_S = 30.0
EXAMPLES = [
    {"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": str(k)}]} for k in range(10)
]


def kinds():
    """name -> a fault, new each time."""
    bodies = {"null": b"null", "list": b"[]", "object": b"{}", "nothing": b"", "garbage": b"\x00\xff{", "text": b"ok"}
    faults = {
        "dropped before": DROPPED,
        "dropped after": LOST,
        "late": Carried(after_s=0.15),
        "doubled, answer lost": Carried(times=2),
        "doubled": lambda world: lambda call: (world._carry_out(call), world._carry_out(call))[0],
        "page": page(),
        "page, after": Carried(page()),
        "page 502": page(502),
        "cut": Reply(200, b'{"id": "ftjob-1", "object', cut=9),
        "cut, after": Carried(Reply(200, b'{"id": "ftjob-1", "object', cut=9)),
        "redirect": Reply(302, {}, {"location": "http://portal.invalid/"}),
        "gateway 404": unwrapped(404, "Resource not found"),
        "gateway 409, after": Carried(Reply(409, b"<html>Conflict</html>")),
        "429": Reply(429, {"error": {"code": "429", "message": "slow down"}}, {"retry-after-ms": "5"}),
    }
    faults |= {f"{name}, after": Carried(Reply(200, body)) for name, body in bodies.items()}
    faults |= {f"{name}": Reply(200, body) for name, body in bodies.items()}
    for status in (400, 401, 403, 408, 500, 503, 504):
        faults[str(status)] = refusal(status, "x", "no")
    faults |= {f"{status}, after": Carried(refusal(status, "x", "no")) for status in (500, 503)}
    return faults


def calls(ws, world, said):
    """name -> a public call."""
    quick = {"say": said.append, "sleep": lambda s: time.sleep(min(s, 0.05))}
    data = tb.read_dataset(EXAMPLES)
    number = iter(range(10**6))
    job, file = (lambda: world.jobs[0]["id"]), (lambda: world.files[0]["id"])
    request = lambda **more: tb.JobRequest(model="gpt-4.1-nano", training_file="file-1", **more)  # noqa: E731
    return {
        "create": lambda: ws.jobs.create(request(), **quick),
        "create, own seed": lambda: ws.jobs.create(request(seed=3, suffix="mine"), **quick),
        "upload": lambda: ws.files.upload(data, name=f"f{next(number)}.jsonl", **quick),
        "jobs": lambda: ws.jobs.list(),
        "job": lambda: ws.jobs.retrieve(job()),
        "run": lambda: ws.jobs.retrieve(job()).run(),
        "cancel": lambda: ws.jobs.retrieve(job()).cancel(),
        "files": lambda: ws.files.list(),
        "content": lambda: ws.files.content(file()),
        "chat": lambda: complete(ws.client, model="m", messages=[]),
        "deployments": lambda: ws.deployments.list(),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--faults", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    chance = random.Random(options.seed)  # noqa: S311 - a game
    world, said, wrong, tally = Contrary(), [], [], Counter()
    ws = tb.connect(world.url, api_key="k", environ={})
    ws.client = ws.client.with_options(max_retries=1)
    ws.poll_interval_s = (0.03, 0.1)
    faults, public = kinds(), calls(ws, world, said)
    world.answers("POST", "chat", completion("x"), always=True)
    world.answers("GET", "deployments", Reply(200, {"value": []}), always=True)
    public["create"](), public["upload"]()
    for number in range(options.faults):
        kind, name = chance.choice(sorted(faults)), chance.choice(sorted(public))
        fault = faults[kind](world) if callable(faults[kind]) else faults[kind]
        method = "POST" if name in ("create", "create, own seed", "upload", "chat", "cancel") else "GET"
        world._script.insert(0, [method, re.compile(""), [fault], False])
        before, kept, began = len(said), (len(world.jobs), len(world.files)), time.monotonic()
        outcome, error = "went well", None
        try:
            public[name]()
        except (TunebookError, openai.OpenAIError) as known:
            outcome, error = f"error of the {'kit' if isinstance(known, TunebookError) else 'SDK'}", known
        except Exception as foreign:
            outcome, error = "foreign error", foreign
            wrong.append(f"{number}: {name} under {kind}: {type(foreign).__name__}: {foreign}")
        took = time.monotonic() - began
        world._script.pop(0)
        time.sleep(0.2 if kind == "late" else 0)
        tally[outcome] += 1
        made = len(world.jobs) - kept[0] + len(world.files) - kept[1]
        told = said[before:]
        creates = name in ("create", "create, own seed", "upload")
        if took > LIMIT_S:
            wrong.append(f"{number}: {name} under {kind} took {took:.0f} s")
        if (
            creates
            and error is None
            and made != 1
            and kind != "doubled"
            and not any("as well" in line for line in told)
        ):
            wrong.append(f"{number}: {name} under {kind} made {made}, and nothing was told")
        if creates and error is not None and made and "look with" not in str(error).lower():
            wrong.append(f"{number}: {name} under {kind} raised {error} and made {made}")
    print(f"{options.faults} faults of {len(faults)} kinds, {len(public)} calls: ", dict(tally))
    print("\n".join(wrong) or "nothing sent twice untold, no foreign error, no hang")
    world.close()
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
