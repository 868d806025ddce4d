"""Which checks there are for an installation, and for a machine without one."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from mmflow.check.layers import get
from mmflow.clock import Clock
from mmflow.doctor import Check
from mmflow.doctor.machine import check_folder, check_memory, check_versions, check_zones
from mmflow.doctor.network import check_connection, check_key, check_site
from mmflow.doctor.patient import Patient
from mmflow.doctor.records import check_daemon, check_files, check_ledger, check_plugins
from mmflow.doctor.tellers import check_heartbeat, check_unsent


def list_machine_checks(clock: Clock) -> Mapping[str, Check]:
    """Give the checks that need no installation."""
    return {"versions": check_versions, "time zones": partial(check_zones, clock.now())}


def list_checks(patient: Patient) -> Mapping[str, Check]:
    """Give every check by its name, in the order in which they are shown.

    With mistakes in mmflow.yaml only those that need nothing of it.
    """
    checks: dict[str, Check] = {
        **list_machine_checks(patient.clock),
        "files": partial(check_files, patient),
        "plugins": partial(check_plugins, patient),
        "state": partial(check_folder, patient.state, "the folder"),
        "ledger": partial(check_ledger, patient),
        "daemon": partial(check_daemon, patient),
        "notices": partial(check_unsent, patient),
    }
    checked = patient.workspace.checked
    if checked.parsed is None or any(problem.severity == "error" for problem in checked.problems):
        return checks
    settings = checked.parsed
    checks["memory"] = partial(check_memory, settings.daemon)
    checks["output"] = partial(check_folder, patient.root / settings.output, "the folder")
    for name in checked.site_names:
        checks[f"site {name}"] = partial(check_site, patient, name)
        checks[f"key of {name}"] = partial(check_key, patient, name)
    connections = get(checked.document.values, ("connections",))
    for name in connections if isinstance(connections, dict) else ():
        checks[f"connection {name}"] = partial(check_connection, patient, name)
    if settings.daemon.heartbeat:
        checks["heartbeat"] = partial(check_heartbeat, patient)
    return checks
