"""What strangers may use is named in one place, documented, and imported only when it is used."""

import ast
import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import mmflow


def test_importing_mmflow_imports_nothing_else():
    code = "import sys, mmflow; print([name for name in sys.modules if name.startswith(('mmflow', 'msgspec'))])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "['mmflow']\n"


@pytest.mark.parametrize("name", mmflow.PUBLIC)
def test_every_public_name_is_there_and_documented(name):
    found = getattr(mmflow, name)
    assert name in dir(mmflow)
    if inspect.isclass(found) or inspect.isfunction(found):
        assert inspect.getdoc(found)


def test_type_checkers_see_the_same_names():
    tree = ast.parse(Path(mmflow.__file__).read_text(encoding="utf-8"))
    seen = {
        alias.name: node.module
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module.startswith("mmflow.")
        for alias in node.names
    }
    assert seen == mmflow.PUBLIC


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no public name 'Excel'"):
        _ = mmflow.Excel


def test_our_own_plugins_use_public_names_only():
    plugins = Path(mmflow.__file__).parent.parent / "plugins"
    imported = {
        f"{node.module}.{alias.name}"
        for path in plugins.glob("*/mmflow_*/**/*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "mmflow"
        for alias in node.names
    }
    assert imported
    assert imported <= {f"mmflow.{name}" for name in mmflow.PUBLIC}
