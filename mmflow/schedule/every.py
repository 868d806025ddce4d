"""``every`` and ``at``, compiled to cron lines."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import time, timedelta
from itertools import groupby
from typing import Final

from mmflow.cron import Cron
from mmflow.durations import parse_duration
from mmflow.errors import UserError, hint_names
from mmflow.plant import WEEKDAYS, parse_weekdays

MINUTES: Final = 24 * 60
DAYS: Final = {"day": "* * *", "weekday": "* * mon-fri", "weekend": "* * sat,sun", "month": "1 * *"}
EXPECTED: Final = "day, weekday, weekend, month, names of weekdays, hour, or a length such as 15 min"
EXAMPLE_TIME: Final = "06:40"
MOST_TIMES: Final = 8  # that a person reads one by one
EVERY_DAY: Final = frozenset(range(7))

_TIME = re.compile(r"([01]?[0-9]|2[0-3]):([0-5][0-9])", re.ASCII)


@dataclass(frozen=True, slots=True)
class Lines:
    """Cron lines: ``fixed`` when they name times of day, else perhaps so many ``minutes`` apart."""

    crons: tuple[Cron, ...]
    fixed: bool
    minutes: int = 0

    def explain(self) -> str:
        """Say in words when they are due, without the zone."""
        if self.fixed:
            return explain_times(self.crons)
        return f"every {show_length(self.minutes)}" if self.minutes else self.crons[0].explain()


def read_cron_line(cron: Cron) -> Lines:
    """Give a cron line as it stands."""
    return Lines((cron,), cron.is_fixed)


def compile_every(every: str | Sequence[str], at: str | Sequence[str]) -> Lines:
    """Compile ``{every: weekday, at: "06:40"}`` or ``{every: 15 min}``; raises :class:`UserError`.

    What comes every so many minutes or hours begins anew at midnight, so only lengths that divide an hour or a day
    are taken.
    """
    words = [every] if isinstance(every, str) else list(every)
    if len(words) == 1 and is_length(words[0]):
        if at:
            raise UserError(f"'at' does not go with every: {words[0]}; remove it, or write every: day")
        return compile_length(words[0])
    days = read_days(words)
    if not at:
        raise UserError(f'a time of day is missing; write at: "{EXAMPLE_TIME}"')
    return Lines(write_crons(read_times(at), days), fixed=True)


def is_length(every: str) -> bool:
    """Tell whether an ``every`` is about hours and minutes, not about days."""
    return every == "hour" or every == "minute" or (every.lstrip("+-.")[:1].isdigit() and not is_days(every))


def is_days(every: str) -> bool:
    """Tell whether it is a length of a day or more, such as ``2 days``, by which nothing comes again."""
    try:
        return parse_duration(every) >= timedelta(days=1)
    except ValueError:
        return False


def compile_length(every: str) -> Lines:
    """Compile ``15 min``, ``2 hours`` or ``hour``; raises :class:`UserError` that names the nearest that work."""
    minutes = read_length(every)
    return Lines(write_crons(every_minutes(minutes), "* * *"), fixed=False, minutes=minutes)


def read_length(every: str) -> int:
    """Give the minutes of a length that divides an hour or a day."""
    try:
        length = parse_duration(f"1 {every}" if every.isalpha() else every, units=("minute", "hour"))
    except ValueError as error:
        raise UserError(f"{every!r} is not a length of time; write minutes or hours, such as 15 min") from error
    minutes = length.total_seconds() // 60
    fitting = [number for number in range(1, MINUTES) if MINUTES % number == 0]
    if minutes in fitting:
        return int(minutes)
    near = [max(n for n in fitting if n < minutes), *[n for n in fitting if n > minutes][:1]]
    raise UserError(f"{every!r} divides neither an hour nor a day; write {' or '.join(map(write_length, near))}")


def every_minutes(minutes: int) -> Iterator[time]:
    """Give the times of day so many minutes apart, from midnight on."""
    yield from (time(*divmod(number, 60)) for number in range(0, MINUTES, minutes))


def write_length(minutes: int) -> str:
    """Write a length as the YAML has it: ``15 min``, ``2 hours``."""
    hours, rest = divmod(minutes, 60)
    return f"{minutes} min" if rest else f"{hours} hour{'s' * (hours != 1)}"


def show_length(minutes: int) -> str:
    """Say a length behind ``every``: ``15 minutes``, ``hour``."""
    count, unit = (minutes, "minute") if minutes % 60 else (minutes // 60, "hour")
    return unit if count == 1 else f"{count} {unit}s"


def read_days(words: Sequence[str]) -> str:
    """Give the last three cron fields of words for days; raises :class:`UserError`."""
    if len(words) == 1 and words[0] in DAYS:
        return DAYS[words[0]]
    for word in words:
        if word in DAYS or is_length(word):
            raise UserError(f"{word!r} does not stand beside others; name weekdays, or write every: {word} alone")
        check_weekday(word)
    numbers = sorted(parse_weekdays(words if len(words) > 1 else words[0]))
    return f"* * {','.join(WEEKDAYS[number][:3] for number in numbers)}"


def check_weekday(word: str) -> None:
    """Raise :class:`UserError` for a word that is no day."""
    if is_days(word):
        raise UserError(f"{word!r} is a day or longer; write every: day and a time of day, or name weekdays")
    try:
        parse_weekdays(word)
    except UserError as error:
        near = hint_names(word, [*DAYS, "hour", *WEEKDAYS])
        hint = near if near.startswith("did you mean") else f"expected {EXPECTED}"
        raise UserError(f"{word!r} is not something that comes again and again; {hint}") from error


def read_times(at: str | Sequence[str]) -> list[time]:
    """Read times of day; raises :class:`UserError` for anything else."""
    return sorted({read_time(text) for text in ([at] if isinstance(at, str) else at)})


def read_time(text: str) -> time:
    """Read ``06:40``."""
    match = _TIME.fullmatch(text)
    if match is None:
        raise UserError(f'{text!r} is not a time of day; write it like "{EXAMPLE_TIME}"')
    return time(int(match[1]), int(match[2]))


def write_crons(times: Iterable[time], days: str) -> tuple[Cron, ...]:
    """Write as few cron lines as hold these times and no others, on days that are three cron fields."""
    hours: dict[int, list[int]] = defaultdict(list)
    for moment in times:
        hours[moment.minute].append(moment.hour)
    minutes: dict[str, list[int]] = defaultdict(list)
    for minute, listed in sorted(hours.items()):
        minutes[_list(listed)].append(minute)
    return tuple(Cron(f"{_list(alike)} {listed} {days}") for listed, alike in minutes.items())


def _list(numbers: Iterable[int]) -> str:
    return ",".join(map(str, numbers))


def explain_times(crons: Sequence[Cron]) -> str:
    """Say when cron lines about the same days are due: ``at 06:40 and 14:00, Monday to Friday``."""
    times = sorted({moment for cron in crons for moment in cron.times})
    if len(times) > MOST_TIMES:
        return "; ".join(cron.explain() for cron in crons)
    return f"at {join_words([f'{moment:%H:%M}' for moment in times])}, {explain_days(crons[0])}"


def explain_days(cron: Cron) -> str:
    """Say on which days: ``every day``, ``Monday to Friday``, ``on the first day of every month``."""
    if cron.weekdays == EVERY_DAY:
        return "every day"
    if cron.weekdays:
        return join_words(list(name_weekdays(cron.weekdays)))
    midnights = Cron(" ".join(["0 0", *cron.text.split()[2:]]))
    return midnights.explain().removeprefix("at 00:00 ")


def name_weekdays(days: Iterable[int]) -> Iterator[str]:
    """Give the names of weekdays, three and more in a row as ``Monday to Friday``."""
    for _, run in groupby(enumerate(sorted(days)), key=lambda item: item[1] - item[0]):
        names = [WEEKDAYS[day].title() for _, day in run]
        yield from [f"{names[0]} to {names[-1]}"] if len(names) > 2 else names


def join_words(words: Sequence[str]) -> str:
    """Write ``a``, ``a and b`` or ``a, b and c``."""
    *most, last = words
    return f"{', '.join(most)} and {last}" if most else last
