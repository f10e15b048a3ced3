"""What the clients written in Python share: steps that are named and told, and a little training file."""

import contextlib
import http.client
import json
import os
import sys
import time
from urllib.parse import urlsplit

ENDPOINT, KEY = os.environ["ENDPOINT"], os.environ["KEY"]
BASE = "gpt-4.1-nano-2025-04-14"
EXAMPLES = [
    {"messages": [{"role": "user", "content": f"Say {n}"}, {"role": "assistant", "content": f"{n}!"}]} for n in range(9)
]
LINES = "".join(f"{json.dumps(example)}\n" for example in EXAMPLES).encode()
_failed = []


@contextlib.contextmanager
def step(name):
    """One step of a client; that it fails stops no other."""
    try:
        yield
    except Exception as error:
        _failed.append(name)
        print(f"FAILED {name}: {type(error).__name__}: {error}", flush=True)
    else:
        print(f"ok {name}", flush=True)


def until(condition, within=120.0):
    deadline = time.monotonic() + within
    while not (answer := condition()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"not so after {within:g} s")
        time.sleep(0.2)
    return answer


def deploy(name, model):
    """As Azure Resource Manager is asked for it."""
    place = f"/subscriptions/s/resourceGroups/g/providers/Microsoft.CognitiveServices/accounts/a/deployments/{name}"
    body = {"sku": {"name": "Standard", "capacity": 1}, "properties": {"model": {"format": "OpenAI", "name": model}}}
    headers = {"authorization": f"Bearer {KEY}", "content-type": "application/json"}
    line = http.client.HTTPConnection(urlsplit(ENDPOINT).netloc)

    def state(method, content=None):
        line.request(method, f"{place}?api-version=2024-10-01", content, headers)
        return json.loads(line.getresponse().read())["properties"]["provisioningState"]

    state("PUT", json.dumps(body))
    until(lambda: state("GET") == "Succeeded")


def end():
    sys.exit(1 if _failed else 0)
