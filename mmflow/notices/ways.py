"""How the engine itself tells people: on its console, by a line in a file, by JSON posted to a web address."""

from __future__ import annotations

import hashlib
import hmac
import os
from collections.abc import Iterator, Sequence
from typing import Final

import msgspec

from mmflow.errors import GiveUp
from mmflow.files import explain_errors, make_folders
from mmflow.hosts import check_hook
from mmflow.logs import write_whole
from mmflow.options import Options
from mmflow.paths import check_path, place_inside
from mmflow.plugins.notifiers import FileNotice, WebhookConnection
from mmflow.refs import has_reference
from mmflow.sinks import Notice, NoticeInfo
from mmflow.text import show_lines

APPEND: Final = os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_BINARY", 0)


def print_notice(notice: Notice, _options: Options, info: NoticeInfo) -> None:
    """Print the text to stderr of the daemon."""
    if info.terminal is None:
        raise GiveUp("the daemon has no output that anybody could read")
    encoding = info.terminal.encoding or "utf-8"
    text = show_lines(f"{notice.subject}\n{notice.text}").encode(encoding, "backslashreplace").decode(encoding)
    try:
        info.terminal.write(f"{text}\n")
        info.terminal.flush()
    except OSError as error:
        raise GiveUp("nobody reads the output of the daemon any more") from error


def check_file_way(options: FileNotice, _people: Sequence[str], _connection: None) -> Iterator[tuple[str, str]]:
    """Say what is wrong with the name of a file."""
    if wrong := check_path(options.path):
        yield "path", f"this path {wrong}"


def write_notice(notice: Notice, options: FileNotice, info: NoticeInfo) -> None:
    """Add one line of JSON to the file; it is on the disk when this returns."""
    if wrong := check_path(options.path):
        raise GiveUp(f"the path {options.path!r} {wrong}")
    path = place_inside(options.path, info.output)
    with explain_errors(path):
        make_folders(path.parent, info.output_mode)
        handle = os.open(path, APPEND, info.output_mode)
        try:
            write_whole(handle, encode_notice(notice) + b"\n")
            os.fsync(handle)
        finally:
            os.close(handle)


def post_notice(notice: Notice, _options: Options, info: NoticeInfo) -> None:
    """Post the notice; any answer of 2xx means that it was taken."""
    from mmflow.api.outward import call_address

    hook = find_hook(info)
    body = encode_notice(notice)
    headers = {"Content-Type": "application/json", "Idempotency-Key": notice.id}
    if hook.secret:
        headers["X-Mmflow-Signature"] = sign(body, hook.secret.reveal())
    with info.open_http() as client:
        call_address(client, "POST", hook.url, content=body, headers=headers)


def check_hook_way(_options: Options, info: NoticeInfo) -> None:
    """Raise what keeps notices from being posted; nothing is."""
    from mmflow.api.knock import knock

    hook = find_hook(info)
    with info.open_http() as client:
        knock(client, hook.url)


def find_hook(info: NoticeInfo) -> WebhookConnection:
    """Give the address to post to; raises :class:`GiveUp` for one that may not be."""
    hook = info.connection
    assert isinstance(hook, WebhookConnection), "the check lets in only ways with their connection"
    if wrong := check_hook(hook.url):
        raise GiveUp(f"url: this address {wrong}")
    return hook


def sign(body: bytes, secret: str) -> str:
    """Give what proves that a body comes from somebody who knows the secret."""
    return f"sha256={hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()}"


def encode_notice(notice: Notice) -> bytes:
    """Write a notice as one line of JSON; times are ISO 8601 in UTC."""
    return msgspec.json.encode(notice)


def check_webhook(connection: WebhookConnection) -> Iterator[tuple[str, str]]:
    """Say what is wrong with an address."""
    if not has_reference(connection.url) and (wrong := check_hook(connection.url)):
        yield "url", f"this address {wrong}"
