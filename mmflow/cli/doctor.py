"""``mmflow doctor``: everything that reports depend on, and what to do about what is wrong."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from mmflow.cli.output import Output
from mmflow.cli.session import open_output, open_session
from mmflow.errors import EXIT_OK, EXIT_RUN, UserError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mmflow.doctor import Diagnosis
    from mmflow.doctor.patient import Patient

SUMMARY = "Look at everything that reports depend on: clock, network, keys, disk, ledger, plugins, daemon."
EXAMPLES = """
mmflow doctor
mmflow doctor --bundle mmflow-doctor.zip       a file for whoever helps you, without keys and figures
mmflow doctor --health http://127.0.0.1:9464/health     ask a daemon how it is, for health checks
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what is made of it."""
    parser.add_argument("--bundle", metavar="FILE", default="", help="write what helps others to help into a zip file")
    parser.add_argument("--health", metavar="URL", default="", help="only ask a daemon's /health; 1: it is not well")


def run(args: argparse.Namespace) -> int:
    """Look, and end with 1 when something is wrong."""
    if args.health:
        return show_health(open_output(args), args)
    out, patient, found = look(args)
    if args.bundle:
        from mmflow.doctor.bundle import write_bundle

        if not patient:
            raise UserError("there is no installation here to write a bundle of; name its folder with --root")
        path = args.around.cwd / args.bundle
        write_bundle(path, patient, found)
        out.note(f"{path} can be sent: it holds no keys and no figures; look into it if you want to be sure")
    return show(out, found)


def look(args: argparse.Namespace) -> tuple[Output, Patient | None, list[Diagnosis]]:
    """Look at the installation; without one at the machine, and at why there is none."""
    from mmflow.doctor import examine
    from mmflow.doctor.patient import Patient
    from mmflow.doctor.visit import list_checks, list_machine_checks
    from mmflow.leaks import learn_secrets

    try:
        session = open_session(args, sinks=False)
    except UserError as error:
        return open_output(args), None, [*examine(list_machine_checks(args.around.clock)), *blame_files(error)]
    learn_secrets(session.workspace.checked, session.workspace.registry, session.resolver)
    patient = Patient(session.workspace, session.resolver, args.around.clock)
    return session.out, patient, examine(list_checks(patient))


def blame_files(error: UserError) -> Sequence[Diagnosis]:
    """Say why there is no installation to look at."""
    from mmflow.doctor import Diagnosis

    return [Diagnosis(check="files", level="fail", text=str(error))]


def show(out: Output, found: Sequence[Diagnosis]) -> int:
    """Print what was found, what is wrong with what to do below it."""
    from mmflow.doctor import worst

    verdict = worst(found)
    if out.as_json:
        out.data({"verdict": verdict, "checks": found})
        return EXIT_RUN if verdict == "fail" else EXIT_OK
    width = max(len(one.check) for one in found)
    for one in found:
        out.line(f"{one.level:<4}  {one.check:<{width}}  {one.text}")
        if one.advice:
            out.line(f"{'':<4}  {'':<{width}}  → {one.advice}")
    counts = {level: sum(one.level == level for one in found) for level in ("fail", "warn")}
    out.line(f"{counts['fail']} wrong, {counts['warn']} to look at, {len(found)} looked at")
    return EXIT_RUN if verdict == "fail" else EXIT_OK


def show_health(out: Output, args: argparse.Namespace) -> int:
    """Ask a daemon how it is; it says so itself, or nobody answers, which raises."""
    from mmflow.api.reach import reach
    from mmflow.hosts import check_hook
    from mmflow.settings import Network

    if fault := check_hook(args.health):
        raise UserError(f"the address of --health {fault}")
    found = reach(args.health, Network(), args.around.clock)
    well = found.status == 200
    if out.as_json:
        out.data({"well": well, "status": found.status, "text": found.text})
    else:
        out.line(f"{found.status}: {found.text.strip()}")
    return EXIT_OK if well else EXIT_RUN
