"""Commands that take URLs, and ones that take none, never print what lets others in."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from support.cli_session import Session
from support.http_servers import FileServer
from support.model_files import safetensors_file

SECRETS = ("hunter2", "s3cret", "fragm3nt")


@pytest.fixture
def session(tmp_path: Path) -> Session:
    """A low-rank update, so that an adapter can be extracted of its patch."""
    found = Session(tmp_path)
    rng = np.random.default_rng(0)
    base = rng.standard_normal((256, 256)).astype(np.float32)
    left, right = rng.standard_normal((256, 2)), rng.standard_normal((2, 256))
    update = (left @ right).astype(np.float32) * np.float32(0.01)
    (found / "base").write_bytes(safetensors_file({"x.weight": base}))
    (found / "target").write_bytes(safetensors_file({"x.weight": base + update}))
    (found / "served").mkdir()
    found.succeed("create --base base --target target --out served/p --quiet")
    return found


@pytest.fixture
def url(session: Session) -> Iterator[str]:
    """The patch, behind a URL with secrets in each of its parts."""
    with FileServer(session / "served") as server:
        place = server.url("p").removeprefix("http://")
        yield f"http://me:hunter2@{place}?sig=s3cret#fragm3nt"


@pytest.mark.parametrize("json", ["", " --json"])
def test_what_succeeds_shows_no_secret(session: Session, url: str, json: str) -> None:
    target = hashlib.sha256((session / "target").read_bytes()).hexdigest()
    for command in (
        f"apply --base base --patch {url} --out out",
        f"verify --base base --patch {url}",
        f"inspect {url}",
        f"extract-adapter --base base --patch {url} --out adapter",
        f"plan --have base --want {target} --patch {url}",
        f"apply --in-place base --patch {url}",
    ):
        done = session.run(command + json)
        assert done.returncode == 0, done.stderr
        printed = (done.stdout + done.stderr).decode()
        assert not [one for one in SECRETS if one in printed], command


def test_arguments_that_take_no_url_show_no_secret(session: Session) -> None:
    url = "https://me:hunter2@example.org/p?sig=s3cret#fragm3nt"
    for command in (
        f"create --base {url} --target target --out out",
        f"apply --base {url} --patch served/p --out out",
        f"diff --base {url} --target target",
        f"fingerprint {url}",
        f"chain info {url}",
        f"plan --have {url} --want target --patch served/p",
        f"sign --patch {url} --private-key {url} --out out",
        f"roll-back {url}",
        f"verify --base base --patch served/p --public-key {url}",
    ):
        for more in ("", " --json"):
            done = session.run(command + more)
            assert done.returncode != 0
            printed = (done.stdout + done.stderr).decode()
            assert "example.org" in printed
            assert not [one for one in SECRETS if one in printed], (command, printed)
