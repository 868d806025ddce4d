"""Urls of databases: what is taken, what is refused, and that no password is ever repeated."""

from __future__ import annotations

import logging
import re
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmflow import GiveUp, Secret
from mmflow.__main__ import run_guarded
from mmflow.cli import Surroundings
from mmflow.clock import FixedClock
from mmflow_sql.address import KINDS, Address, read_address
from mmflow_sql.connection import SqlConnection

ROOT = Path("/plant")


def read(url: str, **more: Any) -> Address:
    return read_address(SqlConnection(url=url, **more), ROOT)


def test_a_server_is_taken_apart() -> None:
    address = read("postgresql://mmflow@db.plant.example:5433/plant", password=Secret("hush"))
    assert (address.kind, address.host, address.port) == ("postgresql", "db.plant.example", 5433)
    assert (address.database, address.username, address.tls) == ("plant", "mmflow", "verify")
    assert str(address) == "postgresql://mmflow@db.plant.example:5433/plant"


def test_a_user_may_stand_beside_the_url_and_hold_any_sign() -> None:
    assert read("mysql://db.example/plant", username="o'hara@plant").username == "o'hara@plant"
    assert read("mysql://o%27hara%40plant@db.example/plant").username == "o'hara@plant"


def test_mariadb_is_of_the_kind_mysql() -> None:
    assert read("mariadb://db.example/plant").kind == "mysql"


def test_a_relative_file_starts_at_the_root_and_an_absolute_one_has_four_slashes() -> None:
    assert read("sqlite:///data/plant.db").file == ROOT / "data/plant.db"
    assert read("duckdb:////srv/plant.duckdb").file == Path("/srv/plant.duckdb")
    assert read("sqlite:///with%20blank.db").file == ROOT / "with blank.db"
    assert read("sqlite:///C:/data/plant.db").file is not None, "a drive of Windows"


def test_this_machine_is_asked_in_plain_text_and_every_other_has_to_prove_its_name() -> None:
    for host in ("localhost", "127.0.0.1", "127.8.9.1", "[::1]"):
        assert read(f"postgresql://{host}/plant").tls == "off"
    for host in ("db", "10.0.0.5", "localhost.example", "[2001:db8::1]", "127.0.0.1.example"):
        assert read(f"postgresql://{host}/plant").tls == "verify"
    assert read("postgresql://db/plant", tls="off").tls == "off"


def test_a_folder_may_be_a_link_to_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "root").mkdir()
    (tmp_path / "disk").mkdir()
    (tmp_path / "root" / "data").symlink_to(tmp_path / "disk")
    connection = SqlConnection(url="sqlite:///data/../data/plant.db")
    assert read_address(connection, tmp_path / "root").file == tmp_path / "disk" / "plant.db"
    (tmp_path / "root" / ".mmflow").symlink_to(tmp_path / "disk")
    with pytest.raises(GiveUp, match=r"leads into \.mmflow"):
        read_address(connection, tmp_path / "root")


def test_an_authority_starts_at_the_root() -> None:
    assert read("postgresql://db/plant", ca="ca.pem").ca == ROOT / "ca.pem"
    assert read("postgresql://db/plant", ca="/etc/ca.pem").ca == Path("/etc/ca.pem")


def test_harmless_words_are_taken() -> None:
    words = {"application_name": "night shift", "connect_timeout": "5"}
    assert read("postgresql://db/plant?application_name=night%20shift&connect_timeout=5").words == words
    assert read("mysql://db/plant?charset=utf8mb4").words == {"charset": "utf8mb4"}


