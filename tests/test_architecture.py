"""The house keeps its rooms apart: who may import whom, and what `import tunebook` may load."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src"

# room -> (our rooms it may import, other packages it may import); the standard library is free for all
GROUND = "lazy errors catalogue words palette money show fields"
MAY_IMPORT = {
    "errors": ("", ""),
    "lazy": ("", "lazy_loader"),
    "words": ("", ""),
    "palette": ("", ""),
    "catalogue": ("errors", ""),
    "money": ("errors catalogue words", ""),
    "fields": ("catalogue", ""),
    "show": ("words palette", "markupsafe"),
    "data": (GROUND, "ahocorasick_rs msgspec numpy pandas rensa scipy sklearn toktok tqdm"),
    "analysis": (GROUND, "numpy pandas scipy sklearn threadpoolctl"),
    "service": (f"{GROUND} data analysis", "openai azure platformdirs"),
    "experiments": (f"{GROUND} data analysis service", "msgspec numpy openai pandas sklearn scipy tqdm"),
    "plots": (f"{GROUND} analysis", "markupsafe matplotlib numpy pandas"),
    "report": (f"{GROUND} analysis experiments plots", "jinja2 markupsafe matplotlib numpy pandas mlflow wandb"),
    "widgets": (
        f"{GROUND} data analysis service experiments plots report",
        "ipywidgets IPython matplotlib numpy openai pandas",
    ),
    "tunebook_local": (
        "errors catalogue data",
        "numpy starlette uvicorn sklearn msgspec toktok threadpoolctl platformdirs anyio python_multipart multipart",
    ),
}
ENTRANCES = {"cli", "demo", "doctor", "__init__", "__main__"}  # these may name every room


def imports():
    """Every import statement as (room, file, imported module), those inside functions included."""
    for file in sorted(SOURCE.rglob("*.py")):
        package, *inside = file.relative_to(SOURCE).parts
        room = inside[0].removesuffix(".py") if package == "tunebook" else package
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.Import):
                yield from ((room, file, alias.name) for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                modules = [node.module or ""]
                if node.module == "tunebook":
                    modules = [f"tunebook.{alias.name}" for alias in node.names]
                yield from ((room, file, module) for module in modules)


def test_every_room_imports_only_what_the_table_allows():
    wrong = []
    for room, file, module in imports():
        if room in ENTRANCES:
            continue
        ours, others = (set(names.split()) for names in MAY_IMPORT[room])
        top, _, rest = module.partition(".")
        if top == "tunebook":
            allowed = rest.split(".")[0] in {room, *ours}
        elif top == "tunebook_local":
            allowed = room == top
        else:
            allowed = top in others or top in sys.stdlib_module_names
        if not allowed:
            wrong.append(f"{file.relative_to(SOURCE)} imports {module}")

    assert wrong == []


def test_the_embedded_service_takes_nothing_of_the_data_room_but_the_file_rules():
    taken = {module for room, _, module in imports() if room == "tunebook_local" and module.startswith("tunebook.data")}

    assert taken <= {"tunebook.data.rules.gate"}


def test_nothing_but_the_command_names_the_embedded_service():
    naming = {room for room, _, module in imports() if module.startswith("tunebook_local")} - {"tunebook_local"}

    assert naming <= {"cli"}


def test_widgets_never_touch_pyplot():
    assert [str(f) for room, f, module in imports() if room == "widgets" and "pyplot" in module] == []


@pytest.mark.parametrize("module", ["pickle", "shelve", "marshal", "dill", "joblib"])
def test_nothing_unpickles(module):
    assert [str(file) for _, file, name in imports() if name.split(".")[0] == module] == []


def test_importing_the_package_loads_nothing_heavy():
    heavy = ["pandas", "numpy", "matplotlib", "sklearn", "ipywidgets", "openai", "starlette"]
    script = f"import sys, tunebook; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"


def test_no_room_is_a_drawer_for_odds_and_ends():
    drawers = {"utils", "core", "base", "common", "helpers", "types", "constants"}

    assert [path.name for path in SOURCE.rglob("*") if path.stem in drawers] == []


def test_the_public_names_all_load():
    import tunebook

    assert [name for name in tunebook.__all__ if getattr(tunebook, name, None) is None] == []


def test_the_top_level_holds_what_was_agreed_and_dotfiles():
    listed = subprocess.run(["git", "ls-files"], capture_output=True, text=True, cwd=SOURCE.parent, check=False)
    top = {line.split("/")[0] for line in listed.stdout.splitlines()}

    assert {name for name in top if not name.startswith(".")} <= {
        "pyproject.toml",
        "README.md",
        "LICENSE",
        "notebooks",
        "src",
        "tests",
        "data",
    }


def test_no_signature_holds_the_environment_whose_keys_help_would_print():
    defaults = [
        ast.unparse(default)
        for file in SOURCE.rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text("utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        for default in (*node.args.defaults, *filter(None, node.args.kw_defaults))
    ]

    assert not [default for default in defaults if "environ" in default]
