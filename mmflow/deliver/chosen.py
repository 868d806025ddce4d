"""Which sinks of a job a run has, and whom they send messages to."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from mmflow.check.uses import SinkUse, attached
from mmflow.deliver import blame_error
from mmflow.errors import GiveUp, MmflowError, UserError, suggest_name
from mmflow.sinks import find_function


def choose_sinks(uses: Sequence[SinkUse], names: frozenset[str] | None) -> list[SinkUse]:
    """Give the sinks of the job, or the ones named on the command line."""
    if names is None:
        return list(uses)
    known = [use.name for use in uses]
    for name in sorted(names - set(known)):
        near = suggest_name(name, known)
        hint = f"did you mean {near!r}?" if near else f"it has: {', '.join(known)}"
        raise UserError(f"the job has no sink {name!r}; {hint}")
    return [use for use in uses if use.name in names]


def choose_messages(uses: Sequence[SinkUse], names: frozenset[str] | None) -> frozenset[str]:
    """Give the names of the sinks that send messages, among those named, and of those whose files they attach.

    Raises :class:`UserError` when none of them sends any.
    """
    senders = [use for use in choose_sinks(uses, names) if use.type.semantics == "message"]
    if not senders:
        what = "the job sends" if names is None else f"{', '.join(sorted(names))} sends"
        raise UserError(f"{what} no messages; leave --to and its address out")
    return names or frozenset(name for use in senders for name in (use.name, *attached(use)))


def list_recipients(uses: Sequence[SinkUse]) -> Iterator[str]:
    """Give everybody to whom these sinks send messages; of a sink that does not say, its name."""
    for use in uses:
        if use.type.recipients is not None:
            yield from ask_recipients(use)
        elif use.type.semantics == "message":
            yield f"whom {use.name} names"


def ask_recipients(use: SinkUse) -> list[str]:
    """Let a sink name who gets its messages; a bug of it is one that names it."""
    assert use.type.recipients, "the caller looked"
    try:
        return [str(one) for one in find_function(use.type.recipients)(use.options)]
    except MmflowError:
        raise
    except BaseException as error:
        raise GiveUp(blame_error(use, error, "when it named who gets messages")) from error
