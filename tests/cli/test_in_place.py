"""`apply --in-place` and `roll-back`, as whole sessions."""

from __future__ import annotations

from pathlib import Path

import pytest

from sapwood import models
from support.cli_session import Session, write_pairs, write_tensor_patch

PATCH = "create --base a.safetensors --target b.safetensors --out p.ttp --quiet"


@pytest.fixture
def session(tmp_path: Path) -> Session:
    write_pairs(tmp_path)
    made = Session(tmp_path)
    made.succeed(PATCH)
    (made / "model").write_bytes(made.bytes("a.safetensors"))
    return made


def test_forth_and_back(session: Session) -> None:
    told = session.succeed("apply --in-place model --patch p.ttp --keep-undo")
    assert told.startswith(b"model: ")
    assert session.bytes("model") == session.bytes("b.safetensors")
    assert b"the base again" in session.succeed("roll-back model")
    assert session.bytes("model") == session.bytes("a.safetensors")
    before = {path.name for path in session.folder.iterdir()}
    session.succeed("apply --in-place model --patch p.ttp --no-undo --quiet")
    assert session.bytes("model") == session.bytes("b.safetensors")
    assert {path.name for path in session.folder.iterdir()} == before
    assert "nothing to do" in session.fail("roll-back model", 2)


def test_as_json(session: Session) -> None:
    facts = session.json("apply --in-place model --patch p.ttp --keep-undo")
    assert (facts["in_place"], facts["out"], facts["checked"]) == (True, "model", True)
    assert facts["target_size"] == len(session.bytes("b.safetensors"))
    back = session.json("roll-back model")
    assert (back["command"], back["base_size"]) == ("roll-back", len(session.bytes("model")))
    assert session.json("roll-back model", code=2)["error"]["kind"] == "InputError"


def test_a_patch_from_a_pipe(session: Session) -> None:
    patch = session.bytes("p.ttp")
    session.succeed("apply --in-place model --patch - --quiet", patch)
    assert session.bytes("model") == session.bytes("b.safetensors")


def test_errors_name_the_file(session: Session) -> None:
    (session / "model").write_bytes(session.bytes("a.bin"))
    assert session.fail("apply --in-place model --patch p.ttp", 4).startswith("model: wrong base")


def test_a_half_updated_file_is_told(session: Session) -> None:
    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        models.in_place.apply(
            session / "model", session / "p.ttp", receiving=models.Receiving(progress=stop)
        )
    told = session.fail("verify --base model --patch p.ttp", 4)
    assert "sapwood roll-back" in told
    assert "sapwood apply --in-place" in told
    session.succeed("apply --in-place model --patch p.ttp --quiet")
    assert session.bytes("model") == session.bytes("b.safetensors")


def test_other_names_are_refused_with_the_remedy(session: Session) -> None:
    (session / "backup").hardlink_to(session / "model")
    told = session.fail("apply --in-place model --patch p.ttp", 2)
    assert told.startswith("model: a file of 2 names (hard links)")
    assert "--break-links" in told
    facts = session.json("apply --in-place model --patch p.ttp --break-links")
    assert facts["checked"]
    assert session.bytes("model") == session.bytes("b.safetensors")
    assert session.bytes("backup") == session.bytes("a.safetensors")


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("apply --base model --patch p.ttp --out x --break-links", "for --in-place"),
        ("apply --in-place model --out x --patch p.ttp", "not allowed with"),
        ("apply --patch p.ttp --base model", "required"),
        ("apply --patch p.ttp --out x", "--base is missing"),
        ("apply --base model --patch p.ttp --out x --no-undo", "for --in-place"),
        ("apply --in-place model --patch p.ttp --force", "--force"),
        ("apply --in-place - --patch p.ttp", "name of a file"),
        ("apply --in-place model --patch p.ttp --no-undo --keep-undo", "keep_undo"),
    ],
)
def test_options_that_do_not_go_together(command: str, words: str, session: Session) -> None:
    assert words in session.fail(command, 2)


def test_patches_of_tensors_are_refused(session: Session) -> None:
    write_tensor_patch(session.folder)
    assert "one of a tensor" in session.fail("apply --in-place a.npy --patch tensor.patch", 2)


def test_an_array_becomes_its_target(session: Session) -> None:
    session.succeed("create --base a.npy --target b.npy --out n.ttp --quiet")
    session.succeed("apply --in-place a.npy --patch n.ttp --quiet")
    assert session.bytes("a.npy") == session.bytes("b.npy")
