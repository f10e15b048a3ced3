"""The source of a python grader, read and never run: does it compile, is there a `grade`, what does it touch?"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from typing import Any

LONGEST = 256 * 1024  # bytes (https://learn.microsoft.com/azure/ai-foundry/openai/how-to/reinforcement-fine-tuning)
_SHAPE = "it must define grade(sample, item) and return a number"
_WRITING = {"mkdir", "makedirs", "remove", "unlink", "rmdir", "rmtree", "touch", "rename", "replace", "copy", "move"}
_FILES = {"os", "shutil", "pathlib", "Path"}
_OUTSIDE = {
    **dict.fromkeys(("socket", "requests", "httpx", "urllib", "http", "aiohttp", "openai"), "the network"),
    **dict.fromkeys(("subprocess", "multiprocessing"), "other programs"),
}


def source_problems(source: Any, where: str) -> Iterator[str]:
    """What keeps the source from grading at all."""
    if not isinstance(source, str) or not source.strip():
        yield f"{where} is {source!r}; {_SHAPE}"
        return
    if (size := len(source.encode("utf-8", "replace"))) > LONGEST:
        yield f"{where} has {size} bytes; {LONGEST} are the most"
        return
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        line = getattr(error, "lineno", None)
        yield f"{where} does not compile{f', line {line}' if line else ''}: {getattr(error, 'msg', error)}"
        return
    function = _grade(tree)
    if function is None:
        yield f"{where} has no function grade; {_SHAPE}"
    elif not _takes_two(function.args):
        yield f"{where}, line {function.lineno}: grade({ast.unparse(function.args)}) takes other arguments; {_SHAPE}"
    elif not any(isinstance(node, ast.Return) and node.value for node in ast.walk(function)):
        yield f"{where}, line {function.lineno}: grade returns nothing; {_SHAPE}"


def source_doubts(source: Any, where: str) -> Iterator[str]:
    """What the service's box for graders forbids or ends: files, the network, other programs, a loop without an end."""
    if (tree := _tree(source)) is None:
        return
    for node in ast.walk(tree):
        line = f"{where}, line {getattr(node, 'lineno', 0)}"
        if isinstance(node, ast.While) and _endless(node):
            yield f"{line}: the loop has no end; the service stops a grader after two minutes"
        elif isinstance(node, ast.Call) and _writes(node):
            yield f"{line}: {ast.unparse(node.func)} writes to disk; what a grader writes is lost"
        elif isinstance(node, ast.Import | ast.ImportFrom):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else [node.module or ""]
            for name in names:
                if reached := _OUTSIDE.get(name.partition(".")[0]):
                    yield f"{line}: {name} reaches {reached}, which a grader cannot"


def paths_of_source(source: Any) -> Iterator[str]:
    """What the source reads for certain, `item["a"]["b"]` as `item.a.b`, and likewise of the sample; `get` may miss."""
    if (tree := _tree(source)) is None or (function := _grade(tree)) is None or not _takes_two(function.args):
        return
    named = [*function.args.posonlyargs, *function.args.args]
    roots = {named[0].arg: "sample", named[1].arg: "item"}
    inner = {id(node.value) for node in ast.walk(function) if isinstance(node, ast.Subscript)}
    for node in ast.walk(function):
        if isinstance(node, ast.Subscript) and id(node) not in inner and (path := _path(node, roots)):
            yield path


def _tree(source: Any) -> ast.Module | None:
    try:
        return ast.parse(source) if isinstance(source, str) else None
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _grade(tree: ast.Module) -> ast.FunctionDef | None:
    return next((node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == "grade"), None)


def _takes_two(arguments: ast.arguments) -> bool:
    named = len(arguments.posonlyargs) + len(arguments.args)
    return named >= 2 and named - len(arguments.defaults) <= 2


def _path(node: ast.expr, roots: Mapping[str, str]) -> str:
    """`item["a"]["b"]` as `item.a.b`, up to what is no constant key."""
    if isinstance(node, ast.Name):
        return roots.get(node.id, "")
    if not isinstance(node, ast.Subscript) or not (above := _path(node.value, roots)):
        return ""
    key = node.slice.value if isinstance(node.slice, ast.Constant) else None
    return f"{above}.{key}" if isinstance(key, str) else "" if above in roots.values() else above


def _endless(loop: ast.While) -> bool:
    leaves = (ast.Break, ast.Return, ast.Raise)
    return isinstance(loop.test, ast.Constant) and bool(loop.test.value) and not any(
        isinstance(node, leaves) for body in loop.body for node in ast.walk(body)
    )  # fmt: skip


def _writes(call: ast.Call) -> bool:
    if isinstance(call.func, ast.Attribute):
        root: ast.expr = call.func.value
        while isinstance(root, ast.Attribute | ast.Call):
            root = root.value if isinstance(root, ast.Attribute) else root.func
        own = isinstance(root, ast.Name) and root.id in _FILES
        return call.func.attr in ("write_text", "write_bytes") or (own and call.func.attr in _WRITING)
    if not (isinstance(call.func, ast.Name) and call.func.id == "open"):
        return False
    modes = [*call.args[1:2], *(keyword.value for keyword in call.keywords if keyword.arg == "mode")]
    return any(isinstance(mode, ast.Constant) and set(str(mode.value)) & set("wax+") for mode in modes)
