"""The tree of imports stays a tree one can see, and every module has its tests."""

import ast
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = sorted(path for path in (ROOT / "hf_lstm").glob("*.py") if path.stem != "__init__")

# Each module and the modules of the package that it may import.
ALLOWED = {
    "configuration_lstm": set(),
    "recurrence_lstm": {"configuration_lstm"},
    "modeling_lstm": {"configuration_lstm", "recurrence_lstm"},
    "causal_lstm": {"configuration_lstm", "modeling_lstm", "recurrence_lstm"},
    "pieces": set(),
    "tokenization": {"pieces"},
    "sample_reviews": set(),
    "cli": set(),
    "reading": {"cli", "pieces"},
    "labels": {"pieces"},
    "data": {"labels", "reading", "sample_reviews"},
    "averaging": set(),
    "vectors": set(),
    "adversarial": set(),
    "arguments": set(),
    "sampling": set(),
    "fine_tuning": set(),
    "linear": set(),
    "prediction": {"cli", "configuration_lstm", "data", "modeling_lstm", "pieces", "reading"},
    "metrics": {"prediction"},
    "evaluation": {"configuration_lstm", "data", "metrics", "modeling_lstm", "prediction", "report"},
    "streaming": {"cli", "modeling_lstm", "pieces", "prediction", "recurrence_lstm", "tokenization"},
    "report": {"metrics", "prediction"},
    "plots": {"prediction"},
    "model_card": set(),
    "onnx_runner": {"pieces"},
    "onnx_export": {"metrics", "model_card", "modeling_lstm", "onnx_runner", "pieces", "prediction"},
    "building": {
        *("arguments", "causal_lstm", "configuration_lstm", "data", "modeling_lstm", "prediction", "tokenization"),
        "vectors",
    },
    "distillation": {"data", "labels", "linear", "pieces", "prediction", "reading"},
    "training": {
        *("adversarial", "arguments", "averaging", "building", "configuration_lstm", "fine_tuning", "metrics"),
        *("model_card", "modeling_lstm", "prediction", "sampling"),
    },
    "pretraining": {"arguments", "causal_lstm", "modeling_lstm", "prediction", "training"},
    "hub": {"cli", "model_card", "prediction"},
}


def own_imports(path: Path) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.level == 1}


def imported_roots(path: Path) -> set[str]:
    """What a module imports by its full name, up to the first dot."""
    roots = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            roots |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            roots.add(node.module.split(".")[0])
    return roots


@pytest.mark.parametrize("path", PACKAGE, ids=lambda path: path.stem)
def test_module_imports_only_what_it_may(path):
    assert own_imports(path) <= ALLOWED[path.stem]


def test_imports_have_no_cycle():
    done: set[str] = set()
    while remaining := [name for name in ALLOWED if name not in done]:
        ready = [name for name in remaining if ALLOWED[name] <= done]
        assert ready, f"cycle among {remaining}"
        done.update(ready)


@pytest.mark.parametrize("name", ["configuration_lstm", "recurrence_lstm", "modeling_lstm", "causal_lstm"])
def test_remote_code_imports_only_torch_and_transformers(name):
    assert imported_roots(ROOT / "hf_lstm" / f"{name}.py") - sys.stdlib_module_names == {"transformers"} | (
        set() if name == "configuration_lstm" else {"torch"}
    )


@pytest.mark.parametrize("path", PACKAGE, ids=lambda path: path.stem)
def test_nothing_is_unpickled_or_evaluated(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    imported, called = set(), set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            imported |= {alias.name for alias in node.names} | {getattr(node, "module", None)}
        elif isinstance(node, ast.Call):
            called.add(ast.unparse(node.func))
    assert not imported & {"pickle", "joblib", "dill", "marshal", "shelve", "importlib"}
    assert not called & {"eval", "exec", "compile", "__import__", "torch.load", "torch.save", "np.load", "numpy.load"}


@pytest.mark.parametrize("path", PACKAGE, ids=lambda path: path.stem)
def test_package_imports_no_script_and_itself_by_dots_alone(path):
    assert not imported_roots(path) & {"hf_lstm", "scripts", *(script.stem for script in ROOT.glob("scripts/*.py"))} - {
        "evaluate"  # the library's name too
    }


@pytest.mark.parametrize("path", [*PACKAGE, ROOT / "scripts" / "rnn_example.py"], ids=lambda path: path.stem)
def test_every_module_has_its_tests(path):
    assert (ROOT / "tests" / f"test_{path.stem}.py").is_file()
