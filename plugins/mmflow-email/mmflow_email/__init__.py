"""The sink that sends a report as a mail: ``email``."""

from __future__ import annotations

from collections.abc import Iterable

from mmflow import SinkType, hookimpl
from mmflow_email.options import EmailConnection, EmailOptions

mmflow_api = 1


@hookimpl
def mmflow_sinks() -> Iterable[SinkType]:
    """Give the sink."""
    yield SinkType(
        name="email",
        summary="A mail: HTML and plain text, pictures, attached files.",
        options=EmailOptions,
        connection=EmailConnection,
        deliver="mmflow_email.deliver:deliver_email",
        semantics="message",
        validate="mmflow_email.rules:validate_email",
        validate_connection="mmflow_email.connection:validate_connection",
        check="mmflow_email.deliver:check_email",
        render="mmflow_email.letter:render_email",
        probe="mmflow_email.deliver:probe_email",
        recipients="mmflow_email.rules:list_recipients",
        notify="mmflow_email.notices:notify_email",
        validate_notify="mmflow_email.rules:validate_notices",
        check_notify="mmflow_email.notices:check_notices",
    )
