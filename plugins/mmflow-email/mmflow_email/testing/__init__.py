"""Stand-ins over real connections for those who test with mail: an SMTP server with faults, and Microsoft Graph.

They need ``aiosmtpd``, which mmflow-email itself does not install.
"""

from __future__ import annotations

from mmflow_email.testing.graph import FakeGraph
from mmflow_email.testing.server import CUT, KEEP_AND_CUT, MailServer, Received

__all__ = ["CUT", "KEEP_AND_CUT", "FakeGraph", "MailServer", "Received"]
