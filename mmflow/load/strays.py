"""Holds rows against the job's filters: a service that ignored one would send everything, and nobody would see it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import TYPE_CHECKING

from mmflow.catalogue import GROUPS
from mmflow.errors import BadResponse
from mmflow.fetch.filters import Found
from mmflow.fetch.names import Match, name_kind
from mmflow.table.cells import quote_name, quote_text

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


def refuse_strays(connection: DuckDBPyConnection, table: str, groups: Collection[str], site: str, found: Found) -> None:
    """Raise :class:`BadResponse` for rows of a site whose member ``filter`` does not name, or ``exclude`` does.

    Only what the rows are grouped by can be looked at. A member is told by its id, where a row has none by its name,
    and not at all when the row has none and the job names an id.
    """
    for section, kind in dict.fromkeys((wanted.section, wanted.kind) for wanted in found):
        if kind not in groups:
            continue
        matches = [match for wanted, match in found.items() if (wanted.section, wanted.kind) == (section, kind)]
        count = count_strays(connection, table, site, kind, matches, excluded=section == "exclude")
        if count:
            raise BadResponse(
                f"{site} did not keep to the job's '{section}': {count} row{'s' * (count != 1)} of a {name_kind(kind)} "
                f"that it {'names' if section == 'exclude' else 'does not name'} came; fetch the report again"
            )


def count_strays(
    connection: DuckDBPyConnection, table: str, site: str, kind: str, matches: Sequence[Match], *, excluded: bool
) -> int:
    """Count the rows of the members that are meant when these are ``excluded``, else the rows of all others."""
    key = quote_name(GROUPS[kind].id_column)
    by_id = among_sql(f"lower({key})", (key.lower() for match in matches for key in match.ids))
    by_name = among_sql(quote_name(kind), (name for match in matches for name in match.names))
    if any(match.ids and not match.names for match in matches):
        by_name = str(not excluded)
    meant = f"coalesce(CASE WHEN {key} IS NULL THEN {by_name} ELSE {by_id} END, false)"
    counted = connection.execute(
        f"SELECT count(*) FROM {table} WHERE site = {quote_text(site)} AND {meant} = {excluded}"
    ).fetchone()
    return int(counted[0]) if counted else 0


def among_sql(value: str, texts: Iterable[str]) -> str:
    """Write the SQL that tells whether a value is one of these texts, of which there may be none."""
    return f"list_contains([{', '.join(map(quote_text, texts))}]::VARCHAR[], {value})"
