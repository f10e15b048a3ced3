"""Public names load their module on first use, so that a name costs only what it needs (PEP 562).

Each name is written once, in the `__init__.pyi` beside a package's `__init__.py`: type checkers read it as it is.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import lazy_loader


def lazy_names(package: str, file: str) -> tuple[Callable[[str], Any], Callable[[], list[str]], list[str]]:
    """The `__getattr__`, `__dir__` and `__all__` of a package (`__name__`, `__file__`), from the stub beside it."""
    attribute, listed, names = lazy_loader.attach_stub(package, file)

    def load(name: str) -> Any:
        if name not in names:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        try:
            return attribute(name)
        except ModuleNotFoundError as error:
            if (error.name or "tunebook").startswith("tunebook"):
                raise  # one of ours: no package index has it
            advice = (
                f"pip install {error.name}, and start the kernel again; `tunebook doctor` finds what else is missing"
            )
            raise ModuleNotFoundError(f"{package}.{name} needs {error.name}: {advice}.", name=error.name) from error

    return load, listed, names
