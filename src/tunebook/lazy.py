"""Names of a package that load their module on first use, so that a name costs only what it needs (PEP 562)."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any


def lazy_names(package: str, home: Mapping[str, str]) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """The `__getattr__` and `__dir__` of a package; `home` says of each public name which module of it holds it."""

    def load(name: str) -> Any:
        if name not in home:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        try:
            module = import_module(f"{package}.{home[name]}")
        except ModuleNotFoundError as error:
            advice = (
                f"pip install {error.name}, and start the kernel again; `tunebook doctor` finds what else is missing"
            )
            raise ModuleNotFoundError(f"{package}.{name} needs {error.name}: {advice}.", name=error.name) from error
        value = getattr(module, name)
        setattr(sys.modules[package], name, value)  # asked once
        return value

    return load, lambda: sorted(home)
