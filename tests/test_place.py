"""Where the ledger is: addresses of databases, drives of the network, and what mmflow.yaml may say of them."""

from pathlib import Path

import pytest

from mmflow.errors import StateError, UserError
from mmflow.ledger import Database, find_place, place
from mmflow.refs import Secret
from mmflow.settings import State

PASSWORD = "pw-4d1c77e0a2"
MOUNTS = """
/dev/vda / ext4 rw 0 0
filer:/plant /srv/plant nfs4 rw 0 0
//filer/share /mnt/with\\040blank cifs rw 0 0
tmpfs /srv/plant/scratch tmpfs rw 0 0
/dev/vdb /srv/plant/local ext4 rw 0 0
filer:/over /srv/plant/local nfs rw 0 0
"""


def test_without_a_url_the_ledger_is_a_file_in_the_folder():
    assert find_place(State(), Path("/plant/.mmflow")) == Path("/plant/.mmflow/ledger.sqlite")


@pytest.mark.parametrize(
    ("url", "shown", "tls"),
    [
        ("postgresql://mmflow@db.example.com/plant", "postgresql://mmflow@db.example.com:5432/plant", "verify"),
        ("postgresql://127.0.0.1:6000/plant", "postgresql://127.0.0.1:6000/plant", "off"),
        ("postgresql://me%40home@[2001:db8::1]:7/a%20b", "postgresql://me@home@[2001:db8::1]:7/a b", "verify"),
        ("postgresql://[::1]/plant", "postgresql://[::1]:5432/plant", "off"),
    ],
)
def test_an_address_has_these_parts(url, shown, tls):
    found = find_place(State(url=url, password=Secret(PASSWORD)), Path("/plant/.mmflow"))
    assert (str(found), found.tls, found.password.reveal()) == (shown, tls, PASSWORD)
    assert PASSWORD not in f"{found!r} {found}"


def test_what_stands_beside_the_url_counts():
    state = State(url="postgresql://127.0.0.1/plant", tls="verify", ca="certificates/ca.pem")
    found = find_place(state, Path("/plant/.mmflow"))
    assert found == Database(
        host="127.0.0.1", port=5432, name="plant", tls="verify", ca=Path("/plant/certificates/ca.pem")
    )


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("mysql://db/plant", "is not one of PostgreSQL"),
        ("postgresql:db/plant", "is not one of PostgreSQL"),
        (f"postgresql://me:{PASSWORD}@db/plant", "holds a password"),
        (f"postgresql://db/plant?password={PASSWORD}", "holds '?'"),
        ("postgresql://@db/plant", "holds a password, or no user"),
        ("postgresql://db", "names no database"),
        ("postgresql://db/", "names no database"),
        ("postgresql://one,two/plant", "names no single host"),
        ("postgresql:///plant", "names no single host"),
        ("postgresql://db:99999/plant", "names no single host"),
        ("postgresql://db/plant\n", "a character that cannot be seen"),
    ],
)
def test_an_address_that_is_none_is_refused_without_repeating_it(url, problem):
    with pytest.raises(UserError) as refused:
        find_place(State(url=url), Path("/plant/.mmflow"))
    assert problem in str(refused.value)
    assert "write postgresql://user@host:5432/database" in str(refused.value)
    assert PASSWORD not in str(refused.value)


@pytest.mark.parametrize(
    ("written", "problem"),
    [
        ('{url: "mysql://db/plant"}', "13:14: state.url: the address of the state is not one of PostgreSQL"),
        (f"{{password: {PASSWORD}}}", "state.password: "),
        ('{password: "${env:PW}"}', "13:9: state.password: means nothing without a url"),
        (
            '{url: "postgresql://db/plant", network_drive: true}',
            "state.network_drive: means nothing for a ledger in a database",
        ),
        ('{url: "postgresql://db/plant", ca: none.pem}', "state.ca: the file 'none.pem' "),
        ('{url: "postgresql://db/plant", tls: maybe}', "state.tls: "),
        ("{urls: x}", "did you mean 'url'?"),
    ],
)
def test_what_is_wrong_with_the_state_is_said_with_its_place(desk, written, problem):
    desk.write("mmflow.yaml", desk.text("mmflow.yaml") + f"state: {written}\n")
    for words in (("validate",), ("runs",), ("state", "show")):
        done = desk.mmflow(*words)
        assert done.code == 2
        assert problem in done.out + done.err
        assert PASSWORD not in done.out + done.err


def test_an_address_may_be_a_reference_which_is_checked_when_it_is_used(desk):
    desk.write("mmflow.yaml", desk.text("mmflow.yaml") + 'state: {url: "${env:LEDGER}"}\n')
    assert desk.mmflow("validate").code == 0
    desk.environ["LEDGER"] = "mysql://db/plant"
    done = desk.mmflow("runs")
    assert (done.code, "state.url: the address of the state is not one of PostgreSQL" in done.err) == (2, True)


@pytest.mark.row("S50")
def test_the_password_of_the_ledger_gets_into_no_report(desk):
    desk.environ["LEDGER"] = PASSWORD
    state = 'state: {url: "postgresql://db.invalid/plant", password: "${env:LEDGER}"}\n'
    desk.write("mmflow.yaml", desk.text("mmflow.yaml") + state)
    desk.job("""
        job: daily
        description: "${env:LEDGER}"
        report: {metrics: [goodParts]}
        window: yesterday
        sinks: [{type: csv}]
    """)
    done = desk.mmflow("preview", "daily")
    assert (done.code, "this would put the password of the ledger into the report" in done.err) == (2, True)


@pytest.mark.row("R28")
@pytest.mark.parametrize(
    ("folder", "kind"),
    [
        ("/root/.mmflow", "ext4"),
        ("/srv/plant/.mmflow", "nfs4"),
        ("/srv/plants/.mmflow", "ext4"),
        ("/srv/plant/scratch", "tmpfs"),
        ("/srv/plant/local/.mmflow", "nfs"),
        ("/mnt/with blank/.mmflow", "cifs"),
    ],
)
def test_the_drive_of_a_folder_is_that_of_the_nearest_mount_above(folder, kind):
    assert place.find_drive(Path(folder), MOUNTS) == kind


@pytest.mark.row("R28")
@pytest.mark.skipif(not place.MOUNTS.exists(), reason="this system has no list of its drives")
def test_a_file_on_a_drive_of_the_network_is_refused_unless_somebody_knows_better(desk, monkeypatch, tmp_path):
    mounts = tmp_path / "mounts"
    mounts.write_text(f"filer:/plant {desk.root} nfs4 rw 0 0\n", encoding="utf-8")
    assert place.find_network_drive(desk.root / ".mmflow") == ""
    monkeypatch.setattr(place, "MOUNTS", mounts)  # nobody can mount a drive of the network here
    done = desk.mmflow("runs")
    assert (done.code, "is on a drive of the network (nfs4), where it would be damaged" in done.err) == (4, True)
    with pytest.raises(StateError):
        find_place(State(), desk.root / ".mmflow")
    desk.write("mmflow.yaml", desk.text("mmflow.yaml") + "state: {network_drive: true}\n")
    assert desk.mmflow("runs").code == 0
