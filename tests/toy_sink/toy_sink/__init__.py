"""Everything a first sink needs: options, a function, and the hook that declares them."""

from typing import Annotated, Literal

from msgspec import Meta

from mmflow import Options, SinkType, file_receipt, hookimpl, place_file, replace_file

mmflow_api = 1


class ToyOptions(Options):
    """Options of the toy sink."""

    tone: Annotated[Literal["plain", "loud"], Meta(description="How it is said.")] = "plain"


def deliver_line(table, options, run):
    """Write how many rows there are."""
    text = f"{run.job} has {len(table)} rows\n"
    with replace_file(place_file("{job}.txt", run), run.output_mode) as draft:
        draft.file.write((text.upper() if options.tone == "loud" else text).encode())
    return file_receipt(draft, len(table), run)


@hookimpl
def mmflow_sinks():
    """Give the toy."""
    yield SinkType(name="toy", summary="One line of text.", options=ToyOptions, deliver=deliver_line)
