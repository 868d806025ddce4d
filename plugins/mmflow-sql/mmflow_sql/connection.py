"""What may be said about a database in ``mmflow.yaml``. Light: nothing heavy is imported."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from mmflow import Options, Secret

Tls = Literal["verify", "require", "off"]


class SqlConnection(Options):
    """A database, and who asks there."""

    # No pattern: a url that does not fit one would be shown as it stands, with the password that may be in it.
    url: Annotated[
        str,
        Meta(
            description="Where it is: kind://user@host:port/database, or kind:///file for sqlite and duckdb; "
            "a file is looked for below the root unless its path is absolute (four slashes).",
            examples=["postgresql://mmflow@db.plant.example/plant", "sqlite:///data/plant.db"],
        ),
    ]
    username: (
        Annotated[str, Meta(min_length=1, description="The user, when the url does not name one.", examples=["mmflow"])]
        | None
    ) = None
    password: (
        Annotated[Secret, Meta(description="The user's password.", examples=["${env:PLANT_DB_PASSWORD}"])] | None
    ) = None
    tls: (
        Annotated[
            Tls,
            Meta(
                description="verify: encrypted, and the server has to prove its name (unless told otherwise, except on "
                "this machine). require: encrypted, whoever answers. off: in plain text."
            ),
        ]
        | None
    ) = None
    ca: (
        Annotated[
            str,
            Meta(
                min_length=1,
                description="PEM file of the authority that signed the server's certificate, for tls: verify; a "
                "relative path starts at the root.",
                examples=["certificates/plant-ca.pem"],
            ),
        ]
        | None
    ) = None
