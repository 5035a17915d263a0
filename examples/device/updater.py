"""Keeps the model of a small Linux device up to date, with the base install of Sapwood only.

    python updater.py --feed https://updates.example.org/models --slots /var/lib/model \
        --state /var/lib/updater --check "/usr/bin/selftest" --public-key /etc/release.pub

README.md beside this file says what is where, and what happens when it fails.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shlex
import subprocess
import sys
import time
from pathlib import Path

from feeds import download, sha256_of

from sapwood import models
from sapwood.errors import (
    InputError,
    InvalidPatch,
    SapwoodError,
    SignatureError,
    VerificationError,
)
from sapwood.models import Slots


class Commands:
    """What the owner of the device has to say to a model. Each command ends with 0 if it is well.

    The path of the model is added as the last word.
    """

    def __init__(self, check: str | None, restart: str | None) -> None:
        self._check, self._restart = check, restart

    def check(self, model: Path) -> bool:
        """Whether a model works, in use or not."""
        return self._runs(self._check, model)

    def restart(self, model: Path) -> bool:
        """Has programs open the model in use anew."""
        return self._runs(self._restart, model)

    def _runs(self, command: str | None, model: Path) -> bool:
        if command is None:
            return True
        return subprocess.run([*shlex.split(command), str(model)], check=False).returncode == 0


class State:
    """What the updater keeps between its runs, in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.patch = folder / "patch.ttp"
        self.trial = folder / "trial"  # the SHA-256 of a model whose restart is not known of
        self._counter = folder / "counter"
        self._refused = folder / "refused"

    @property
    def counter(self) -> int:
        """Of the last patch that was taken; older ones do not count."""
        return int(self._counter.read_text()) if self._counter.exists() else 0

    def took(self, counter: int | None) -> None:
        """Notes the counter of a patch."""
        if counter is not None:
            write(self._counter, str(counter))

    def is_refused(self) -> bool:
        """Whether the patch that is here was tried and did not pass."""
        known = self._refused.read_text().split() if self._refused.exists() else []
        return sha256_of(self.patch) in known

    def refuse(self) -> None:
        """Notes that the patch that is here did not pass."""
        known = self._refused.read_text() if self._refused.exists() else ""
        write(self._refused, f"{known}{sha256_of(self.patch)}\n")


