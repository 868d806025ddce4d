"""The ways by which the engine itself tells people, beside its console: a line in a file, a call of a web address."""

from __future__ import annotations

from typing import Annotated, Final

from msgspec import Meta

from mmflow.options import Options
from mmflow.refs import Secret
from mmflow.sinks import SinkType


class FileNotice(Options):
    """Options of a notice that becomes a line of a file."""

    path: Annotated[
        str, Meta(description="A file under the output folder; one JSON line is added for each message.")
    ] = "notices.jsonl"


class WebhookConnection(Options):
    """Where messages are posted to. It stands in ``mmflow.yaml``, since no job decides which hosts are talked to."""

    url: Annotated[
        str,
        Meta(description="The address: https, or http on this machine.", examples=["https://hooks.example.com/mmflow"]),
    ]
    secret: Annotated[
        Secret | None,
        Meta(
            description="Signs each message: X-Mmflow-Signature is sha256= and the HMAC of the body, in hex.",
            examples=["${env:HOOK_SECRET}"],
        ),
    ] = None


FILE: Final = SinkType(
    name="file",
    summary="Tell people by a line of JSON in a file.",
    notify="mmflow.notices.ways:write_notice",
    notice_options=FileNotice,
    validate_notify="mmflow.notices.ways:check_file_way",
)
WEBHOOK: Final = SinkType(
    name="webhook",
    summary="Tell people by JSON that is posted to a web address.",
    connection=WebhookConnection,
    validate_connection="mmflow.notices.ways:check_webhook",
    notify="mmflow.notices.ways:post_notice",
    check_notify="mmflow.notices.ways:check_hook_way",
)
