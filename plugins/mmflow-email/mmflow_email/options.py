"""What may be said about a mail and its transport in YAML. Light: nothing heavy is imported."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, field

from mmflow import Options, Secret
from mmflow_email.letter.options import LetterOptions

Addresses = str | tuple[str, ...]


class EmailConnection(Options):
    """How mail leaves: an SMTP server, or Microsoft Graph."""

    transport: Annotated[
        Literal["smtp", "graph"],
        Meta(description="smtp: a mail server. graph: Microsoft 365 through its web service, without a password."),
    ] = "smtp"
    from_: Annotated[
        str,
        Meta(
            description="Who the mail is from; with graph, the mailbox that sends unless sender says another.",
            examples=["Reports <reports@example.com>"],
        ),
    ] = field(name="from")
    host: Annotated[str, Meta(description="smtp: the mail server.", examples=["smtp.example.com"])] = ""
    port: (
        Annotated[int, Meta(ge=1, le=65535, description="smtp: 587, or 465 with tls, or 25 without, unless given.")]
        | None
    ) = None
    security: Annotated[
        Literal["starttls", "tls", "none", "cleartext"],
        Meta(
            description="smtp: starttls (usual, port 587) or tls (port 465), never less than TLS 1.2 and a certificate "
            "that can be trusted. none: a server on this machine. cleartext: a relay elsewhere that knows no TLS; "
            "everybody on the way can read the mail. Both without a login.",
        ),
    ] = "starttls"
    login: Annotated[
        Literal["password", "xoauth2"],
        Meta(
            description="smtp: how username logs in. xoauth2: by a token of Microsoft for tenant, client_id and "
            "client_secret, for the mailbox username of Exchange Online."
        ),
    ] = "password"
    username: Annotated[str, Meta(description="smtp: name for the login; no login unless given.")] = ""
    password: Annotated[
        Secret | None, Meta(description="smtp: a reference, ${env:NAME} or ${file:path}.", examples=["${env:SMTP_PW}"])
    ] = None
    ca_bundle: Annotated[
        str, Meta(description="smtp: PEM file of a company CA that is trusted beside the system's.")
    ] = ""
    timeout: Annotated[str, Meta(description="smtp: longest wait for one answer of the server.")] = "60 seconds"
    session_timeout: Annotated[
        str, Meta(description="smtp: longest time for all of a mail, so that no server holds a run byte by byte.")
    ] = "5 minutes"
    tenant: Annotated[
        str,
        Meta(description="graph, xoauth2: directory (tenant) ID, or its domain.", examples=["example.onmicrosoft.com"]),
    ] = ""
    client_id: Annotated[str, Meta(description="graph, xoauth2: application (client) ID.")] = ""
    client_secret: Annotated[
        Secret | None,
        Meta(description="graph, xoauth2: a reference to the application's secret.", examples=["${env:GRAPH}"]),
    ] = None
    sender: Annotated[
        str, Meta(description="graph: mailbox that sends; from unless given.", examples=["reports@example.com"])
    ] = ""
    base_url: Annotated[
        str,
        Meta(description="graph: where it answers.", examples=["https://graph.microsoft.us"]),
    ] = "https://graph.microsoft.com"
    login_url: Annotated[
        str,
        Meta(description="graph, xoauth2: where tokens come from.", examples=["https://login.microsoftonline.us"]),
    ] = "https://login.microsoftonline.com"
    allowed_domains: Annotated[
        tuple[str, ...],
        Meta(description="Only addresses in these domains get mail; all unless given.", examples=[["example.com"]]),
    ] = ()
    max_size_mb: Annotated[
        int,
        Meta(ge=1, le=150, description="Largest mail, as sent. A server may allow less and says so; graph allows 3."),
    ] = 20


class EmailOptions(LetterOptions):
    """Options of the email sink: who gets the letter, when, and what goes with it."""

    to: Annotated[Addresses, Meta(description="Who gets it: an address, or a list.", examples=[["plant@example.com"]])]
    cc: Annotated[Addresses, Meta(description="Who gets a copy.")] = ()
    bcc: Annotated[Addresses, Meta(description="Who gets a copy that the others do not see.")] = ()
    reply_to: Annotated[Addresses, Meta(description="Where answers go.", examples=["ops@example.com"])] = ()
    send_when: Annotated[
        Literal["always", "rows", "change", "breach"],
        Meta(
            description="rows: when there is a row. change: when rows or totals differ from the mail before. "
            "breach: when a traffic light is red."
        ),
    ] = "always"
    attach: Annotated[
        tuple[str, ...],
        Meta(description="Sinks of this job whose files go with the mail.", examples=[["excel", "csv"]]),
    ] = ()
    attach_max_mb: Annotated[int, Meta(ge=1, le=150, description="Most that all files may weigh together.")] = 10
    attach_fallback: Annotated[
        Literal["note", "zip", "fail"],
        Meta(
            description="When files are missing or too large. note: the mail goes without them and says so. zip: they "
            "are packed first. fail: nobody gets the mail."
        ),
    ] = "note"
    expires: Annotated[
        str,
        Meta(description="How long after its time a scheduled mail may still go; no limit unless given."),
    ] = ""
    on_unknown: Annotated[
        Literal["resend", "hold"],
        Meta(
            description="When nobody can tell whether the server took it. resend: once more, with the same Message-ID. "
            "hold: somebody decides."
        ),
    ] = "resend"
