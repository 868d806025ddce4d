"""What is built is what a user installs: wheels that hold everything, need what they say, and work on their own."""

import ast
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tomllib
import venv
import zipfile
from collections import Counter
from functools import cache
from importlib.metadata import distribution, packages_distributions, version
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
PROJECTS = [ROOT, *(path.parent for path in sorted(ROOT.glob("plugins/*/pyproject.toml")))]


def read_project(folder):
    return tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))


def package_of(folder):
    (package,) = read_project(folder)["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    return package


# The package that is imported, and the distribution that brings it.
OURS = {package_of(folder): read_project(folder)["project"]["name"] for folder in PROJECTS}


def run_tool(*words, cwd=ROOT):
    done = subprocess.run([*map(str, words)], cwd=cwd, capture_output=True, text=True, encoding="utf-8", check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The folder with a source distribution of each project, and with the wheel that was built from it."""
    folder = tmp_path_factory.mktemp("built")
    for project in PROJECTS:
        run_tool(sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, project)
    return folder


def wheel_names(built):
    """Each wheel with the names of the files in it."""
    return {path.name.split("-")[0]: set(zipfile.ZipFile(path).namelist()) for path in built.glob("*.whl")}


def close_needs(lines):
    """The names of what these lines ask for on this system, and of everything that needs in turn."""
    found, waiting = set(), list(lines)
    while waiting:
        need = Requirement(waiting.pop())
        name = canonicalize_name(need.name)
        if name not in found:
            found.add(name)
            waiting += [line for line in distribution(name).requires or () if applies(Requirement(line), need.extras)]
    return found


def applies(need, extras):
    """Whether a line of a distribution's needs counts on this system, when it was asked for with these extras."""
    return not need.marker or any(need.marker.evaluate({"extra": extra}) for extra in ("", *extras))


def copy_distribution(name, site):
    """Put an installed distribution into another environment, as an installer would lay it out."""
    for file in distribution(name).files:
        if ".." not in file.parts and file.locate().is_file():
            target = site / file
            target.parent.mkdir(parents=True, exist_ok=True)
            link_file(file.locate(), target)


def link_file(source, target):
    """Have a file in a second place too, without a copy where the disk allows it."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


@pytest.fixture(scope="module")
def installed(built, tmp_path_factory):
    """The scripts of an environment that holds the wheels and nothing but what they declare."""
    home = tmp_path_factory.mktemp("installed")
    venv.create(home, with_pip=False)
    windows = sys.platform == "win32"
    scripts = home / ("Scripts" if windows else "bin")
    python = scripts / ("python.exe" if windows else "python")
    site = Path(run_tool(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip())
    ours = set(OURS.values())
    declared = [line for project in PROJECTS for line in read_project(project)["project"]["dependencies"]]
    for name in close_needs(line for line in declared if Requirement(line).name not in ours):
        copy_distribution(name, site)
    # Without an index pip takes what is there, and fails when something that a wheel declares is not.
    pip = [sys.executable, "-m", "pip", "--python", python]
    run_tool(*pip, "install", "--quiet", "--no-index", "--no-compile", *built.glob("*.whl"))
    run_tool(*pip, "check")
    return scripts


def test_wheels_hold_the_whole_package_and_nothing_else(built):
    names = wheel_names(built)
    for project in PROJECTS:
        package = package_of(project)
        sources = {
            path.relative_to(project).as_posix()
            for path in (project / package).rglob("*")
            if path.is_file() and "__pycache__" not in path.parts
        }
        packed = names[OURS[package].replace("-", "_")]
        assert {name for name in packed if ".dist-info/" not in name} == sources


def test_data_files_of_the_package_are_in_the_wheel(built):
    starter = {"mmflow/starter/mmflow.yaml", "mmflow/starter/jobs/morning-oee.yaml"}
    assert {"mmflow/py.typed", "mmflow/packages.json", *starter} <= wheel_names(built)["mmflow_reports"]


def test_no_file_is_in_two_wheels(built):
    counted = Counter(name for names in wheel_names(built).values() for name in names)
    assert [name for name, count in counted.items() if count > 1] == []


def test_source_distribution_holds_the_licence_and_the_readme(built):
    (path,) = built.glob("mmflow_reports-*.tar.gz")
    with tarfile.open(path) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {"LICENSE", "README.md", "CHANGELOG.md", "pyproject.toml"} <= names


def test_installed_command_is_that_of_the_wheel(installed, tmp_path):
    assert run_tool(installed / "mmflow", "--version", cwd=tmp_path) == f"mmflow {version('mmflow-reports')}\n"
    where = run_tool(installed / "python", "-c", "import mmflow; print(mmflow.__file__)", cwd=tmp_path)
    assert Path(where.strip()).is_relative_to(installed.parent)


def test_first_steps_work_from_the_wheels(installed, tmp_path):
    mmflow = installed / "mmflow"
    run_tool(mmflow, "init", cwd=tmp_path)
    assert json.loads(run_tool(mmflow, "validate", "--json", cwd=tmp_path)) == {"jobs": 1, "problems": []}
    result = json.loads(run_tool(mmflow, "run", "morning-oee", "--json", cwd=tmp_path))
    receipt = result["deliveries"][0]["receipt"]
    assert (result["state"], receipt["rows"]) == ("ok", result["rows"])
    assert (tmp_path / receipt["path"]).is_file()


def test_demo_works_from_the_wheels(installed, tmp_path):
    made = json.loads(run_tool(installed / "mmflow", "demo", "--json", cwd=tmp_path))
    assert made["state"] == "ok"
    assert made["rows"] > 10
    assert all(Path(path).is_file() for path in made["files"])


def test_sinks_of_the_wheels_are_found(installed, tmp_path):
    listed = json.loads(run_tool(installed / "mmflow", "plugins", "--json", cwd=tmp_path))["plugins"]
    assert {row["distribution"] for row in listed} == set(OURS.values())
    assert {row["state"] for row in listed} == {"loaded"}


def imported_names(folder, left_out=()):
    """The top names of everything that is imported under a folder, apart from the standard library."""
    for path in folder.rglob("*.py"):
        if set(path.relative_to(folder).with_suffix("").parts) & set(left_out):
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                yield from (alias.name.split(".")[0] for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                yield node.module.split(".")[0]


@cache
def list_homes():
    """The distribution of each name that can be imported."""
    return {name: canonicalize_name(found[0]) for name, found in packages_distributions().items()} | OURS | SHARED


def imported_distributions(folder, left_out=()):
    homes, names = list_homes(), set(imported_names(folder, left_out)) - sys.stdlib_module_names
    return {homes[name] for name in names if name in homes}


def requirement_names(lines):
    return {canonicalize_name(Requirement(line).name) for line in lines}


SHARED = {"google": "google-auth"}  # a name that several distributions fill
UNSEEN = {
    "tzdata",  # zoneinfo reads it by itself, where the system has no zones: on Windows
    "psycopg",
    "pymysql",  # SQLAlchemy loads its drivers by name
}
STAND_INS = {"testing"}  # for those who test: what only they need is an extra of that name


@pytest.mark.parametrize("project", PROJECTS, ids=lambda path: path.name)
def test_a_package_declares_what_it_imports_and_nothing_else(project):
    package, data = package_of(project), read_project(project)["project"]
    declared, ours = requirement_names(data["dependencies"]), {OURS[package]}
    imported = imported_distributions(project / package, STAND_INS if "plugins" in project.parts else ())
    assert declared - UNSEEN == imported - ours - UNSEEN
    extra = requirement_names(line for lines in data.get("optional-dependencies", {}).values() for line in lines)
    assert imported_distributions(project / package) - ours <= declared | extra


def test_tests_import_only_what_the_group_dev_installs():
    known = requirement_names(read_project(ROOT)["dependency-groups"]["dev"])
    for project in PROJECTS:
        known |= close_needs(read_project(project)["project"]["dependencies"])
    wanted = set().union(*map(imported_distributions, [ROOT / "tests", *ROOT.glob("plugins/*/tests")]))
    assert wanted - set(OURS.values()) <= known