REFUSED = {
    "oracle://db/plant": "no kind of database",
    "postgres://db/plant": "no kind of database that is known; did you mean postgresql://?",
    "sqlserver://db/plant": "did you mean mssql://?",
    "sqllite:///x.db": "did you mean sqlite://?",
    "file:///etc/passwd": "no kind of database",
    "postgresql+psycopg://db/plant": "no kind of database",
    "SQLITE:///x.db": "no kind of database",
    "sqlite:x.db": "no kind of database",
    " sqlite:///x.db": "no kind of database",
    "sqlite:///x.db ": "blank at an end",
    "sqlite:///x\x00.db": "cannot be seen",
    "sqlite:///x%00.db": "cannot be seen",
    "sqlite:///x\n.db": "cannot be seen",
    "sqlite:///x%ff.db": "no UTF-8",
    "sqlite://": "names a host",
    "sqlite:///": "names no file",
    "sqlite:///:memory:": "names no file",
    "sqlite:///file:x.db": "names no file",
    "sqlite:///folder/": "names no file",
    "sqlite://host/x.db": "names a host",
    "sqlite:///x.db?mode=ro&uri=true": "'mode'",
    "sqlite:///x.db?uri=true": "'uri'",
    "sqlite:///.mmflow/ledger.sqlite": ".mmflow",
    "sqlite:///data/../.mmflow/ledger.sqlite": ".mmflow",
    "sqlite:////plant/.mmflow/ledger.sqlite": ".mmflow",
    "sqlite:///.MMFLOW/runs/x.db": ".mmflow",
    "sqlite:///../outside.db": "leads out of the root",
    "sqlite:///data/../../outside.db": "leads out of the root",
    "sqlite:///jobs/x.db": "leads into jobs",
    "duckdb:////plant/JOBS/deep/x.duckdb": "leads into jobs",
    "duckdb:///md:plant": "with ':'",
    "duckdb:///:memory:": "names no file",
    "duckdb:///md:plant?motherduck_token=x": "'motherduck_token'",
    "duckdb:///x.duckdb?access_mode=read_only": "'access_mode'",
    "postgresql://u:hush@db/plant": "holds a password",
    "postgresql://u:@db/plant": "holds a password",
    "postgresql://:hush@db/plant": "holds a password",
    "postgresql://@db/plant": "no user",
    "postgresql://db": "names no database",
    "postgresql://db/": "names no database",
    "postgresql:///plant": "names no host",
    "postgresql://%2Frun%2Fpostgresql/plant": "sockets are not supported",
    "postgresql://db,other/plant": "no single host",
    "postgresql://db:1,other:2/plant": "no single host",
    "postgresql://db:0/plant": "port 0",
    "postgresql://db:99999/plant": "port 99999",
    "postgresql://db:port/plant": "no single host",
    "postgresql://d b/plant": "names a host with a character",
    "postgresql://db;x/plant": "names a host with a character",
    "postgresql://[12345]/plant": "no IPv6",
    "postgresql://[::1/plant": "no single host",
    "postgresql://db/plant?options=-c%20search_path%3Devil": "'options'",
    "postgresql://db/plant?host=/tmp": "between // and /",
    "postgresql://db/plant?hostaddr=10.0.0.1": "'hostaddr'",
    "postgresql://db/plant?service=evil": "'service'",
    "postgresql://db/plant?passfile=/etc/shadow": "'passfile'",
    "postgresql://db/plant?sslkey=/root/key": "'sslkey'",
    "postgresql://db/plant?sslmode=disable": "tls",
    "postgresql://db/plant?sslrootcert=x": "ca:",
    "postgresql://db/plant?password=hush": "password: ${env:NAME}",
    "postgresql://db/plant?user=root": "username",
    "postgresql://db/plant?connect_timeout=0": "form that is not allowed",
    "postgresql://db/plant?connect_timeout=5&connect_timeout=6": "twice",
    "postgresql://db/plant?application_name=a%27b": "form that is not allowed",
    "postgresql://db/plant?connect_timeout": "form that is not allowed",
    "postgresql://db/plant#fragment": "'#'",
    "postgresql://db/plant%20options%3D-csearch_path": "database with a character",
    "postgresql://db/a/b": "database with a character",
    "mysql://db/plant?local_infile=1": "'local_infile'",
    "mysql://db/plant?init_command=DROP%20TABLE%20x": "'init_command'",
    "mysql://db/plant?read_default_file=/root/.my.cnf": "'read_default_file'",
    "mysql://db/plant?unix_socket=/tmp/x": "'unix_socket'",
    "mysql://db/plant?charset=latin1": "form that is not allowed",
    "mysql://db/plant?ssl_ca=x": "ca:",
    "mssql://db/plant;Trusted_Connection=yes": "database with a character",
    "mssql://db/plant?driver={x};UID=sa": "form that is not allowed",
    "mssql://db/plant?TrustServerCertificate=yes": "'TrustServerCertificate'",
}


@pytest.mark.row("S36")
@pytest.mark.parametrize("url", REFUSED)
def test_a_url_that_may_reach_further_is_refused_with_the_reason(url: str) -> None:
    with pytest.raises(GiveUp) as refusal:
        read(url)
    assert REFUSED[url] in str(refusal.value)
    assert "hush" not in str(refusal.value)


