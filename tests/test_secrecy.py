"""What looks like a secret that was written out, and what only looks odd."""

from __future__ import annotations

import base64
import random
import string
from collections.abc import Callable

import pytest

from mmflow.secrecy import list_forms, looks_like_secret

SECRETS = {
    "random letters and digits": "x7Gk29LmQz81Tn4Rb6VcYp0Wd",
    "behind a word": "Bearer x7Gk29LmQz81Tn4Rb6VcYp0Wd",
    "hexadecimal": "9f86d081884c7d659a2feaa0c55ad015",
    "base64": "kq8Zt1mPb3XvN7sRwE2yUc5Ld9Fh0Ga4Tj6Vx1Bn8Mo=",
    "base64 for URLs": "kq8Zt1mPb3XvN7sRwE2yUc5L-9Fh0Ga4Tj6Vx1Bn_Mo",
    "JSON web token": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.dBjftJeZ4CVPmB92K27uhbUJU1p1r",
    "GitHub": "ghp_16C7e42F292c6912E7710c838347Ae178B4a",
    "Slack": "xoxb-123456789012-abcdefghijkl",
    "Slack hook": "https://hooks.slack.com/services/T0000/B0000/abcdefgh",
    "AWS": "AKIAIOSFODNN7EXAMPLE",
    "Google": "AIzaSyA1234567890abcdefghijklmnopqrstu",
    "URL with a password": "postgresql://mmflow:hunter22@db.example.com/plant",
    "connection string": "Server=db;Database=plant;Password=hunter22;",
    "private key": "-----BEGIN RSA PRIVATE KEY-----",
    "beside a reference": "${env:USER}:x7Gk29LmQz81Tn4Rb6VcYp0Wd".replace(":x", " x"),
}


@pytest.mark.row("S49")
@pytest.mark.parametrize("text", SECRETS.values(), ids=SECRETS)
def test_secrets_that_are_written_out_are_recognised(text: str) -> None:
    assert looks_like_secret(text)


HARMLESS = [
    "",
    "morning-oee",
    "Yesterday by machine, for the seven o'clock meeting.",
    "rejectedPartsWarningThreshold",
    "partsGoalFailureThreshold2",
    "rejectedParts / nullif(totalParts, 0)",
    "jobs/morning-oee-2026-11-01T06-40-00.yaml",
    "morning/{date}_{site}.csv",
    "/run/secrets/plant_db_2026_11_01",
    "/nix/store/9f86d081884c7d659a2feaa0c55ad015-mmflow",
    r"C:\Users\reports\AppData\Local\mmflow\2026-11-01",
    "https://api.machinemetrics.com/reports/production?x=9f86d081884c7d659a2feaa0c55ad015",
    "https://docs.google.com/spreadsheets/d/1BxiMVs0XRA5nFMdKvBdBZjgmUUqptlbs74OgvE2upms/edit",
    "1BxiMVs0XRA5nFMdKvBdBZjgmUUqptlbs74OgvE2upms",
    "postgresql://mmflow@db/plant",
    "postgresql://mmflow:${env:DB_PASSWORD}@db/plant",
    "Password=${env:DB_PASSWORD};Server=db",
    "${env:MM_BOSTON_KEY}",
    "${file:/run/secrets/x7Gk29LmQz81Tn4Rb6VcYp0Wd}",
    "operations.and.improvement+reports2026@machining.example.com",
    "6f1c1f6e-6d0b-4b7e-9b0a-6b1f2a3c4d5e",
    "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "America/Argentina/ComodRivadavia",
    "40 6 * * mon-fri",
    "20261101T064000Z",
    "12345678901234567890",
    "4711-0815-2026-11-01-2359",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    "ABCDEFGHIJKLMNOPQRSTUVWXYZ",
    "Donaudampfschifffahrtsgesellschaft",
    "--------------------------------",
    "token",
    "secret = total",
    "basic report",
]


@pytest.mark.row("S49")
@pytest.mark.parametrize("text", HARMLESS)
def test_what_people_write_in_jobs_is_not_taken_for_a_secret(text: str) -> None:
    assert not looks_like_secret(text)


ALPHABETS: dict[str, Callable[[random.Random], str]] = {
    "letters and digits": lambda dice: "".join(dice.choices(string.ascii_letters + string.digits, k=32)),
    "hexadecimal": lambda dice: dice.randbytes(20).hex(),
    "base64 for URLs": lambda dice: base64.urlsafe_b64encode(dice.randbytes(32)).decode(),
}


@pytest.mark.row("S49")
@pytest.mark.parametrize("name", ALPHABETS)
def test_nine_in_ten_random_keys_are_recognised(name: str) -> None:
    dice = random.Random(7)
    assert sum(looks_like_secret(ALPHABETS[name](dice)) for _ in range(500)) > 450


def test_no_form_of_a_secret_is_so_short_that_hiding_it_would_hide_words() -> None:
    assert min(map(len, list_forms("a b'c"))) >= 4
    assert list_forms("abc") == set()
    assert list_forms(" ab ") >= {" ab "}
    assert "ab" not in list_forms(" ab ")
