"""The Dockerfile, read as text; and its steps, done one after the other without Docker, to a daemon that is well."""

import json
import re
from shlex import quote

import pytest

from mmflow.cli import command_names, full_parser
from tests.image import ROOT, Image, alone, copy_context, read_steps, refuse

STEPS = read_steps()
STAGES = [at for at, (word, _) in enumerate(STEPS) if word == "FROM"]
LAST = STEPS[STAGES[-1] :]


def rest_of(word):
    return [rest for found, rest in LAST if found == word]


def test_the_image_holds_what_was_installed_and_not_what_it_was_made_from():
    assert len(STAGES) == 2
    assert rest_of("COPY") == ["--from=build /opt/mmflow /opt/mmflow"]
    assert {rest.split()[0] for word, rest in STEPS if word == "FROM"} == {"python:${PYTHON}-slim"}


def test_it_runs_as_an_account_without_rights_from_before_the_first_command():
    (account,) = rest_of("USER")
    assert account == "mmflow"
    words = [word for word, _ in LAST]
    assert words.index("USER") < words.index("WORKDIR") < words.index("ENTRYPOINT")
    assert "RUN" not in words[words.index("USER") :]
    assert rest_of("STOPSIGNAL") == ["SIGTERM"]  # which the daemon ends in order by
    assert rest_of("VOLUME") == ["/data"]


def test_what_is_copied_exists_and_reaches_the_builder():
    copied = [name for word, rest in STEPS[: STAGES[1]] if word == "COPY" for name in rest.split()[:-1]]
    assert all((ROOT / name).exists() for name in copied)
    let_in = [line for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines() if line[:1] in "*!"]
    assert let_in[0] == "*"
    assert sorted(copied) == sorted(line[1:] for line in let_in if line.startswith("!"))


def test_wheels_of_every_plugin_are_in_it():
    (build,) = (rest for _, rest in STEPS if "pip wheel" in rest)
    assert build.endswith(' ".[postgresql]" ./plugins/*')
    assert all((folder / "pyproject.toml").exists() for folder in (ROOT / "plugins").iterdir() if folder.is_dir())


@pytest.mark.parametrize("word", ["CMD", "HEALTHCHECK"])
def test_its_commands_are_ours(word):
    (text,) = rest_of(word)
    (entry,) = (json.loads(rest) for rest in rest_of("ENTRYPOINT"))
    words = json.loads(text[text.index("[") :])
    assert (words if word == "HEALTHCHECK" else [*entry, *words])[:3] == ["python", "-m", "mmflow"]
    args = full_parser().parse_args(words[3:] if word == "HEALTHCHECK" else words)
    assert args.command in command_names()
    # The health check asks where the daemon answers.
    asked = f"http://{args.metrics}/health" if word == "CMD" else args.health
    assert asked == "http://127.0.0.1:9464/health"


def test_no_secret_is_made_part_of_it():
    told = [rest for word, rest in STEPS if word in ("ARG", "ENV")]
    assert not re.search(r"(?i)key|token|secret|pass", " ".join(told))


SETTINGS = """
version: 1
sites:
  boston: {environment: simulator, timezone: America/New_York, start_of_day: "06:00"}
defaults: {owner: ops@example.com}
"""
# What is done with the image: the daemon is started, asked until it is well, stopped in order, and asked again.
TRY = """
mkdir {data}/jobs; printf %s {settings} > {data}/mmflow.yaml; chown -R 10001:10001 {data}
{health} > /dev/null 2>&1 && exit 9
{daemon} 2> {folder}/log & daemon=$!
tries=0; until {health} > {folder}/health 2>&1; do tries=$((tries + 1)); test $tries -lt 60 || exit 8; done
echo "account $(ps -o uid= -p $daemon)"
{mmflow} plugins --json
{touch} 2> /dev/null && exit 7
kill -TERM $daemon; code=0; wait $daemon || code=$?; echo "ended $code"
code=0; {health} > /dev/null 2>&1 || code=$?; echo "health $code"
"""


@pytest.mark.timeout(600)
def test_its_steps_lead_to_a_daemon_of_an_account_without_rights_whose_health_is_told(tmp_path):
    if why := refuse(tmp_path):
        pytest.skip(why)
    (tmp_path / "context").mkdir()
    copy_context(tmp_path / "context")
    image = Image(tmp_path)
    steps = "\n".join(image.write(STEPS))
    (entry, command), (health,) = (
        [json.loads(rest[rest.index("[") :]) for word, rest in LAST if word in words]
        for words in (("ENTRYPOINT", "CMD"), ("HEALTHCHECK",))
    )
    script = TRY.format(
        data=image.root / "data",
        settings=quote(SETTINGS),
        folder=tmp_path,
        daemon=f"exec {image.call(*entry, *command)}",
        health=image.call(*health),
        mmflow=image.call(*entry),
        touch=image.call("touch", "/opt/mmflow/mine"),
    )
    done = alone(f"{steps}\n{script}")
    assert done.returncode == 0, f"{done.returncode}: {done.stderr[-2000:]}"
    lines = done.stdout.splitlines()
    assert [line for line in lines if re.match("account|ended|health", line)] == [
        "account 10001",
        "ended 0",
        "health 1",
    ]
    assert '"status":"ok"' in (tmp_path / "health").read_text(encoding="utf-8")
    plugins = json.loads("".join(lines[lines.index("{") : lines.index("}") + 1]))["plugins"]
    assert {plugin["state"] for plugin in plugins} == {"loaded"}
    assert len({plugin["distribution"] for plugin in plugins}) == 1 + len(
        list((ROOT / "plugins").glob("*/pyproject.toml"))
    )
