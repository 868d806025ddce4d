"""The house keeps its order: who may import whom, one door for each library, light start-up, names of our own."""

import ast
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tools.generated import list_packages

PACKAGE = Path(__file__).parent.parent / "mmflow"

# From the ground up; a module imports only from groups above its own and from earlier ones of its own group.
# The same picture, with words, is in docs/architecture.md.
GROUPS = {
    "ground": "errors clock durations text secrecy refs options atomic logs printed stops",
    "words": "document job settings table lights catalogue expressions cron plant windows schedule sinks replacement "
    "files paths hookspecs plugins",
    "memory": "ledger",
    "line": "hosts schema check leaks resolve workspace origins question plan budget api fetch breaker load shape gate "
    "deliver cells restate simulator plants run live",
    "daemon": "roster planner tasks worker executor leases backfill notices deadlines alarm metrics "
    "daemon service doctor",
    "doors": "testing starter cli __main__",
}

# Library: the modules that may import it.
DOORS = {
    "httpx": {"api"},
    "httpcore": {"api"},  # what httpx is built on: it alone can end every wait at a deadline
    "yaml": {"document"},
    "jsonschema": {"check"},
    "apscheduler": {"alarm"},
    "duckdb": {"table", "load", "shape"},
    "cronsim": {"cron"},
    "icalendar": {"plant"},
    "dateutil": {"plant"},
    "pluggy": {"hookspecs", "plugins"},
    "sqlite3": {"ledger"},
    "psycopg": {"ledger"},
    "pebble": {"executor"},
    "watchfiles": {"roster"},
    "prometheus_client": {"metrics"},
    "jinja2": set(),
}


def module_files():
    return sorted(PACKAGE.rglob("*.py"))


def room_of(path):
    """The first name below mmflow: a module or a folder."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports_of(path):
    """Every imported module, wherever it stands, but not those that only type checkers see."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            node.body = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert not node.level, f"{path} uses a relative import"
            yield from ([f"mmflow.{a.name}" for a in node.names] if node.module == "mmflow" else [node.module])


def test_every_module_has_a_room():
    rooms = {room for names in GROUPS.values() for room in names.split()}
    assert {room_of(path) for path in module_files()} - {"__init__"} <= rooms


def test_the_page_lists_the_same_rooms_in_the_same_order():
    page = (PACKAGE.parent / "docs" / "architecture.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (?:the )?(\w+) \| (`.*) \|$", page[page.index("| group | rooms |") :], re.MULTILINE)
    named = {group: re.findall(r"`(\w+)/?`", words) for group, words in rows if group in GROUPS}
    rooms = {group: names.replace(" __main__", "").split() for group, names in GROUPS.items()}
    inside = {"rules", "init"}  # a folder and a command, of which the page speaks beside their rooms
    assert {group: [name for name in names if name not in inside] for group, names in named.items()} == rooms


def test_modules_import_only_what_stands_before_them():
    place = {room: at for at, room in enumerate(" ".join(GROUPS.values()).split())}
    wrong = [
        f"{path.relative_to(PACKAGE)} imports {name}"
        for path in module_files()
        for name in imports_of(path)
        if name.startswith("mmflow.") and name.split(".")[1] in place and room_of(path) in place
        if place[name.split(".")[1]] > place[room_of(path)]
    ]
    assert wrong == []


def test_each_library_has_one_door():
    wrong = [
        f"{path.relative_to(PACKAGE)} imports {name}"
        for path in module_files()
        for name in imports_of(path)
        if room_of(path) not in DOORS.get(name.split(".")[0], {room_of(path)})
    ]
    assert wrong == []


def test_no_module_bears_a_standard_library_name():
    names = {path.stem for path in module_files()} | {path.name for path in PACKAGE.rglob("*") if path.is_dir()}
    assert not names & sys.stdlib_module_names


@pytest.mark.row("S54")
def test_nothing_is_pickled_or_evaluated():
    wrong = [
        f"{path}: {name}"
        for path in module_files()
        for name in imports_of(path)
        if name.split(".")[0] in {"pickle", "shelve", "marshal", "dill"}
    ]
    calls = [
        f"{path}:{node.lineno}"
        for path in module_files()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id in {"eval", "exec", "compile"}
    ]
    assert wrong + calls == []


def test_the_simulator_shares_no_code_with_the_client():
    wrong = [
        f"{path.name} imports {name}"
        for path in (PACKAGE / "simulator").rglob("*.py")
        for name in imports_of(path)
        if name.startswith("mmflow") and not name.startswith("mmflow.simulator")
    ]
    assert wrong == []


def texts_of(path):
    """Every text of a module but the examples in the description of a key."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            node.keywords = [word for word in node.keywords if word.arg != "examples"]
    return [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)]


def test_no_engine_module_names_a_sink():
    """Neither by importing its package nor in a text to decide by; some are the engine's own."""
    names = {*json.loads(list_packages()), "excel", "sheets", "email", "sql"} - {"console", "file", "webhook"}
    assert {"csv", "jsonl", "parquet"} <= names
    engine = [path for path in module_files() if room_of(path) != "simulator"]  # which speaks of the service's formats
    wrong = [
        f"{path.relative_to(PACKAGE)}: {text}"
        for path in engine
        for text in [*texts_of(path), *imports_of(path)]
        if text.removeprefix("mmflow.") in names or re.match(r"mmflow_\w+[.:]|mmflow_files", text)
    ]
    assert wrong == []


@pytest.mark.parametrize("words", [["--version"], ["validate", "--help"], ["plugins"], ["validate"], ["catalogue"]])
def test_light_commands_import_nothing_heavy(words, tmp_path):
    """Neither a table engine nor an HTTP client nor a database toolkit."""
    subprocess.run([sys.executable, "-m", "mmflow", "init", str(tmp_path)], check=True, capture_output=True)
    code = (
        "import sys\nfrom mmflow.__main__ import main\n"
        "try:\n    code = main(sys.argv[1:])\nexcept SystemExit as end:\n    code = end.code\n"
        "heavy = {'duckdb', 'httpx', 'sqlalchemy', 'jsonschema', 'jinja2', 'apscheduler', 'pandas'}\n"
        "heavy &= set(sys.modules)\n"
        "assert not heavy, heavy\nassert not code, code"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *words], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
