"""Everything in this repository that the code writes: ``python -m tools.generated`` does, ``--check`` looks.

Run from a checkout with its own plugins installed, as ``python dev.py docs`` and ``python dev.py check`` do.
"""

from __future__ import annotations

import json
import re
import sys
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from pkgutil import resolve_name
from typing import Final

from mmflow import job, settings
from mmflow.options import Options
from mmflow.plugins import Registry, load
from mmflow.schema.editors import FILES, compose_job, compose_settings, encode_schema
from mmflow.schema.reference import list_keys, markdown_table
from tools.catalogue import groups_table, metrics_table, units_table
from tools.commands import describe_commands

ROOT: Final = Path(__file__).parents[1]
# What is generated stands between <!-- options of csv --> and <!-- end -->.
_BLOCK: Final = re.compile(r"(<!-- (\w+) of (\S+) -->\n).*?(<!-- end -->)", re.DOTALL)


def generate_files(registry: Registry) -> Iterator[tuple[Path, str]]:
    """Give each file that is written by the code, or that holds something written by it, and its whole text."""
    yield ROOT / "mmflow" / "packages.json", list_packages()
    for page in sorted([*ROOT.glob("docs/*.md"), *ROOT.glob("plugins/*/README.md")]):
        yield page, fill_blocks(page.read_text(encoding="utf-8"), registry)
    ours = keep_ours(registry)
    for kind, schema in (("job", compose_job(ours)), ("settings", compose_settings(ours))):
        yield ROOT / "schemas" / FILES[kind], encode_schema(schema).decode()


def list_packages() -> str:
    """Give the table "sink -> package" from what the packages here declare in ``[tool.mmflow]``."""
    packages: dict[str, str] = {}
    for path in [ROOT / "pyproject.toml", *ROOT.glob("plugins/*/pyproject.toml")]:
        declared = tomllib.loads(path.read_text(encoding="utf-8"))
        packages |= dict.fromkeys(declared["tool"]["mmflow"]["sinks"], declared["project"]["name"])
    return json.dumps(packages, indent=2, sort_keys=True) + "\n"


def fill_blocks(text: str, registry: Registry) -> str:
    """Write anew what is generated in a page."""

    def fill(block: re.Match[str]) -> str:
        return f"{block[1]}\n{WRITERS[block[2]](block[3], registry)}\n\n{block[4]}"

    return _BLOCK.sub(fill, text)


def list_options(name: str, registry: Registry) -> str:
    """Give the options of a sink as a table."""
    return markdown_table(list_keys(registry.sink(name).options))


def list_connection(name: str, registry: Registry) -> str:
    """Give the options of a sink's connection as a table."""
    connection = registry.sink(name).connection
    assert connection, f"{name} uses no connection"
    return markdown_table(list_keys(connection))


def list_model(name: str, _registry: Registry) -> str:
    """Give the keys of a block as a table, by its class: one of jobs or mmflow.yaml, or ``package.module:Class``."""
    model: type[Options] = resolve_name(name) if ":" in name else getattr(job, name, None) or getattr(settings, name)
    return markdown_table(list_keys(model))


TABLES: Final[Mapping[str, Callable[[], str]]] = {
    "commands": describe_commands,
    "groups": groups_table,
    "metrics": metrics_table,
    "units": units_table,
}
LANGUAGES: Final = {".py": "python", ".toml": "toml", ".yaml": "yaml"}


def quote_source(name: str, _registry: Registry) -> str:
    """Give a file of this repository as a block of code."""
    path = ROOT / name
    return f"```{LANGUAGES[path.suffix]}\n{path.read_text(encoding='utf-8')}```"


WRITERS: Final[Mapping[str, Callable[[str, Registry], str]]] = {
    "connection": list_connection,
    "keys": list_model,
    "options": list_options,
    "source": quote_source,
    "table": lambda name, _registry: TABLES[name](),
}


def keep_ours(registry: Registry) -> Registry:
    """Give the registry with the sinks of the project's own packages only."""
    return replace(registry, sinks={name: sink for name, sink in registry.sinks.items() if name in registry.packages})


def find_stale(registry: Registry) -> list[tuple[Path, str]]:
    """Give the files that are not what the code would write, and what it would."""
    return [
        (path, text)
        for path, text in generate_files(registry)
        if not path.exists() or path.read_text(encoding="utf-8") != text
    ]


def main(words: list[str]) -> int:
    """Write what is stale and give 0, or with ``--check`` only name it and give 1 when there is something."""
    stale = find_stale(load())
    checking = "--check" in words
    for path, text in stale:
        sys.stdout.write(f"{'stale' if checking else 'wrote'} {path.relative_to(ROOT).as_posix()}\n")
        if not checking:
            path.write_text(text, encoding="utf-8", newline="\n")
    return int(checking and bool(stale))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
