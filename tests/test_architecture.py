"""The house keeps its rooms apart: who may import whom, and what `import tunebook` may load."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src"

# room -> (our rooms it may import, other packages it may import); the standard library is free for all
GROUND = "lazy errors catalogue words palette money show graders fields"
MAY_IMPORT = {
    "errors": ("", ""),
    "lazy": ("", "lazy_loader"),
    "words": ("", ""),
    "palette": ("", ""),
    "catalogue": ("errors", "msgspec platformdirs"),
    "money": ("errors catalogue words", ""),
    "graders": ("lazy", "jsonschema"),
    "fields": ("catalogue graders", ""),
    "show": ("words palette", "markupsafe"),
    "data": (GROUND, "ahocorasick_rs jsonschema msgspec numpy pandas referencing rensa scipy sklearn toktok tqdm"),
    "analysis": (GROUND, "numpy pandas scipy sklearn threadpoolctl"),
    "service": (f"{GROUND} data analysis", "openai azure platformdirs yaml"),
    "experiments": (f"{GROUND} data analysis service plots", "msgspec numpy openai pandas sklearn scipy tqdm"),
    "plots": (f"{GROUND} analysis", "markupsafe matplotlib numpy pandas"),
    "report": (f"{GROUND} analysis experiments plots", "jinja2 markupsafe matplotlib numpy pandas mlflow wandb yaml"),
    "widgets": (
        f"{GROUND} data analysis service experiments plots report",
        "anywidget traitlets ipywidgets IPython matplotlib numpy openai pandas",
    ),
    "tunebook_local": (
        "errors catalogue graders data",
        "numpy starlette uvicorn cryptography sklearn msgspec toktok threadpoolctl platformdirs anyio python_multipart "
        "multipart",
    ),
}
ENTRANCES = {"agents", "cli", "demo", "doctor", "__init__", "__main__"}  # these may name every room


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


def test_no_files_import_each_other_in_a_circle():
    modules = {".".join(file.relative_to(SOURCE).with_suffix("").parts): file for file in SOURCE.rglob("*.py")}
    arrows = {name: set() for name in modules}
    for name, file in modules.items():
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module:
                named = {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
                arrows[name] |= named & modules.keys()

    left = dict(arrows)
    while free := [name for name, taken in left.items() if not taken & left.keys()]:
        for name in free:
            del left[name]

    assert sorted(left) == []  # what is left stands in a circle, or above one


# An element's start in a string: that file builds HTML. Beside these, only the jinja2 templates do.
ELEMENT = re.compile(r"<(a|b|br|code|details|div|em|i|img|li|p|pre|small|span|strong|style|svg|table|t[dhr]|ul)[ >/]")
MAY_BUILD_HTML = {"show.py", "widgets", "plots/svg.py"}


def test_html_is_built_in_show_in_templates_and_in_the_widgets_layout_alone():
    building = set()
    for file in sorted((SOURCE / "tunebook").rglob("*.py")):
        tree = ast.parse(file.read_text("utf-8"))
        docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
        texts = [node for node in ast.walk(tree) if isinstance(node, ast.Constant) and id(node) not in docstrings]
        if any(isinstance(node.value, str) and ELEMENT.search(node.value) for node in texts):
            place = file.relative_to(SOURCE / "tunebook")
            building.add(place.parts[0] if place.parts[0] == "widgets" else place.as_posix())

    assert building - MAY_BUILD_HTML == set()


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
