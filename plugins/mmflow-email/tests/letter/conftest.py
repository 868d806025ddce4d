"""A morning report of a plant that was made up, letters about it, and a browser that measures them."""

import base64
import json
import shutil
import subprocess
from types import SimpleNamespace

import pytest

from mmflow import Column, Facts, FooterRow
from mmflow.options import convert_values
from mmflow.table import make_table
from mmflow.testing.deliveries import make_run
from mmflow_email.letter import LetterOptions, write_letter
from mmflow_email.letter.preview import embed_pictures

MACHINE = Column("machine", "Machine", "text", "group")
NUMBERS = (
    Column("oee", "OEE", "number", "metric", "ratio", 3, "up"),
    Column("goodParts", "Good parts", "number", "metric", "parts", 0, "up"),
    Column("downtime", "Down time (min)", "number", "metric", "min", 1, "down"),
)
COMPARED = tuple(
    Column(
        f"{column.name}_{suffix}", f"{column.label}, {word}", "number", "compare", column.unit, column.decimals, better
    )
    for column in NUMBERS
    for suffix, word, better in (
        ("previous", "a week before", column.direction),
        ("change", "change", column.direction),
    )
)
ROWS = (
    ("Mill 1", 0.412, 1204.0, 118.0),
    ("Mill 2", 0.875, 1811.0, 12.5),
    ("Lathe 3", None, None, 240.25),
    ("Lathe 4", 0.61, 12_345.0, 0.0),
)
CHANGES = (-0.05, 100.0, 20.0)
LIGHTS = {"oee": {"amber": 0.65, "red": 0.5}}
FACTS = Facts(
    description="Yesterday by machine",
    owner="ops@example.com",
    filter={"machineGroup": ("Mills", "Lathes")},
    missing=(("detroit", "no answer within 30 seconds"),),
)


def compare(row):
    """Set the earlier value and the change beside each number."""
    pairs = zip(row[1:], CHANGES, strict=True)
    return [cell for now, step in pairs for cell in ((None, None) if now is None else (now - step, step))]


@pytest.fixture
def plant(tmp_path):
    """Make the table of the plant; ``compared`` sets another week beside it."""

    def make(
        rows=ROWS, *, columns=(MACHINE, *NUMBERS), compared=False, total=("Total", 0.633, 15_360.0, 370.75), **more
    ):
        footer = [FooterRow("total", tuple(total))] if total else []
        if compared:
            columns = (*columns, *COMPARED)
            rows = [(*row, *compare(row)) for row in rows]
            footer = [FooterRow("total", (*total, *compare(total)))]
        return make_table(rows, columns=columns, path=tmp_path / "snapshot", footer=footer, **more)

    return make


@pytest.fixture
def run(tmp_path):
    """Give the run of a report about Saturday, and a folder for its job's templates."""
    (tmp_path / "jobs").mkdir()
    return make_run(tmp_path, facts=FACTS)


@pytest.fixture
def write(plant, run):
    """Write a letter with options as a job has them."""

    def make(table=None, *, about=run, notes=(), attached=(), **options):
        read = convert_values(options, LetterOptions)
        return write_letter(plant() if table is None else table, read, about, notes=notes, attached=attached)

    return make


@pytest.fixture
def fill(write, run):
    """Write a letter from a template of the job's folder and give the HTML."""

    def make(source, table=None, name="own.html", **options):
        path = run.job_folder / name
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_text(source, encoding="utf-8")
        return write(table, template=name, **options).html

    return make


MEASURE = """<script>addEventListener("load", () => {
const lum = rgb => rgb.map(v => v / 255).map(v => v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4)
  .reduce((sum, v, i) => sum + v * [.2126, .7152, .0722][i], 0);
const rgb = text => text.match(/[\\d.]+/g).map(Number);
const ground = one => { for (; one; one = one.parentElement) {
  const c = rgb(getComputedStyle(one).backgroundColor); if (c.length === 3 || c[3] === 1) return c.slice(0, 3); }
  return [255, 255, 255]; };
let worst = [99, ""], small = 99;
const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
while (walk.nextNode()) { const node = walk.currentNode, box = document.createRange(); box.selectNodeContents(node);
  if (!node.data.trim() || !box.getClientRects().length) continue;
  const style = getComputedStyle(node.parentElement);
  const [a, b] = [lum(rgb(style.color).slice(0, 3)), lum(ground(node.parentElement))];
  const ratio = (Math.max(a, b) + .05) / (Math.min(a, b) + .05);
  small = Math.min(small, parseFloat(style.fontSize));
  if (ratio < worst[0]) worst = [ratio, node.data.trim().slice(0, 60)]; }
const facts = {inner: innerWidth, scroll: document.documentElement.scrollWidth, contrast: worst, small,
  pictures: [...document.images].map(i => [i.naturalWidth, i.clientWidth]), text: document.body.innerText,
  scripts: document.scripts.length, ran: window.ran || 0};
parent.postMessage(btoa(unescape(encodeURIComponent(JSON.stringify(facts)))), "*"); })</script>"""
# A window of this browser is never narrower than 500 points, a frame in it may be.
FRAME = """<!DOCTYPE html><textarea id="facts"></textarea><script>
addEventListener("message", said => { document.getElementById("facts").textContent += said.data + " "; })</script>"""
WINDOW = '<iframe src="letter.html" width="{}" height="900" style="border:0"></iframe>'


@pytest.fixture
def browse(tmp_path):
    """Open a letter in a browser, in windows so wide, and give what is seen in each."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("there is no chromium here to show the letter")

    def look(letter, *widths):
        html = embed_pictures(letter).replace("</body>", MEASURE + "</body>")
        (tmp_path / "letter.html").write_text(html, encoding="utf-8")
        page = tmp_path / "frame.html"
        page.write_text(FRAME + "".join(map(WINDOW.format, widths)), encoding="utf-8")
        flags = f"--headless=new --no-sandbox --disable-gpu --user-data-dir={tmp_path}/browser --window-size=1300,1000"
        dumped = subprocess.run(
            [chromium, *flags.split(), "--virtual-time-budget=5000", "--dump-dom", page.as_uri()],
            capture_output=True,
            text=True,
            timeout=100,
            check=True,
        ).stdout
        coded = dumped.partition('<textarea id="facts">')[2].partition("<")[0]
        seen = [SimpleNamespace(**json.loads(base64.b64decode(one))) for one in coded.split()]
        assert len(seen) == len(widths)
        return sorted(seen, key=lambda one: widths.index(one.inner))

    return look
