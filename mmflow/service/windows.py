"""The daemon as a task of the Windows Task Scheduler: from the start of the machine, whether logged on or not."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final
from xml.sax.saxutils import escape

from mmflow.service import Service, Status, call, command, read_template

PROGRAM: Final = "schtasks"


class TaskScheduler:
    """Tasks by name. A service of the system runs by S4U, which stores no password; one of a user while logged on."""

    def render(self, service: Service) -> str:
        """Give the XML of the task."""
        account = escape(service.account)
        return read_template("task.xml").substitute(
            folder=escape(service.root.name),
            trigger="LogonTrigger" if service.own else "BootTrigger",
            whose=f"\n      <UserId>{account}</UserId>" if service.own else "",
            account=account,
            logon="InteractiveToken" if service.own else "S4U",
            program=escape(str(service.python)),
            arguments=escape(subprocess.list2cmdline(service.words)),
            root=escape(str(service.root)),
        )

    def place(self, service: Service) -> str:
        """Give the name of the task."""
        return f"the task {service.name} of the Task Scheduler"

    def install(self, service: Service, variables: Sequence[str]) -> list[str]:
        """Register the task and start it; without the rights for it, the Task Scheduler says so."""
        with tempfile.TemporaryDirectory(prefix="mmflow-", ignore_cleanup_errors=True) as folder:
            text = Path(folder, "task.xml")
            text.write_text(self.render(service), encoding="utf-16")
            command(PROGRAM, "/create", "/tn", service.name, "/xml", text, "/f")
        command(PROGRAM, "/run", "/tn", service.name)
        said = [f"{service.name} is installed as {self.place(service)} and started"]
        if variables:
            said.append(f"it reads {', '.join(variables)} from the variables of {service.account}: setx NAME VALUE")
        return said

    def uninstall(self, service: Service) -> list[str]:
        """End the task and remove it."""
        call(PROGRAM, "/end", "/tn", service.name)  # one that does not run cannot be ended
        command(PROGRAM, "/delete", "/tn", service.name, "/f")
        return [f"{self.place(service)} is removed", f"what it remembers stays in {service.root / '.mmflow'}"]

    def status(self, service: Service) -> Status:
        """Ask whether there is such a task; whether it runs is told by the daemon's lock, in every language."""
        return Status(installed=call(PROGRAM, "/query", "/tn", service.name).returncode == 0)
