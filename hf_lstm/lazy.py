"""Import the names of a folder when they are used."""

import ast
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any


def names_of_stub(package: str, file: str) -> tuple[Callable[[str], Any], Callable[[], list[str]], list[str]]:
    """
    Return `__getattr__`, `__dir__` and `__all__` of a folder whose names are listed in its `__init__.pyi`.

    A name is imported when it is first used, so that a command waits only for the libraries that it needs. Type
    checkers and editors read the same stub. The idea is that of `lazy_loader.attach_stub`, without the dependency: the
    language-model recipe runs where few libraries are installed.

    Args:
        package: `__name__` of the folder.
        file: `__file__` of the folder. The stub beside it has only lines such as `from .module import name as name`.
    """
    stub = ast.parse(Path(file).with_suffix(".pyi").read_text(encoding="utf-8"))
    modules = {
        alias.name: f".{node.module}" for node in stub.body if isinstance(node, ast.ImportFrom) for alias in node.names
    }

    def get(name: str) -> Any:
        if name not in modules:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(import_module(modules[name], package), name)

    return get, lambda: sorted(modules), sorted(modules)
