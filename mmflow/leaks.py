"""Secrets of ``mmflow.yaml``: what they are, and whether a job would show one to its readers.

A process runs jobs beside each other, and any of them may print what is another one's: its environment, a file. So
whoever runs jobs hides the secrets of all. Jobs are written by more people than ``mmflow.yaml``, and whatever a job
says may end up in a report.
"""

from __future__ import annotations

from collections.abc import Collection, Container, Iterable, Iterator
from contextlib import suppress

from mmflow.check import CheckedSettings
from mmflow.check.faults import Finding
from mmflow.check.layers import EACH, Layers, all_texts, find, find_texts, get
from mmflow.check.uses import find_type, fit_connection
from mmflow.document import Path, change_texts
from mmflow.errors import UnresolvedReference
from mmflow.options import Options
from mmflow.plugins import Registry
from mmflow.refs import Redactor, Resolver, Secret, has_reference


def find_secrets(value: object, at: Path = ()) -> Iterator[tuple[Path, Secret]]:
    """Give the secrets in typed options, however deep, each with its path in YAML."""
    if isinstance(value, Secret):
        yield at, value
    for part, inner in list_parts(value):
        yield from find_secrets(inner, (*at, part))


def list_parts(value: object) -> Iterable[tuple[str | int, object]]:
    """Give what typed options, a block or a list consist of, by key or place."""
    if isinstance(value, Options):
        names = zip(value.__struct_encode_fields__, value.__struct_fields__, strict=True)
        return [(key, getattr(value, name)) for key, name in names]
    if isinstance(value, dict):
        return value.items()
    return enumerate(value) if isinstance(value, tuple | list) else ()


def learn_secrets(
    settings: CheckedSettings, registry: Registry, resolver: Resolver, references: Iterable[str] = ()
) -> None:
    """Have every secret of ``mmflow.yaml`` hidden from all output, whoever uses it, as far as it has a value now.

    Those are what its references give, if that is a secret by its name, its looks, its place or as a file; and so is
    what the ``references`` of jobs give.
    """
    values = settings.document.values
    resolver.learn(text for _, text in all_texts(values))
    resolver.learn(references, confined=True)
    for _, secret in (*find_keys(settings, resolver), *find_connected(settings, registry, resolver)):
        resolver.redactor.remember(secret)
    for _, text in find_texts(values, ("daemon", "heartbeat")):  # whoever knows the address can ask it
        with suppress(UnresolvedReference):
            resolver.redactor.remember(resolver.resolve(text))


def list_secrets(
    job: Layers, settings: CheckedSettings, registry: Registry, resolver: Resolver
) -> list[tuple[str, Redactor]]:
    """Give every secret of ``mmflow.yaml`` that has a value now: its name for messages, and what finds it in a text.

    None when the job holds no reference, by which alone it could get at one. All are hidden from output from now on.
    """
    if not any(has_reference(text) for _, text in all_texts(job.values)):
        return []
    found: list[tuple[str, Redactor]] = []
    for name, secret in (*find_keys(settings, resolver), *find_connected(settings, registry, resolver)):
        finder = Redactor()
        for redactor in (finder, resolver.redactor):
            redactor.remember(secret)
        found.append((name, finder))
    return found


def find_keys(settings: CheckedSettings, resolver: Resolver) -> Iterator[tuple[str, Secret]]:
    """Give the keys of all sites, and the password of the ledger, whose references have a value."""
    for path, text in find_texts(settings.document.values, ("sites", EACH, "api_key")):
        with suppress(UnresolvedReference):
            yield f"the api_key of site {path[1]}", Secret(resolver.resolve(text))
    for _, text in find_texts(settings.document.values, ("state", "password")):
        with suppress(UnresolvedReference):
            yield "the password of the ledger", Secret(resolver.resolve(text))


def find_connected(settings: CheckedSettings, registry: Registry, resolver: Resolver) -> Iterator[tuple[str, Secret]]:
    """Give the secrets of all connections whose references have a value."""

    def resolve(text: str, _path: Path) -> str:
        with suppress(UnresolvedReference):
            return resolver.resolve(text)
        return text

    for path, block in find(settings.document.values, ("connections", EACH)):
        values = change_texts(block, resolve)
        sink = find_type(values, path, registry)[0] if isinstance(values, dict) else None
        if isinstance(values, dict) and sink and sink.connection:
            options, _ = fit_connection(values, path, sink, strict=False)
            held = [secret for _, secret in find_secrets(options) if not has_reference(secret.reveal())]
            yield from ((f"a secret of connection {path[1]}", secret) for secret in held)


def find_leaks(
    written: Layers, resolved: Layers, kept: Container[Path], secrets: Collection[tuple[str, Redactor]]
) -> Iterator[Finding]:
    """Say which references bring a secret to where it may be shown; the places ``kept`` are made for secrets."""
    for path, text in all_texts(resolved.values):
        if path in kept or not has_reference(str(get(written.values, path))):
            continue
        for name, finder in secrets:
            if finder.redact(text) != text:
                yield Finding(path, f"this would put {name} into the report", "remove this reference")
