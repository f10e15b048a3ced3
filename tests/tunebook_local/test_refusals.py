"""What the service refuses keeps nothing alive: each refusal is a fresh one."""

import asyncio
import gc
import importlib
import pkgutil
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType

import tunebook_local
from tunebook_local.desk.limits import Limits
from tunebook_local.http.gate import Gate


def test_no_module_keeps_an_exception_to_raise_again():
    modules = [name for _, name, _ in pkgutil.walk_packages(tunebook_local.__path__, "tunebook_local.")]
    kept = [
        f"{module}.{name}"
        for module in modules
        if not module.endswith("__main__")
        for name, value in vars(importlib.import_module(module)).items()
        if isinstance(value, BaseException)
    ]

    assert kept == []


def test_a_thousand_refusals_leave_no_traceback_behind():
    async def nobody(*_):
        raise AssertionError("refused before it gets here")

    async def swallow(_):
        pass

    gate = Gate(nobody, "sesame", "azure", Limits())
    scope = {"type": "http", "path": "/openai/v1/files", "query_string": b"", "headers": [(b"host", b"localhost")]}

    async def ask(times):
        for _ in range(times):
            await gate({**scope, "method": "GET"}, swallow, swallow)

    def tracebacks():
        gc.collect()
        return sum(isinstance(each, TracebackType) for each in gc.get_objects())

    with ThreadPoolExecutor(1) as aside:  # Playwright, where it ran before, keeps a loop running in this thread
        aside.submit(asyncio.run, ask(10)).result()
        before = tracebacks()
        aside.submit(asyncio.run, ask(1000)).result()

    assert tracebacks() <= before
