"""A template that is damaged in any way is filled or refused; it is never a failure of mmflow itself."""

import random
import re
from datetime import date

import pytest

from mmflow.errors import GiveUp

ROWS = [(date(2026, 11, 20), "Haas 1", 12.5, 87.5)] * 3
PARTS = [
    "xl/worksheets/sheet1.xml",
    "xl/workbook.xml",
    "xl/tables/table1.xml",
    "xl/styles.xml",
    "xl/sharedStrings.xml",
    "xl/pivotCache/pivotCacheDefinition1.xml",
    "[Content_Types].xml",
    "xl/_rels/workbook.xml.rels",
]
PIECES = [b"<!-- x -->", b"99999999999", b'"', b"-1", b"&#0;", b"<c/>", b"<row/>", b"A"]
NUMBERS = [b"-1", b"99999999999", b"x", b"", b"0", b"1.5"]
TEXTS = [b"-1", b"1e999", b"x", b"", b"nan", b"&#1114112;", b"&#xD800;"]


def damage(content, dice):
    """Change a character, leave some out, put some in, or give another value."""
    at = dice.randrange(len(content))
    kind = dice.randrange(5)
    if kind == 0:
        return content[:at] + bytes([dice.choice(b'0123456789"<>/ AZ=&-')]) + content[at + 1 :]
    if kind == 1:
        return content[:at] + content[at + dice.randrange(1, 30) :]
    if kind == 2:
        return content[:at] + dice.choice(PIECES) + content[at:]
    pattern, choice = (rb'"(\d+)"', NUMBERS) if kind == 3 else (rb">([^<>]+)<", TEXTS)
    found = list(re.finditer(pattern, content))
    if not found:
        return content
    one = dice.choice(found)
    return content[: one.start(1)] + dice.choice(choice) + content[one.end(1) :]


@pytest.mark.row("S32")
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("mode", ["replace", "replace_window"])
def test_damage_of_any_kind_is_refused_or_does_not_matter(template, table, fill, parts, rewrite, mode, seed):
    source, dice, made = template(), random.Random(seed), table(ROWS)
    sound = parts(source)
    filled = 0
    for _ in range(40):
        part = dice.choice(PARTS)
        rewrite(source, sound | {part: damage(sound[part], dice)})
        try:
            fill(source, made, mode=mode, template="")
            filled += 1
        except GiveUp:
            continue
    assert 0 < filled < 40
