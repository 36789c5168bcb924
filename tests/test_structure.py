"""The imports of the package follow its layers, and every module has its tests."""

import ast
import sys
from pathlib import Path

import pytest

from hf_lstm.cli.commands import COMMANDS

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "hf_lstm"
MODULES = sorted(path for path in PACKAGE.rglob("*.py") if path.stem not in ("__init__", "__main__"))

# Modules and folders from the lowest layer to the highest; each imports from those before it only.
LAYERS = (
    *("lazy", "messages", "saving", "models", "text", "language_model", "data", "inference", "guarding", "evaluation"),
    *("explanation", "early", "hub", "export", "demo", "space", "knowledge", "teachers", "training", "tuning"),
    *("pretraining", "auditing", "recipes", "benchmark", "cli"),
)
# `cli` has one module for each command besides.
MAX_MODULES, MAX_LINES, MAX_FUNCTION_LINES = 12, 330, 60
# Pairs of a folder and another one that it imports. Lower this number with the code; raise it only for a good reason.
MAX_RELATIONS = 99
REMOTE_CODE = tuple(sorted(path.stem for path in (PACKAGE / "models").glob("*_lstm.py")))


def name_of(path: Path) -> str:
    return str(path.relative_to(PACKAGE).with_suffix(""))


def folder_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def relative_imports(path: Path) -> list[ast.ImportFrom]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.level]


def imported_roots(path: Path) -> set[str]:
    """Return the top-level names of the absolute imports of a module."""
    roots = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            roots |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            roots.add(node.module.split(".")[0])
    return roots


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_other_folders_are_imported_as_folders_and_from_lower_layers(path):
    for node in relative_imports(path):
        if node.level == 1 or ast.unparse(node) == "from .. import __version__":
            continue
        assert node.level == 2, f"{ast.unparse(node)} leaves the package"
        assert node.module and "." not in node.module, f"{ast.unparse(node)} reaches into a folder"
        assert LAYERS.index(node.module) < LAYERS.index(folder_of(path)), ast.unparse(node)


def test_relations_between_folders_do_not_grow_in_number():
    relations = {
        (folder_of(path), node.module)
        for path in PACKAGE.rglob("*.py")
        for node in relative_imports(path)
        if node.level == 2 and (PACKAGE / str(node.module)).is_dir()
    }
    assert len(relations) <= MAX_RELATIONS, sorted(relations)


def test_modules_of_a_folder_have_no_cycle():
    siblings = {
        path: {path.parent / f"{node.module}.py" for node in relative_imports(path) if node.level == 1 and node.module}
        for path in MODULES
    }
    done: set[Path] = set()
    while remaining := [path for path in siblings if path not in done]:
        ready = [path for path in remaining if siblings[path] <= done]
        assert ready, f"cycle among {[name_of(path) for path in remaining]}"
        done.update(ready)


def test_folders_and_modules_and_functions_are_short():
    for folder in {path.parent for path in MODULES}:
        names = {path.stem for path in MODULES if path.parent == folder}
        assert len(names - COMMANDS.keys() if folder.name == "cli" else names) <= MAX_MODULES, folder
    for path in MODULES:
        source = path.read_text(encoding="utf-8")
        assert source.count("\n") <= MAX_LINES, path
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.FunctionDef):
                body = node.body[1:] if ast.get_docstring(node) else node.body
                assert not body or node.end_lineno - body[0].lineno < MAX_FUNCTION_LINES, f"{path}: {node.name}"


@pytest.mark.parametrize("name", REMOTE_CODE)
def test_remote_code_imports_only_torch_and_transformers(name):
    path = PACKAGE / "models" / f"{name}.py"
    assert imported_roots(path) - sys.stdlib_module_names <= {"torch", "transformers"}
    for node in relative_imports(path):
        # transformers copies the modules of such lines, but not those of `from . import x` or in a `try` block.
        assert node.level == 1 and node.module in REMOTE_CODE and node.col_offset == 0, ast.unparse(node)


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_nothing_is_unpickled_or_evaluated(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    imported, called = set(), set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            imported |= {alias.name for alias in node.names} | {getattr(node, "module", None)}
        elif isinstance(node, ast.Call):
            called.add(ast.unparse(node.func))
    # `lazy` imports what the stubs of the package name, and `processes` sends functions to processes that it starts.
    allowed = {"lazy": {"importlib"}, "processes": {"joblib"}}.get(path.stem, set())
    assert not imported & {"pickle", "joblib", "dill", "marshal", "shelve", "importlib"} - allowed
    assert not called & {"eval", "exec", "compile", "__import__", "torch.load", "torch.save"}


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_package_imports_no_script_and_itself_only_relatively(path):
    assert not imported_roots(path) & {"hf_lstm", "scripts"}


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_every_module_has_its_tests(path):
    assert (ROOT / "tests" / path.relative_to(PACKAGE).parent / f"test_{path.stem}.py").is_file()
