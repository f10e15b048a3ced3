"""Docstrings as Markdown: the kit writes plain paragraphs, `>>>` examples, and `name: meaning` for parameters."""

from __future__ import annotations

import re
from typing import Any

import griffe

NAMES = re.compile(r"(?:^|(?<=[.;] )|(?<=[.;]\n))([A-Za-z_]\w*(?:, [A-Za-z_]\w*)*): ", flags=re.MULTILINE)


def as_markdown(text: str, names: frozenset[str] = frozenset()) -> str:
    """The docstring with its examples fenced as code, and what it says of `names` (parameters, fields) as a list."""
    return "\n\n".join(_block(block, names) for block in re.split(r"\n(?:[ \t]*\n)+", text.strip("\n")))


def _block(block: str, names: frozenset[str]) -> str:
    if block.lstrip().startswith(">>> "):
        return f"```pycon\n{block}\n```"
    if block.startswith("    "):
        return block  # code or a drawing already
    starts = [found for found in NAMES.finditer(block) if set(found[1].split(", ")) <= names]
    if not starts:
        return block
    ends = [found.start() for found in starts[1:]] + [len(block)]
    items, after = [], ""
    for found, end in zip(starts, ends, strict=True):
        told = block[found.end() : end].strip().rstrip(";")
        if end == len(block):  # a sentence that begins on a line of its own is no longer about the last name
            told, _, after = re.sub(r"(?<=\.)\n(?=[A-Z])", "\n\n", told, count=1).partition("\n\n")
        items.append(f"- `{found[1]}`: " + told.replace("\n", " "))
    return "\n\n".join(part for part in (block[: starts[0].start()].strip(), "\n".join(items), after) if part)


class Markdown(griffe.Extension):
    """Rewrites each docstring once it is loaded."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        if obj.docstring is None:
            return
        own = {name for name, member in obj.members.items() if member.is_attribute} if obj.is_class else set()
        called = obj.members.get("__init__") if obj.is_class else obj
        given = {p.name for p in called.parameters} if getattr(called, "is_function", False) else set()
        obj.docstring.value = as_markdown(obj.docstring.value, frozenset(own | given))
