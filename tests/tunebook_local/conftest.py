"""What the tests of the embedded service share, beside the services of `tests/conftest.py`."""

import inspect

import pytest


@pytest.fixture(scope="module")
def start_for_module(service):
    """Start services with options of one's own that all tests of a module share."""
    start_service = inspect.getmodule(type(service)).start_service  # pytest gives conftest files no name to import
    started = []

    def begin(*options, state):
        started.append(start_service(state, *options))
        return started[-1]

    yield begin
    for running in started:
        running.kill()
