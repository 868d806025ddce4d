"""Says in words which time a letter is about, when its numbers were asked for, and whether they may still change."""

from __future__ import annotations

from zoneinfo import ZoneInfo

from mmflow import RunInfo, Span
from mmflow_email.letter.figures import write_day, write_instant

Plain = dict[str, str | float]


def list_windows(run: RunInfo) -> list[Plain]:
    """Give the window of each site, in the time of its plant."""
    return [describe_span(site, span) for site, span in run.spans]


def describe_span(site: str, span: Span) -> Plain:
    """Describe one window."""
    return {
        "site": site,
        "text": write_window(span),
        "start": span.start.isoformat(),
        "end": span.end.isoformat(),
        "zone": span.zone,
        "first_day": span.first_day.isoformat(),
        "last_day": span.last_day.isoformat(),
        "why": span.why,
        "hours": span.hours,
    }


def write_window(span: Span) -> str:
    """Write the production days and the exact times on the wall, ``Sat 2026-11-21, 06:00 to Sun 06:00 EST``."""
    zone = ZoneInfo(span.zone)
    start, end = span.start.astimezone(zone), span.end.astimezone(zone)
    days = write_day(span.first_day)
    if span.last_day != span.first_day:
        days += f" to {write_day(span.last_day)}"
    return (
        f"{days} ({write_day(start.date())[:3]} {start:%H:%M} to {write_day(end.date())[:3]} {end:%H:%M}, {span.zone})"
    )


def say_window(run: RunInfo) -> str:
    """Give the windows of all sites in one line, said once where they are the same."""
    texts: dict[str, list[str]] = {}
    for site, span in run.spans:
        texts.setdefault(write_window(span), []).append(site)
    if len(texts) <= 1:
        return next(iter(texts), "")
    return "; ".join(f"{', '.join(sites)}: {text}" for text, sites in texts.items())


def say_extracted(run: RunInfo) -> str:
    """Tell when the numbers were asked for, in the time of the first site."""
    zone = run.spans[0][1].zone if run.spans else "UTC"
    return write_instant(run.extracted_at, zone)


def say_changing(run: RunInfo) -> str:
    """Tell whether the numbers may still change."""
    if any(span.end > run.extracted_at for _, span in run.spans):
        return "The window was not over then: the numbers are not complete."
    return "The window was over then. Numbers may still change when somebody edits them in MachineMetrics."
