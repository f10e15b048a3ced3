"""The README's table of endpoints is what the service offers: no operation more, none less."""

import re
from pathlib import Path
from types import SimpleNamespace

import tunebook_local
from tunebook_local.http.app import create_app

README = Path(tunebook_local.__file__).with_name("README.md")


def told():
    """(method, pattern of the path) of each operation in the table; `…` stands for what comes before."""
    rows = [line.split("|")[1] for line in README.read_text("utf-8").splitlines() if line.startswith("| `")]
    methods = "GET"
    for operation in (each for row in rows for each in re.findall(r"`([^`]+)`", row)):
        *named, path = operation.split(" ")
        if not path.startswith(("/", "…")):
            continue
        methods = named[0] if named else methods
        pattern = re.sub(r"\\\{\w+\\\}", r"\\{\\w+\\}", re.escape(path)).replace("…", ".*")
        for method in methods.split("/"):
            yield method, re.compile(pattern)


def offered():
    desk = SimpleNamespace(dialect="azure", limits={})
    app = create_app(SimpleNamespace(desk=desk, supervisor=None))
    return {(method, route.path) for route in app.routes for method in route.methods - {"HEAD"}}


def test_each_operation_of_the_service_stands_in_the_table():
    table = list(told())

    assert {(m, path) for m, path in offered() if not any(m == n and p.fullmatch(path) for n, p in table)} == set()


def test_the_table_promises_nothing_that_is_not_there():
    routes = offered()

    assert {(m, p.pattern) for m, p in told() if not any(m == n and p.fullmatch(path) for n, path in routes)} == set()
