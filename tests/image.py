"""Carries out the Dockerfile without Docker: each step in a copy-on-write view of this machine, which is thrown away.

What stands in for the base image is this machine with the Python of these tests, so this shows that every step works
and what they lead to, and not which base there is.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from shlex import join, quote

ROOT = Path(__file__).parents[1]
PYTHON = Path(sys.base_prefix, "bin")

# A view of the whole machine at $1/root; what is changed there lies in memory.
BEGIN = """\
set -e
view() {
    mkdir -p $1 && mount -t tmpfs tmpfs $1 && mkdir $1/upper $1/work $1/root
    mount -t overlay overlay -o lowerdir=/,upperdir=$1/upper,workdir=$1/work $1/root
    mount --rbind /proc $1/root/proc && mount --rbind /dev $1/root/dev && mount -t tmpfs tmpfs $1/root/tmp
    chmod 1777 $1/root/tmp
}
"""


def alone(script: str) -> subprocess.CompletedProcess[str]:
    """Run a script of the shell such that nobody else sees what it mounts."""
    words = ["unshare", "-m", "--propagation", "private", "sh", "-c", script]
    return subprocess.run(words, capture_output=True, text=True, check=False)


def refuse(folder: Path) -> str:
    """Say why it cannot be done here, "" when it can."""
    if sys.platform != "linux" or os.geteuid() != 0 or not all(map(shutil.which, ("unshare", "useradd", "chroot"))):
        return "only root of a Linux can do the steps of the Dockerfile"
    if alone(f"{BEGIN}\nview {quote(str(folder / 'probe'))}").returncode:
        return "no right to have a view of this machine that can be changed"
    return "" if (PYTHON / "python").exists() else "the Python of these tests is not called python"


def read_steps() -> list[tuple[str, str]]:
    """Give the steps of the Dockerfile, each a word and the rest."""
    lines = re.sub(r"\\\n\s*", "", (ROOT / "Dockerfile").read_text(encoding="utf-8")).splitlines()
    return [(line.split(" ", 1)[0], line.split(" ", 1)[1]) for line in lines if line and not line.startswith("#")]


def copy_context(target: Path) -> None:
    """Copy what .dockerignore lets through."""
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").split()
    left_out = shutil.ignore_patterns(*(line.removeprefix("**/") for line in lines if line.startswith("**/")))
    for name in (line[1:] for line in lines if line.startswith("!")):
        path = ROOT / name
        shutil.copytree(path, target / name, ignore=left_out) if path.is_dir() else shutil.copy(path, target / name)


@dataclass
class Image:
    """What the steps so far have led to; ``folder`` is where the view of each stage is mounted."""

    folder: Path
    environ: dict[str, str] = field(default_factory=dict)
    user: str = "root"
    place: str = "/"
    stage: str = ""

    @property
    def root(self) -> Path:
        """Where the files of the present stage are seen."""
        return self.folder / self.stage / "root"

    def write(self, steps: list[tuple[str, str]]) -> Iterator[str]:
        """Give a script of the shell that carries out all steps."""
        yield BEGIN
        for word, rest in steps:
            yield from self._write_step(word, rest)

    def call(self, *words: str) -> str:
        """Give the command that runs words inside, as the account and in the folder that the steps came to."""
        spec = f"--userspec={self.user}:{self.user}"
        told = [f"{name}={value}" for name, value in self.environ.items()]
        return join(["chroot", spec, str(self.root), "/usr/bin/env", "-i", "-C", self.place, *told, *words])

    def _write_step(self, word: str, rest: str) -> Iterator[str]:
        if word == "FROM":
            _, _, name = rest.partition(" AS ")
            self.stage, self.user, self.place = name or "last", "root", "/"
            self.environ = {"PATH": f"{PYTHON}:/usr/sbin:/usr/bin:/bin", "HOME": "/root"}
            # How this machine gets packages, and builds its own, is not what is tried here.
            self.environ |= {"PIP_NO_COMPILE": "1", "PIP_NO_BUILD_ISOLATION": "0"}  # which means that there is none
            self.environ |= {key: value for key, value in os.environ.items() if key.startswith(("PIP_", "SSL_"))}
            yield f"view {quote(str(self.folder / self.stage))}"
            for folder in (PYTHON, *PYTHON.parents):  # anybody may use the Python of a base image
                yield f"chmod o+rx {self.root}{folder}"
            if name:
                yield self.call("python", "-m", "pip", "install", "--quiet", "hatchling")
        elif word == "RUN":
            yield self.call("sh", "-c", rest)
        elif word == "COPY":
            *sources, target = rest.split()
            origin = self.folder / "context"
            if sources[0].startswith("--from="):
                origin = self.folder / sources.pop(0).removeprefix("--from=") / "root"
            inside = f"{self.root}{os.path.normpath(Path(self.place, target))}"
            for source in sources:
                path = f"{origin}/{source.lstrip('/')}"
                yield f"if [ -d {path} ]; then mkdir -p {inside}; cp -a {path}/. {inside}; else cp {path} {inside}; fi"
        elif word == "ENV":
            for name, value in re.findall(r'(\w+)=("[^"]*"|\S+)', rest):
                self.environ[name] = value.strip('"').replace("$PATH", self.environ["PATH"])
        elif word == "USER":
            self.user = rest
        elif word == "WORKDIR":
            self.place = rest
            yield f"mkdir -p {self.root}{rest}"
