"""The names in a job's ``filter`` and ``exclude``, turned into the ids that the service wants."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from mmflow.errors import BadRequest, Complaint
from mmflow.fetch.names import Match, NameBook, name_kind
from mmflow.job import Job

Ids = dict[str, dict[str, list[str]]]


@dataclass(frozen=True, slots=True)
class Wanted:
    """One name in a job: ``filter`` or ``exclude``, of which kind."""

    section: str
    kind: str
    text: str


Found = Mapping[Wanted, Match]


def list_wanted(job: Job) -> tuple[Wanted, ...]:
    """Give every name that a job filters by."""
    return tuple(
        Wanted(section, kind, text)
        for section, names in (("filter", job.report.filter), ("exclude", job.report.exclude))
        for kind, texts in names.items()
        for text in texts
    )


def find_wanted(job: Job, book: NameBook, start: datetime) -> Found:
    """Look every name up at one site, for a report that begins at ``start``; raises what the service raises."""
    return {wanted: book.find(wanted.kind, wanted.text, start) for wanted in list_wanted(job)}


def check_found(found: Mapping[str, Found]) -> None:
    """Raise :class:`BadRequest` for every name that no site knows. ``found`` is what was looked up, by site."""
    places = list(found.values())
    unknown = [name for name in (places[0] if places else ()) if not any(place[name].ids for place in places)]
    if unknown:
        raise BadRequest("the filter cannot be used", (complain(wanted, found) for wanted in unknown))


def complain(wanted: Wanted, found: Mapping[str, Found]) -> Complaint:
    """Say why a name means nothing at any site: of machines that are gone the last one to go is named."""
    gone = {site: place[wanted].retired[-1] for site, place in found.items() if place[wanted].retired}
    if gone:
        site = max(gone, key=lambda site: str(gone[site].retired_at))
        when = f"{gone[site].retired_at:%Y-%m-%d}"
        message = f"{gone[site].name!r} of {site} was decommissioned on {when}, before the window begins"
        hint = "remove it, or ask for an earlier window"
    else:
        message = f"no {name_kind(wanted.kind)} of {' or '.join(found)} is named {wanted.text!r}"
        hint = next((place[wanted].hint for place in found.values() if place[wanted].hint), "")
    return Complaint(f"{wanted.section}.{wanted.kind}", message, wanted.text, hint)


def find_void(found: Found) -> str:
    """Say which kind of filter leaves nothing of a site, "" for none.

    To the service an empty list means "no filter", so that asking with one would give everything.
    """
    kept = write_ids(found).get("filter", {})
    void = [wanted.kind for wanted in found if wanted.section == "filter" and wanted.kind not in kept]
    return f"no {name_kind(void[0])} there has a name that is asked for" if void else ""


def write_ids(found: Found) -> Ids:
    """Give the ids as the request has them: ``{"filter": {"machine": [...]}}``, without empty lists."""
    ids: Ids = {}
    for wanted, match in found.items():
        if match.ids:
            ids.setdefault(wanted.section, {}).setdefault(wanted.kind, []).extend(match.ids)
    return {section: {kind: sorted(set(some)) for kind, some in kinds.items()} for section, kinds in ids.items()}
