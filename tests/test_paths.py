"""Names of files: what a template may say, and where a file may lie."""

import os
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmflow.errors import GiveUp, UserError
from mmflow.paths import LONGEST_NAME, PATH_WORDS, check_path, check_template, place_file, safe_name
from mmflow.testing.deliveries import make_run

BAD_TEMPLATES = [
    ("", "is empty; write a name such as '{job}.csv'"),
    (" ", "is empty"),
    ("/etc/report.csv", "is absolute; write it relative to the output folder"),
    ("../report.csv", "has '..' where a name was expected; write it relative to the output folder"),
    ("a/../../report.csv", "has '..' where a name was expected; write it relative to the output folder"),
    ("a//report.csv", "has '' where a name was expected; write it relative to the output folder"),
    ("a/", "has '' where a name was expected; write it relative to the output folder"),
    ("a\\report.csv", "holds '\\\\', which cannot be part of a file name everywhere; write / between folders"),
    ("C:/report.csv", "holds ':', which cannot be part of a file name everywhere; leave it out"),
    ("a\0b", "holds '\\x00', which cannot be part of a file name everywhere; leave it out"),
    ("con.csv", "has a part 'con.csv' that cannot be a file name everywhere; choose another name"),
    ("report.", "has a part 'report.' that cannot be a file name everywhere; choose another name"),
    ("x" * 300, f"has a part {'x' * 40!r} that cannot be a file name everywhere; choose another name"),
    ("{dat}.csv", "holds '{dat}', which is not known; did you mean '{date}'?"),
    ("{}.csv", f"holds '{{}}', which is not known; there are: {', '.join(PATH_WORDS)}"),
    ("{job.__class__}", "holds '{job.__class__}', which is not known"),
    ("{date:%Y}.csv", "has more than a word in '{date}'; write just the word"),
    ("{date!r}.csv", "has more than a word in '{date}'; write just the word"),
    ("{date.csv", "has a brace without its partner; write '{date}', or '{{' for a brace itself"),
]


@pytest.mark.parametrize(("template", "problem"), BAD_TEMPLATES)
def test_bad_template_is_explained_before_any_run(template, problem, tmp_path):
    assert (check_template(template) or "").startswith(problem)
    with pytest.raises(UserError):
        place_file(template, make_run(tmp_path))


@pytest.mark.parametrize("template", ["{job}/{date}.csv", "a b/ü.csv", "{{x}}.csv", "console.csv", ".hidden", "a.b.c"])
def test_good_template_has_no_problem(template):
    assert check_template(template) is None


def test_words_are_filled_in(tmp_path):
    assert place_file("{job}/{date}.csv", make_run(tmp_path)) == tmp_path / "out/morning-oee/2026-11-21.csv"


def test_words_are_those_that_the_engine_gives(tmp_path):
    assert set(make_run(tmp_path).names) == set(PATH_WORDS)


@pytest.mark.row("S57")
@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Mill 3", "Mill 3"),
        ("VF-2/SS", "VF-2-SS"),
        ("..", "_"),
        ("../../etc/passwd", "-..-etc-passwd"),
        ("..\\x", "-x"),
        (" Mill 3", "Mill 3"),
        ("CON", "_CON"),
        ("COM¹", "_COM¹"),
        ("com1.txt", "_com1.txt"),
        ("trailing. .", "trailing"),
        ("", "_"),
        ("a\nb\x00c\x1b[2J", "a-b-c-[2J"),
        ("gpj\u202etxt.exe", "gpj-txt.exe"),
        ("a:b*c?d", "a-b-c-d"),
        ("Fra\u0308se", "Fräse"),
    ],
)
def test_text_from_data_becomes_a_harmless_name(text, name):
    assert safe_name(text) == unicodedata.normalize("NFC", name)


@pytest.mark.row("S57")
@given(st.text())
def test_any_text_becomes_a_name_that_stays_itself(text):
    name = safe_name(text)
    assert check_path(name) is None
    assert safe_name(name) == name
    assert len(name.encode()) <= LONGEST_NAME


@pytest.mark.row("S57")
def test_long_names_keep_their_suffix_and_stay_apart():
    one, other = (safe_name("ü" * 300 + end + ".csv") for end in "ab")
    assert one != other
    assert one.endswith(".csv")
    assert len(one.encode()) <= LONGEST_NAME


@pytest.mark.row("S57")
@pytest.mark.parametrize("site", ["../..", "/etc", "a/../../../b", "..", "C:\\x"])
def test_site_name_cannot_lead_out_of_the_output_folder(site, tmp_path):
    run = make_run(tmp_path)
    names = {**run.names, "site": site}
    path = place_file("{site}/{date}.csv", make_run(tmp_path, names=names))
    assert path.parent.parent == tmp_path / "out"


@pytest.mark.row("S56")
def test_symbolic_link_out_of_the_output_folder_is_refused(tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "link").symlink_to(elsewhere)
    (tmp_path / "out" / "file.csv").symlink_to(elsewhere / "file.csv")
    for template in ("link/x.csv", "file.csv"):
        with pytest.raises(GiveUp, match="leads out of the output folder"):
            place_file(template, make_run(tmp_path))


@pytest.mark.row("S56")
def test_symbolic_link_to_the_output_folder_itself_is_no_place_for_a_file(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "link").symlink_to(".")
    with pytest.raises(GiveUp, match="leads out of the output folder"):
        place_file("link", make_run(tmp_path))


def test_symbolic_link_within_the_output_folder_is_followed(tmp_path):
    (tmp_path / "out" / "real").mkdir(parents=True)
    (tmp_path / "out" / "link").symlink_to("real")
    assert place_file("link/x.csv", make_run(tmp_path)) == tmp_path / "out/real/x.csv"


def test_output_folder_itself_may_be_a_link(tmp_path):
    (tmp_path / "share").mkdir()
    (tmp_path / "out").symlink_to(tmp_path / "share")
    assert place_file("x.csv", make_run(tmp_path)) == tmp_path / "share/x.csv"


@pytest.mark.row("S55")
@pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX")
def test_folder_that_everybody_may_write_to_is_warned_about(tmp_path, caplog):
    (tmp_path / "out").mkdir()
    (tmp_path / "out").chmod(0o777)
    place_file("x.csv", make_run(tmp_path))
    assert "everybody on this machine may write to" in caplog.text
