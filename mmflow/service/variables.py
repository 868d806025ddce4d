"""The environment variables that an installation needs, by the references in its files."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

from mmflow.check.layers import all_texts
from mmflow.document import Document
from mmflow.refs import find_references
from mmflow.workspace import Workspace


def list_variables(workspace: Workspace) -> tuple[str, ...]:
    """Give the names of the variables that mmflow.yaml and the jobs cannot do without, sorted."""
    jobs, _ = workspace.read_jobs()
    documents = (workspace.checked.document, *(job.document for job in jobs))
    return tuple(sorted({name for document in documents for name in name_variables(document)}))


def name_variables(document: Document) -> Iterator[str]:
    """Give the names of the variables that a file refers to without a default."""
    for _, text in all_texts(document.values):
        with suppress(ValueError):  # malformed: 'mmflow validate' says so
            yield from (one.name for one in find_references(text) if one.kind == "env" and one.default is None)