def write(path: Path, text: str) -> None:
    """Writes a small file as a whole."""
    new = path.with_suffix(".new")
    with new.open("w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)


class InSlots:
    """Two slots: the next version is not used before it passed the check."""

    def __init__(self, folder: Path, state: State, commands: Commands) -> None:
        self._slots, self._state, self._commands = Slots(folder), state, commands

    @property
    def model(self) -> Path:
        """The model in use."""
        active = self._slots.active
        if active is None:
            raise InputError("no model is in the slots; run this once with --install MODEL")
        return active.path

    def settle(self) -> None:
        """Ends what an earlier run began."""
        state = self._state
        if state.trial.exists() and state.trial.read_text() == sha256_of(self.model):
            self._start()
        state.trial.unlink(missing_ok=True)
        state.patch.unlink(missing_ok=True)

    def update(self, patch: Path, receiving: models.Receiving) -> bool:
        """Goes to the next version; whether it passed."""
        state = self._state
        state.took(self._slots.prepare(patch, receiving=receiving).counter)
        made = self._slots.spare
        if made is None or not self._commands.check(made.path):
            state.refuse()
            return False
        write(state.trial, made.sha256.hex())
        self._slots.switch()
        passed = self._start()
        state.trial.unlink()
        return passed

    def _start(self) -> bool:
        """Has the version in use started, or else the one before."""
        if self._commands.restart(self.model):
            return True
        if self._state.patch.exists():
            self._state.refuse()
        self._slots.roll_back()
        self._commands.restart(self.model)
        return False

    def refuse(self) -> None:
        """Nothing: what was refused is not in use."""


class InPlace:
    """One file, where there is no room for two: it is updated when the check comes."""

    def __init__(self, model: Path, state: State, commands: Commands) -> None:
        self.model, self._state, self._commands = model, state, commands

    def settle(self) -> None:
        """Goes back where what was begun cannot go on: the patch is gone, or was damaged."""
        if self._state.patch.exists():
            return
        try:
            models.in_place.roll_back(self.model)
        except InputError:  # nothing was begun
            return
        self._commands.restart(self.model)

    def update(self, patch: Path, receiving: models.Receiving) -> bool:
        """Goes to the next version, or on to it; whether it passed."""
        found = models.in_place.apply(self.model, patch, keep_undo=True, receiving=receiving)
        self._state.took(found.counter)
        passed = self._commands.check(self.model) and self._commands.restart(self.model)
        if not passed:
            self._state.refuse()
            self.refuse()
            return False
        with contextlib.suppress(InputError):  # an earlier run came as far as this
            models.in_place.confirm(self.model)
        return True

    def refuse(self) -> None:
        """Goes back to the version before."""
        with contextlib.suppress(InputError):  # it is that
            models.in_place.roll_back(self.model)
        self._commands.restart(self.model)


class Updater:
    """Takes one version after another."""

    def __init__(
        self, device: InSlots | InPlace, state: State, options: argparse.Namespace
    ) -> None:
        self._device, self._state, self._options = device, state, options

    def run_once(self) -> bool:
        """Goes to the next version, if there is one; whether it did."""
        state, device = self._state, self._device
        device.settle()
        if not state.patch.exists():
            name = f"{sha256_of(device.model)}.ttp"
            if not download(self._options.feed, name, state.patch, self._options.most_bytes):
                return False
            if state.is_refused():
                state.patch.unlink()
                return False
        elif state.is_refused():
            device.refuse()
            state.patch.unlink()
            return False
        try:
            passed = device.update(state.patch, self._receiving())
        except (InvalidPatch, SignatureError, VerificationError):
            state.patch.unlink()  # others may be gone on with: a full disk, say
            device.settle()
            raise
        state.patch.unlink()
        verdict = "updated" if passed else "the new version did not pass, back to the one before"
        print(f"{device.model}: {verdict}", flush=True)
        return passed

    def _receiving(self) -> models.Receiving:
        """What a patch must be signed with."""
        key = self._options.public_key
        if key is None:
            return models.Receiving()
        return models.Receiving(models.Trust(key.read_bytes(), self._state.counter))


def parsed(words: list[str]) -> argparse.Namespace:
    """The options."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--feed", help="a URL or folder that holds SHA256-OF-MODEL.ttp")
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--slots", type=Path, help="a folder with two slots for the model")
    where.add_argument("--in-place", type=Path, help="the model itself, where there is no room")
    parser.add_argument("--install", type=Path, help="put this model into the slots, and end")
    parser.add_argument("--state", type=Path, required=True, help="the updater's own folder")
    parser.add_argument("--check", help="a command that is given a model and says whether it works")
    parser.add_argument("--restart", help="a command that has programs open the model anew")
    parser.add_argument("--public-key", type=Path, help="take only what this key has signed")
    parser.add_argument("--every", type=float, help="look again after so many seconds, for ever")
    parser.add_argument("--most-bytes", type=int, default=1 << 30, help="of a patch")
    return parser.parse_args(words)


def main(words: list[str]) -> int:
    """Runs the program and returns its exit code."""
    options = parsed(words)
    state, commands = State(options.state), Commands(options.check, options.restart)
    if options.install is not None:
        Slots(options.slots).install(options.install, options.install.name)
        return 0
    device = (
        InSlots(options.slots, state, commands)
        if options.slots
        else InPlace(options.in_place, state, commands)
    )
    updater = Updater(device, state, options)
    while True:
        code = 0
        try:
            while updater.run_once():
                pass
        except (SapwoodError, OSError) as e:
            print(f"updater: {e}", file=sys.stderr, flush=True)
            code = getattr(e, "exit_code", 7)
        if options.every is None:
            return code
        time.sleep(options.every)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