def test_what_means_nothing_is_refused() -> None:
    for more in ({"username": "u"}, {"password": Secret("hush")}, {"tls": "off"}, {"ca": "x"}):
        with pytest.raises(GiveUp, match="is a file and has no"):
            read("sqlite:///x.db", **more)
    with pytest.raises(GiveUp, match="ca means nothing with tls: off"):
        read("postgresql://127.0.0.1/plant", ca="ca.pem")
    with pytest.raises(GiveUp, match="mssql has no ca"):
        read("mssql://db/plant", ca="ca.pem")
    with pytest.raises(GiveUp, match="a user in its url and a username"):
        read("postgresql://u@db/plant", username="u")


@pytest.mark.row("S36")
@settings(deadline=None, max_examples=300)
@given(
    scheme=st.sampled_from([*KINDS, "x"]),
    rest=st.text(st.sampled_from("ab1@:/?&=#%[],.;' \\\x00é"), max_size=24),
)
def test_no_url_breaks_the_reading_or_has_its_password_repeated(scheme: str, rest: str) -> None:
    secret = "Geheim-9471"
    for url in (f"{scheme}://{rest}", f"{scheme}://u:{secret}@{rest}", f"{scheme}://h/{rest}?password={secret}"):
        said = say(url)
        # a name of a file may hold anything, and so may the rest that was made up here
        assert secret not in said or said.startswith(("sqlite:///", "duckdb:///"))


def say(url: str) -> str:
    """Give what is shown of an address, or why it is refused."""
    try:
        return str(read(url))
    except GiveUp as refusal:
        return str(refusal)


@pytest.mark.row("S36")
def test_an_address_never_shows_its_password(caplog: pytest.LogCaptureFixture) -> None:
    address = read("postgresql://u@db/plant", password=Secret("hush"))
    logging.getLogger("x").warning("%s %r", address, address)
    assert "hush" not in caplog.text


# What stands in mmflow.yaml, each connection on a line of its own, and what is said about it.
WRITTEN = {
    'url: "postgresql://u:hush@db/plant"': "url: the url of the connection holds a password",
    'url: "postgres://u:hush@db/plant"': "url: the url of the connection begins with no kind",
    'url: "u:hush@db/plant"': "url: the url of the connection begins with no kind",
    'url: "sqlite:///:memory:"': "url: the url of the connection names no file",
    'url: "postgresql://a,b/plant"': "url: the url of the connection names no single host",
    'url: "mysql://db/plant?local_infile=1"': "has a parameter 'local_infile', which is not allowed",
    'url: "sqlite:///x.db", password: "${env:P}"': "password: a sqlite database is a file and has no password",
    'url: "postgresql://u@db/plant", username: v': "username: the connection has a user in its url and a username",
    'url: "mysql://db/plant", ca: x.pem, tls: require': "ca: ca means nothing with tls: require",
    'url: "postgresql://u@db/plant", password: "${env:P}"': "",
    'url: "${env:URL}"': "",
    'url: "postgresql://u@db/plant?sslmode=disable", ca: "${env:CA}"': "",
}


@pytest.mark.row("S36")
def test_validate_finds_a_bad_connection_with_its_line_and_repeats_no_password(tmp_path: Path) -> None:
    lines = [
        "version: 1",
        'sites: {plant: {environment: standard, timezone: UTC, start_of_day: "06:00", api_key: "${env:KEY}"}}',
        "connections:",
    ]
    lines += [f"  c{number}: {{type: sql, {written}}}" for number, written in enumerate(WRITTEN)]
    (tmp_path / "mmflow.yaml").write_text("\n".join(lines), encoding="utf-8")
    out, err = StringIO(), StringIO()
    clock = FixedClock(datetime(2026, 11, 22, 12, tzinfo=UTC))
    code = run_guarded(["validate"], Surroundings({}, tmp_path, clock, stdout=out, stderr=err))
    said = out.getvalue() + err.getvalue()
    assert (code != 0, "hush" in said) == (True, False)
    found = dict(re.findall(r"^mmflow\.yaml:(\d+):\d+: (.*)", said, re.MULTILINE))
    for number, words in enumerate(WRITTEN.values()):
        assert words in found.pop(str(4 + number), "")
    assert found == {}
