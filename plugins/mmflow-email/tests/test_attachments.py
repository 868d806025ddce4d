"""Files of the same run go with the mail, or the mail says why they do not."""

import os
import zipfile
from io import BytesIO

import pytest

from mmflow.errors import GiveUp, TryLater
from mmflow_email.deliver import deliver_email
from mmflow_email.testing import MailServer

XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


@pytest.fixture
def files(tmp_path):
    """Write files as other sinks of the job would have, and give them by sink."""

    def make(**sizes):
        folder = tmp_path / "out" / "morning"
        folder.mkdir(parents=True, exist_ok=True)
        found = {}
        for name, size in sizes.items():
            path = folder / f"{name}.{'xlsx' if name.startswith('excel') else 'csv'}"
            path.write_bytes(os.urandom(size) if name.startswith("excel") else b"1;2\r\n" * (size // 5))
            found[name] = (path,)
        return found

    return make


def attached(mail):
    return {part.get_filename(): part.get_payload(decode=True) for part in mail.message.iter_attachments()}


def text(mail):
    return mail.message.get_body(("plain",)).get_content()


def test_files_of_other_sinks_go_with_the_mail(table, options, run, server, files):
    made = files(excel=5000, csv=500)
    receipt = deliver_email(table(), options(attach=["excel", "csv"]), run(attachments=made))
    (mail,) = server.mails
    assert attached(mail) == {path.name: path.read_bytes() for (path,) in made.values()}
    assert [part.get_content_type() for part in mail.message.iter_attachments()] == [XLSX, "text/csv"]
    assert receipt.details["attached"] == "excel.xlsx, csv.csv"


def test_files_of_one_name_get_names_of_their_own(table, options, run, server, tmp_path):
    paths = tuple(tmp_path / day / "Mills.csv" for day in ("one", "two"))
    for path in paths:
        path.parent.mkdir()
        path.write_bytes(path.parent.name.encode())
    deliver_email(table(), options(attach=["csv"]), run(attachments={"csv": paths}))
    assert attached(server.mails[0]) == {"Mills.csv": b"one", "_Mills.csv": b"two"}


def test_sink_that_made_no_file_is_told_in_the_mail(table, options, run, server, files):
    deliver_email(table(), options(attach=["excel", "csv"]), run(attachments=files(csv=10)))
    (mail,) = server.mails
    assert list(attached(mail)) == ["csv.csv"]
    assert "Not attached, because it was not made this time: excel." in " ".join(text(mail).split())


@pytest.mark.row("R61", "S42")
def test_file_that_is_too_large_stays_out_and_the_mail_says_where_it_is(table, options, run, server, files):
    made = files(excel=1_200_000, csv=500)
    deliver_email(table(), options(attach=["excel", "csv"], attach_max_mb=1), run(attachments=made))
    (mail,) = server.mails
    assert list(attached(mail)) == ["csv.csv"]
    said = "Not attached, because it is too large (1.2 MB): out/morning/excel.xlsx."
    assert said in " ".join(text(mail).split())
    assert "too large (1.2 MB)" in mail.message.get_body(("html",)).get_content()


@pytest.mark.row("R61")
def test_files_are_packed_when_asked(table, options, run, server, files):
    made = files(csv=2_000_000, csv2=2_000_000)
    written = options(attach=["csv", "csv2"], attach_max_mb=1, attach_fallback="zip")
    deliver_email(table(), written, run(attachments=made))
    ((name, content),) = attached(server.mails[0]).items()
    assert name == "morning-oee 2026-11-21.zip"
    with zipfile.ZipFile(BytesIO(content)) as archive:
        assert {one: archive.read(one) for one in archive.namelist()} == {
            p.name: p.read_bytes() for (p,) in made.values()
        }


def test_files_that_stay_too_large_when_packed_are_told(table, options, run, server, files):
    written = options(attach=["excel"], attach_max_mb=1, attach_fallback="zip")
    deliver_email(table(), written, run(attachments=files(excel=1_200_000)))
    assert attached(server.mails[0]) == {}
    assert "too large" in text(server.mails[0])


@pytest.mark.parametrize(("made", "error"), [({"excel": 1_200_000}, GiveUp), ({}, TryLater)])
def test_nobody_gets_the_mail_without_its_files_when_asked(made, error, table, options, run, server, files):
    written = options(attach=["excel"], attach_max_mb=1, attach_fallback="fail")
    with pytest.raises(error, match="nobody got the mail"):
        deliver_email(table(), written, run(attachments=files(**made)))
    assert server.seen == []


@pytest.mark.row("R61")
def test_server_that_says_its_size_gets_the_mail_without_files(table, options, run, make_connection, files):
    with MailServer(size=400_000) as small:
        made = run(attachments=files(excel=600_000), connection=make_connection(small.port))
        receipt = deliver_email(table(), options(attach=["excel"]), made)
    (mail,) = small.mails
    assert attached(mail) == {}
    assert "the server takes 400000: excel.xlsx." in " ".join(text(mail).split())
    assert "attached" not in receipt.details
    assert receipt.details["message_id"] == mail.message["Message-ID"]


@pytest.mark.row("R61")
@pytest.mark.parametrize("command", ["MAIL", "DATA", "END"])
def test_server_that_finds_the_mail_too_large_gets_it_without_files(command, table, options, run, server, files):
    server.answer(command, "552 5.3.4 message size exceeds fixed limit")
    deliver_email(table(), options(attach=["excel"]), run(attachments=files(excel=5000)))
    (mail,) = server.mails
    assert attached(mail) == {}
    assert "552 5.3.4 message size exceeds fixed limit" in " ".join(text(mail).split())


@pytest.mark.row("R61")
@pytest.mark.parametrize("command", ["MAIL", "END"])
def test_letter_that_is_too_large_by_itself_gives_up(command, table, options, run, server):
    server.answer_always(command, "552 5.3.4 message size exceeds fixed limit")
    with pytest.raises(GiveUp, match=r"552 5\.3\.4"):
        deliver_email(table(), options(), run())
    assert server.mails == []


def test_mailbox_that_is_full_is_no_matter_of_size(table, options, run, server, files):
    server.answer("END", "552 5.2.2 mailbox full")
    with pytest.raises(GiveUp, match=r"552 5.2.2 mailbox full"):
        deliver_email(table(), options(attach=["excel"]), run(attachments=files(excel=5000)))


@pytest.mark.row("S42")
def test_mail_as_a_whole_keeps_to_the_connection(table, options, run, server, make_connection, files):
    connection = make_connection(server.port, max_size_mb=1)
    deliver_email(table(), options(attach=["excel"]), run(attachments=files(excel=900_000), connection=connection))
    (mail,) = server.mails
    assert attached(mail) == {}
    assert "the mail would have 1.2 MB, more than 1" in " ".join(text(mail).split())
    with pytest.raises(GiveUp, match="attach_fallback is fail"):
        deliver_email(
            table(),
            options(attach=["excel"], attach_fallback="fail"),
            run(attachments=files(excel=900_000), connection=connection, generation=2),
        )


def test_file_that_goes_away_meanwhile_does_not_change_the_frozen_mail(table, options, run, server, files):
    made = files(excel=5000)
    content = made["excel"][0].read_bytes()
    server.answer("CONNECT", "421 busy")
    with pytest.raises(TryLater):
        deliver_email(table(), options(attach=["excel"]), run(attachments=made))
    made["excel"][0].write_bytes(b"another run")
    deliver_email(table(), options(attach=["excel"]), run(fence=2, attachments=made))
    assert attached(server.mails[0]) == {"excel.xlsx": content}
