import subprocess
import sys

import pytest
from helpers import ROOT

from hf_lstm.lazy import names_of_stub


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A folder with two modules, of which one cannot be imported."""
    folder = tmp_path / "lazy_example"
    folder.mkdir()
    (folder / "__init__.py").write_text(
        "from hf_lstm.lazy import names_of_stub\n__getattr__, __dir__, __all__ = names_of_stub(__name__, __file__)\n"
    )
    (folder / "__init__.pyi").write_text(
        '"""Docs."""\nfrom .good import one as one, two as two\nfrom .bad import three as three\n'
    )
    (folder / "good.py").write_text("one, two = 1, 2\n")
    (folder / "bad.py").write_text("raise ImportError('a library is missing')\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield folder
    for name in [name for name in sys.modules if name.startswith("lazy_example")]:
        del sys.modules[name]


def test_names_are_imported_when_they_are_used(package):
    import lazy_example

    assert "lazy_example.good" not in sys.modules
    assert lazy_example.two == 2 and "lazy_example.good" in sys.modules
    assert dir(lazy_example) == lazy_example.__all__ == ["one", "three", "two"]
    with pytest.raises(AttributeError, match="'lazy_example' has no attribute 'four'"):
        _ = lazy_example.four
    with pytest.raises(ImportError, match="a library is missing"):
        from lazy_example import three  # noqa: F401


def test_no_module_has_the_name_of_something_else_in_its_folder():
    """After `import folder.name`, the name would stand for the module."""
    for stub in (ROOT / "hf_lstm").rglob("__init__.pyi"):
        _, _, names = names_of_stub("hf_lstm", str(stub))
        assert not set(names) & {path.stem for path in stub.parent.iterdir()}, stub


@pytest.mark.parametrize(
    ("code", "unneeded"),
    [
        ("from hf_lstm.export import OnnxClassifier", "torch transformers datasets sklearn"),
        ("from hf_lstm.data import stream_file", "torch transformers sklearn"),
        ("from hf_lstm import load_classifier, predict_texts", "datasets sklearn matplotlib"),
    ],
)
def test_what_is_not_needed_is_not_imported(code, unneeded):
    pytest.importorskip("onnxruntime")
    code += f"; import sys; print(*set('{unneeded}'.split()) & sys.modules.keys())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, timeout=120)
    assert done.returncode == 0 and not done.stdout.split(), done.stdout + done.stderr
