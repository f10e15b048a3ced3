"""A soak: the public calls through faults of many kinds, with nothing sent twice untold, no foreign error, no hang.

    python tests/world/soak.py [--faults 500] [--seed 0]

Each round one fault of a random kind meets one call. What is checked: the error, if any, is the kit's or the SDK's own;
a create, upload, import or sweep that returns made exactly what was asked for, or the others were named; one that
raises has said what it does not know (a sweep goes on where it was); and the call came back within its limit. Prints a
table, exits with 1 when something is wrong.
"""

import argparse
import io
import random
import re
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import openai
from contrary import DROPPED, LOST, Carried, Contrary, Reply, completion, page, refusal, unwrapped

import tunebook as tb
from tunebook.errors import TunebookError
from tunebook.experiments.evaluation import evaluate as evaluating
from tunebook.service.completions import complete
from tunebook.service.uploads import Sender, upload_in_parts

LIMIT_S = 30.0
MADE = {"create": 1, "create, own seed": 1, "upload": 1, "upload in parts": 1, "import": 1, "sweep": 2}
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


def calls(ws, world, said, scratch):
    """name -> (method of the request that meets the fault, a pattern of its path, a public call)."""
    quick = {"say": said.append, "sleep": lambda s: time.sleep(min(s, 0.05))}
    data = tb.read_dataset(EXAMPLES)
    number = iter(range(10**6))
    job, file = (lambda: world.jobs[0]["id"]), (lambda: world.files[0]["id"])
    request = lambda **more: tb.JobRequest(model="gpt-4.1-nano", training_file="file-1", **more)  # noqa: E731
    folders = (scratch / f"{n}" for n in range(10**6))

    def sweep():
        began, how = tb.Sweep(request(), {"n_epochs": [1, 2]}, folder=next(folders)), {**quick, "show": bool}
        try:
            began.run(ws, **how)
        except (TunebookError, openai.OpenAIError):
            tb.Sweep.open(began.folder).run(ws, **how)
            raise

    def in_parts():
        name = f"p{next(number)}.jsonl"
        more = {"name": name, "total": 25, "key": name, "part_bytes": 10, "folder": scratch / "notes"}
        return upload_in_parts(Sender(ws, **quick), io.BytesIO(b"x" * 25), **more)

    asked = {"held_out": False, "progress": False}
    return {
        "create": ("POST", "", lambda: ws.jobs.create(request(), **quick)),
        "create, own seed": ("POST", "", lambda: ws.jobs.create(request(seed=3, suffix="mine"), **quick)),
        "sweep": ("POST", "", sweep),
        "upload": ("POST", "", lambda: ws.files.upload(data, name=f"f{next(number)}.jsonl", **quick)),
        "upload in parts": ("POST", "parts|complete", in_parts),
        "import": ("POST", "", lambda: ws.files.import_url(f"https://x.example/{next(number)}.jsonl", **quick)),
        "jobs": ("GET", "", lambda: ws.jobs.list()),
        "job": ("GET", "", lambda: ws.jobs.retrieve(job())),
        "run": ("GET", "", lambda: ws.jobs.retrieve(job()).run()),
        "cancel": ("POST", "", lambda: ws.jobs.retrieve(job()).cancel()),
        "files": ("GET", "", lambda: ws.files.list()),
        "content": ("GET", "", lambda: ws.files.content(file())),
        "chat": ("POST", "", lambda: complete(ws, model="m", messages=[])),
        "evaluate": ("POST", "", lambda: tb.evaluate(ws, data, ["m", "n"], path=next(folders), **asked)),
        "deployments": ("GET", "", lambda: ws.deployments.list()),
    }


def ended(world, call):
    """Every job has succeeded by the time it is looked at."""
    for job in world.jobs:
        job["status"] = "succeeded"
    return world._carry_out(call)


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
    evaluating.served_model = lambda _, name: name
    scratch = tempfile.TemporaryDirectory()
    faults, public = kinds(), calls(ws, world, said, Path(scratch.name))
    world.answers("POST", "chat", completion("x"), always=True)
    world.answers("GET", "deployments", Reply(200, {"value": []}), always=True)
    world.answers("GET", "fine_tuning/jobs", lambda call: ended(world, call), always=True)
    public["create"][2](), public["upload"][2]()
    for number in range(options.faults):
        kind, name = chance.choice(sorted(faults)), chance.choice(sorted(public))
        fault = faults[kind](world) if callable(faults[kind]) else faults[kind]
        method, path, call = public[name]
        world._script.insert(0, [method, re.compile(path), [fault], False])
        before, kept, began = len(said), len(world.jobs) + len(world.files), time.monotonic()
        outcome, error = "went well", None
        try:
            call()
        except (TunebookError, openai.OpenAIError) as known:
            outcome, error = f"error of the {'kit' if isinstance(known, TunebookError) else 'SDK'}", known
        except Exception as foreign:
            outcome, error = "foreign error", foreign
            wrong.append(f"{number}: {name} under {kind}: {type(foreign).__name__}: {foreign}")
        took = time.monotonic() - began
        world._script.pop(0)
        time.sleep(0.2 if kind == "late" else 0)
        tally[outcome] += 1
        made, told = len(world.jobs) + len(world.files) - kept, said[before:]
        if took > LIMIT_S:
            wrong.append(f"{number}: {name} under {kind} took {took:.0f} s")
        if name not in MADE:
            continue
        named = sum("as well" in line for line in told)
        if (error is None or name == "sweep") and made != MADE[name] + named:
            wrong.append(f"{number}: {name} under {kind} made {made}, and told {told}")
        elif error is not None and name != "sweep" and made and "look with" not in str(error).lower():
            wrong.append(f"{number}: {name} under {kind} raised {error} and made {made}")
    print(f"{options.faults} faults of {len(faults)} kinds, {len(public)} calls: ", dict(tally))
    print("\n".join(wrong) or "nothing sent twice untold, no foreign error, no hang")
    world.close()
    scratch.cleanup()
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
