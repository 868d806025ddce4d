"""A zip file for whoever helps: what was found, the files as written, the latest log and runs; no keys, no figures.

References stay as they are written. What is known to be a secret here is taken out by its value, and what only looks
like one, or stands under a key that is named like one, by its looks; comments are left out altogether. Of web addresses
the host is left, since what follows may be a secret, and of mail addresses the domain.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from importlib.metadata import distributions
from pathlib import Path
from typing import Any, Final
from zipfile import ZIP_DEFLATED, ZipFile

import msgspec

from mmflow.atomic import refuse_closed, replace_path
from mmflow.check.layers import all_texts
from mmflow.doctor import Diagnosis, worst
from mmflow.doctor.patient import Patient
from mmflow.doctor.records import read_log
from mmflow.document import Document, change_texts
from mmflow.errors import MmflowError, UserError
from mmflow.leaks import learn_secrets
from mmflow.ledger import Ledger, Run
from mmflow.refs import HIDDEN, Redactor, find_references, is_secret_form
from mmflow.secrecy import looks_like_secret

MOST_LINES: Final = 200
MOST_RUNS: Final = 50
MOST_JOBS: Final = 200
# Keys whose values are secrets, whatever they look like.
_SECRET_KEY: Final = re.compile(r"key|token|secret|pass|pwd|cred|private", re.IGNORECASE)

# What stands behind the words of a header is one, also a short one; references stay.
_HEADER: Final = re.compile(
    r"""(\bauthorization\b['"]?\s*[:=]?\s*['"]?(?:(?:bearer|basic|token)\s+)?|\bbearer\s+)(?!\$\{)[^\s'",;]+""",
    re.IGNORECASE,
)

_WEB: Final = re.compile(r"""(\bhttps?://[^/?#\s'"]+)[/?#][^\s'",;)]+""", re.IGNORECASE)
_MAIL: Final = re.compile(r"""[^\s@,;:<>()'"/]+@(?=[\w-]+\.[\w.-]+)""")
# What a check says of a figure beyond its bound, and of a bound that is one itself: see mmflow/shape/facts.py.
_FIGURE: Final = re.compile(r"(?<= is )-?\d[\d.e+-]*(?=(?: for .*?)?, (?:above|below) )")
_BOUND: Final = re.compile(r"(, (?:above|below) [^;(]*\()[^)]*")


def write_bundle(path: Path, patient: Patient, found: Sequence[Diagnosis]) -> None:
    """Write the file, for its owner only; :class:`UserError` when it cannot be, or is there already."""
    if path.exists():
        raise UserError(f"{path} is there already; name another file")
    refuse_closed(patient.state)
    learn_all(patient)
    redactor = patient.resolver.redactor
    try:
        with replace_path(path) as draft, ZipFile(draft, "w", ZIP_DEFLATED) as bundle:
            for name, values in gather(patient, found):
                masked = change_texts(msgspec.to_builtins(values), lambda text, at: mask(text, at, redactor))
                text = msgspec.json.format(msgspec.json.encode(masked), indent=2).decode()
                bundle.writestr(name, redactor.redact(text))  # once more, for what stands in keys
    except OSError as error:
        raise UserError(f"{path} cannot be written: {error.strerror}; name another file") from error


def learn_all(patient: Patient) -> None:
    """Look up every reference, so that the redactor knows what is behind it, wherever that may show."""
    workspace = patient.workspace
    learn_secrets(workspace.checked, workspace.registry, patient.resolver)
    for document in list_documents(patient, None):
        patient.resolver.learn(text for _, text in all_texts(document.values))


def gather(patient: Patient, found: Sequence[Diagnosis]) -> Iterator[tuple[str, Any]]:
    """Give the files of the bundle, by name."""
    yield "doctor.json", {"verdict": worst(found), "checks": found}
    yield "packages.json", sorted({f"{package.name} {package.version}" for package in distributions()})
    yield from ((f"{document.name}.json", document.values) for document in list_documents(patient))
    yield "log.json", read_log(patient.state / "logs", MOST_LINES)
    yield "ledger.json", read_ledger(patient)


def list_documents(patient: Patient, most: int | None = MOST_JOBS) -> Iterable[Document]:
    """Give mmflow.yaml and the first jobs, or all."""
    jobs, _ = patient.read_jobs()
    return [patient.workspace.checked.document, *(job.document for job in jobs[:most])]


def read_ledger(patient: Patient) -> Mapping[str, Any]:
    """Give the ledger in figures and its latest runs; why not, where it cannot be read."""
    try:
        with patient.open_ledger() as ledger:
            runs = [describe_run(ledger, run) for run in ledger.runs(limit=MOST_RUNS)]
            return {"facts": ledger.facts(), "runs": runs}
    except MmflowError as error:
        return {"error": str(error)}


def describe_run(ledger: Ledger, run: Run) -> Mapping[str, Any]:
    """Give how a run went; its receipts stay here, since sinks write into them what they like."""
    kept = ("id", "job", "slot", "kind", "state", "started", "finished", "rows", "error", "notices", "version")
    deliveries = [
        {name: getattr(one, name) for name in ("sink", "type", "state", "error")} for one in ledger.deliveries(run.id)
    ]
    return {**{name: getattr(run, name) for name in kept}, "deliveries": deliveries}


def mask(text: str, path: Sequence[str | int], redactor: Redactor) -> str:
    """Give a text as it may be sent; ``path`` is where it stands."""
    key = next((part for part in reversed(path) if isinstance(part, str)), "")
    if _SECRET_KEY.search(key) and not is_secret_form(text):
        return HIDDEN
    plain = _HEADER.sub(rf"\1{HIDDEN}", hide_defaults(redactor.redact(text)))
    plain = _BOUND.sub(rf"\1{HIDDEN}", _FIGURE.sub(HIDDEN, plain))
    plain = _MAIL.sub(f"{HIDDEN}@", _WEB.sub(rf"\1/{HIDDEN}", plain))
    if looks_like_secret(plain):
        plain = re.sub(r"\S+", lambda word: HIDDEN if looks_like_secret(word[0]) else word[0], plain)
    return HIDDEN if looks_like_secret(plain) else plain


def hide_defaults(text: str) -> str:
    """Take out what a reference gives when there is no value."""
    with suppress(ValueError):
        for one in reversed(find_references(text)):
            if one.default:
                text = f"{text[: one.start]}${{{one.kind}:{one.name}:-{HIDDEN}}}{text[one.end :]}"
        return text
    return HIDDEN  # malformed, so nobody can say what it is
