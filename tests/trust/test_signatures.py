"""A patch is taken from whom one trusts, whole and new, or nothing is written."""

from __future__ import annotations

import dataclasses
import io
import json
import re
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from blake3 import blake3
from hypothesis import given, strategies as st

import sapwood
from sapwood import models, trust
from sapwood.errors import (
    InputError,
    InvalidPatch,
    IoError,
    SapwoodError,
    SignatureError,
    SourceHashMismatch,
    VerificationError,
)
from sapwood.patch.format.parsing import checked_front
from sapwood.patch.signatures import check_patch, sign_front
from sapwood.trust.algorithms import ed25519
from support.keys import keypair
from support.patch_writer import canonical, parts_of
from support.places import SPEC
from support.signed_patches import entries_of, rewritten, with_entries

pytestmark = pytest.mark.quick

PAGE = (SPEC / "signatures-v1.md").read_text()
BASE = b"0123456789" * 30
TARGET = BASE[:100] + b"-" + BASE[100:]
OTHER = BASE[:100] + b"+" + BASE[100:]
ORDER = 2**252 + 27742317777372353535851937790883648493


PUBLIC, PRIVATE = keypair(1)
PUBLIC2, PRIVATE2 = keypair(2)
STRANGER, STRANGER_PRIVATE = keypair(3)


def made(target: bytes = TARGET, **options: Any) -> bytes:
    out = io.BytesIO()
    stats = models.create_patch(BASE, target, out, **options)
    assert stats.patch_size == len(out.getvalue())
    return out.getvalue()


def signed(patch: bytes, private_key: bytes = PRIVATE, **options: Any) -> bytes:
    out = io.BytesIO()
    models.sign_patch(patch, private_key, out, **options)
    return out.getvalue()


BARE = made()
SIGNED = signed(BARE, counter=7)


def take(
    patch: bytes, public_key: Any = PUBLIC, signature: Any = None, **demands: Any
) -> models.PatchVerification:
    out = io.BytesIO()
    receiving = models.Receiving(models.Trust(public_key, **demands))
    found = models.apply_patch(BASE, patch, out, signature=signature, receiving=receiving)
    assert out.getvalue() in {TARGET, OTHER}
    verified = models.verify_patch(BASE, patch, signature=signature, receiving=receiving)
    assert same(verified, found)
    return verified


def same(verified: models.PatchVerification, applied: models.PatchApplication) -> bool:
    """Whether verifying found what applying did."""
    fields = [field.name for field in dataclasses.fields(models.PatchVerification)]
    return all(getattr(verified, name) == getattr(applied, name) for name in fields)


def refuse(patch: bytes, public_key: Any = PUBLIC, signature: Any = None, **demands: Any) -> str:
    """The words with which a patch is refused; nothing is written."""
    out = io.BytesIO()
    receiving = models.Receiving(models.Trust(public_key, **demands))
    with pytest.raises(SignatureError) as caught:
        models.apply_patch(BASE, patch, out, signature=signature, receiving=receiving)
    assert out.getvalue() == b""
    found = models.verify_patch(BASE, patch, signature=signature, receiving=receiving)
    assert (found.signature_valid, found.counter, found.is_valid()) == (False, None, False)
    assert found.error is not None
    assert str(caught.value) in found.error
    return str(caught.value)


def test_what_was_signed_is_taken() -> None:
    found = take(SIGNED)
    assert (found.signature_valid, found.counter, found.is_valid()) == (True, 7, True)
    assert models.patch_info(SIGNED).signed
    assert not models.patch_info(BARE).signed


def test_created_and_signed_at_once_is_the_same() -> None:
    assert made(private_key=PRIVATE, counter=7) == SIGNED
    assert made(private_key=PRIVATE) == signed(BARE)


def test_who_trusts_nobody_reads_it_too() -> None:
    for patch in (BARE, SIGNED):
        out = io.BytesIO()
        found = models.apply_patch(BASE, patch, out)
        assert out.getvalue() == TARGET
        assert (found.signature_valid, found.counter) == (None, None)
        assert same(models.verify_patch(BASE, patch), found)


def test_without_its_signatures_a_patch_is_what_it_was() -> None:
    twice = signed(SIGNED, PRIVATE2)
    parts = parts_of(twice)
    del parts.header["signatures"]
    assert rewritten(twice, parts) == BARE


def test_a_patch_of_a_tensor_is_signed_alike() -> None:
    base, target = np.zeros(100, np.float32), np.arange(100, dtype=np.float32)
    patch = signed(sapwood.create_patch(base, target).to_bytes())
    assert check_patch(checked_front(patch), trust.Trust(PUBLIC)).keys == (trust.key_id(PUBLIC),)
    again = sapwood.Patch.from_bytes(patch)
    assert again.to_bytes() == patch
    assert np.array_equal(sapwood.apply_patch(base, again), target)


def test_an_unsigned_patch_is_refused() -> None:
    assert "it is not signed" in refuse(BARE)


def test_a_stranger_is_refused() -> None:
    words = refuse(SIGNED, STRANGER)
    assert f"key {trust.key_id(PUBLIC).hex()}, which is not trusted" in words


def test_the_key_in_a_patch_is_never_trusted() -> None:
    """A stranger who names his signature by a trusted key, or brings his own."""
    theirs = signed(BARE, STRANGER_PRIVATE)
    assert "not trusted" in refuse(theirs)
    (entry,) = entries_of(theirs)
    entry["key"] = trust.key_id(PUBLIC).hex()
    assert "does not verify" in refuse(with_entries(BARE, [entry]))


def test_a_stripped_signature_is_refused() -> None:
    parts = parts_of(SIGNED)
    del parts.header["signatures"]
    assert "it is not signed" in refuse(rewritten(SIGNED, parts))
    assert "1 to 64" in damaged(with_entries(SIGNED, []))


def test_a_signature_of_another_patch_is_refused() -> None:
    moved = with_entries(made(OTHER), entries_of(SIGNED))
    assert "the patch was changed, or it is another's" in refuse(moved)


def test_a_lower_counter_is_refused() -> None:
    assert take(SIGNED, minimum_counter=7).counter == 7
    assert "counter 7, less than 8: an old patch" in refuse(SIGNED, minimum_counter=8)


def test_a_raised_counter_is_refused() -> None:
    (entry,) = entries_of(SIGNED)
    entry["counter"] = 8
    assert "does not verify" in refuse(with_entries(SIGNED, [entry]), minimum_counter=8)


def test_a_signed_patch_of_another_base_is_no_matter_of_signatures() -> None:
    with pytest.raises(SourceHashMismatch):
        models.apply_patch(TARGET, SIGNED, io.BytesIO(), PUBLIC)
    found = models.verify_patch(TARGET, SIGNED, PUBLIC)
    assert (found.source_valid, found.signature_valid, found.is_valid()) == (False, True, False)


def test_a_flipped_bit_anywhere_is_refused() -> None:
    for at in range(len(SIGNED)):
        flipped = SIGNED[:at] + bytes([SIGNED[at] ^ (1 << at % 8)]) + SIGNED[at + 1 :]
        out = io.BytesIO()
        with pytest.raises(SapwoodError):
            models.apply_patch(BASE, flipped, out, PUBLIC)
        assert out.getvalue() == b""


@given(st.integers(0, len(SIGNED) - 1), st.integers(0, 7))
def test_a_flipped_bit_with_every_digest_made_right_is_refused(at: int, bit: int) -> None:
    """Who can write to the patch can compute its digests too, but not the signature."""
    changed = bytearray(SIGNED)
    changed[at] ^= 1 << bit
    front = len(SIGNED) - int.from_bytes(SIGNED[32:40], "little")
    changed[40:72] = blake3(changed[front:]).digest()
    changed[72:104] = blake3(bytes(changed[:72] + changed[104:front])).digest()
    if changed == SIGNED:  # the bit was one of a digest
        return
    out = io.BytesIO()
    with pytest.raises(SapwoodError):
        models.apply_patch(BASE, bytes(changed), out, PUBLIC)
    assert out.getvalue() == b""


def test_the_signature_is_looked_at_before_the_index_is() -> None:
    """Of a stranger's patch nothing is parsed that could be made to do harm."""
    parts = parts_of(BARE)
    parts.index = b"no JSON"
    assert "it is not signed" in without_opening(parts.write())
    parts = parts_of(BARE)
    parts.tables = b"\xff" * 10
    assert "it is not signed" in without_opening(parts.write())


def without_opening(patch: bytes) -> str:
    with pytest.raises(SignatureError) as caught:
        models.apply_patch(BASE, patch, io.BytesIO(), PUBLIC)
    return str(caught.value)


def test_of_two_signatures_one_may_be_broken() -> None:
    both = signed(SIGNED, PRIVATE2, counter=9)
    assert [take(both, key).counter for key in (PUBLIC, PUBLIC2)] == [7, 9]
    first, second = entries_of(both)
    broken = {**first, "signature": "00" * 64}
    assert take(with_entries(both, [broken, second]), [PUBLIC, PUBLIC2]).counter == 9
    assert "does not verify" in refuse(with_entries(both, [broken, second]), PUBLIC)
    assert "does not verify" in refuse(with_entries(both, [broken]), [PUBLIC, PUBLIC2])


def test_a_threshold_counts_keys() -> None:
    both = signed(SIGNED, PRIVATE2, counter=9)
    keys = [PUBLIC, PUBLIC2, STRANGER]
    assert take(both, keys, threshold=2).counter == 7  # the highest that both have signed
    assert "by 3 trusted keys, found 2" in refuse(both, keys, threshold=3)
    assert "found 1" in refuse(both, keys, threshold=2, minimum_counter=8)
    again = with_entries(SIGNED, entries_of(SIGNED) * 3)
    assert "by 2 trusted keys, found 1" in refuse(again, keys, threshold=2)
    same = [PUBLIC, PUBLIC]
    with pytest.raises(InputError, match="threshold of 1 to 1"):
        models.verify_patch(BASE, both, receiving=models.Receiving(models.Trust(same, threshold=2)))


def test_signing_again_replaces_the_signature_of_that_key_alone() -> None:
    both = signed(SIGNED, PRIVATE2)
    later = signed(both, PRIVATE, counter=20)
    assert [entry["counter"] for entry in entries_of(later)] == [0, 20]
    assert take(later, minimum_counter=20).counter == 20


def test_detached_signatures() -> None:
    beside = signed(BARE, counter=7, detached=True)
    assert signed(SIGNED, counter=7, detached=True) == beside
    assert json.loads(beside)["signatures"] == entries_of(SIGNED)
    for patch in (BARE, signed(BARE, STRANGER_PRIVATE)):
        assert take(patch, signature=beside).counter == 7
        assert "not signed" in refuse(patch) or "not trusted" in refuse(patch)
    second = signed(BARE, PRIVATE2, detached=True)
    assert take(BARE, [PUBLIC, PUBLIC2], signature=[beside, second], threshold=2).counter == 0


def test_a_detached_signature_of_another_patch() -> None:
    words = refuse(made(OTHER), signature=signed(BARE, detached=True))
    assert "is of the patch" in words


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{}",
        b"[]",
        SIGNED,
        b"\xff" * 100,
        b" " * (3 << 20),
        b"[" * 100_000,
        signed(BARE, detached=True)[:-2],
        signed(BARE, detached=True) + b"\n",
        signed(BARE, detached=True).replace(b"v1", b"v2"),
        signed(BARE, detached=True).replace(b'"counter":0', b'"counter":0,"more":1'),
        signed(BARE, detached=True).replace(b'"counter":0', b'"counter":-1'),
        signed(BARE, detached=True).replace(b":0", b": 0"),
    ],
)
def test_what_is_no_file_of_signatures(content: bytes) -> None:
    assert "file of signatures" in refuse(BARE, signature=content)


def damaged(patch: bytes) -> str:
    with pytest.raises(InvalidPatch) as caught:
        models.apply_patch(BASE, patch, io.BytesIO(), PUBLIC)
    return str(caught.value)


ENTRY = entries_of(SIGNED)[0]


@pytest.mark.parametrize(
    "entries",
    [
        [],
        [ENTRY] * 65,
        [[]],
        [{}],
        [{**ENTRY, "more": 1}],
        [{**ENTRY, "counter": -1}],
        [{**ENTRY, "counter": 7.0}],
        [{**ENTRY, "counter": "7"}],
        [{**ENTRY, "key": "00"}],
        [{**ENTRY, "key": ENTRY["key"].upper()}],
        [{**ENTRY, "signature": ENTRY["signature"] + "00"}],
        [{**ENTRY, "algorithm": "Ed25519"}],
        [{**ENTRY, "algorithm": ""}],
        canonical([ENTRY]).replace(b",", b", "),
        canonical([ENTRY]).replace(b"ed25519", b"ed\\u00325519"),
        b'[{"algorithm":"]"}]',
        b"[1e3]",
    ],
)
def test_signatures_that_are_written_otherwise(entries: Any) -> None:
    damaged(with_entries(BARE, entries))


def test_a_field_of_that_name_elsewhere_is_no_signature() -> None:
    """There it is an unknown field, which readers pass over, and signed like the rest."""
    parts = parts_of(BARE)
    parts.header["signatures"] = entries_of(SIGNED)  # sorted in among the others
    elsewhere = rewritten(BARE, parts)
    assert "it is not signed" in refuse(elsewhere)
    assert not models.patch_info(elsewhere).signed
    # Signed once more the field is there twice, which no reader of JSON should have to judge.
    out = io.BytesIO()
    models.sign_patch(elsewhere, PRIVATE, out, detached=True)
    assert take(elsewhere, signature=out.getvalue()).is_valid()
    damaged(signed_anyway(elsewhere))


def signed_anyway(patch: bytes) -> bytes:
    front = sign_front(checked_front(patch), PRIVATE, 0)
    return front + patch[-int.from_bytes(patch[32:40], "little") :]


def test_a_later_algorithm_does_no_harm_and_does_not_count() -> None:
    later = {**ENTRY, "algorithm": "ml-dsa-65", "signature": "00" * 3309}
    assert take(with_entries(BARE, [later, ENTRY])).counter == 7
    assert "which is not known" in refuse(with_entries(BARE, [later]))
    assert entries_of(signed(with_entries(BARE, [later])))[0] == later


def test_weak_keys_and_second_signatures_are_refused() -> None:
    """What lax verifiers take: the neutral element as a key, and S + the group's order."""
    neutral = (1).to_bytes(32, "little")
    for key in (neutral, bytes(32), b"\xff" * 32):
        assert not ed25519.verifies(b"any", neutral + bytes(32), key)
        assert not ed25519.verifies(b"any", key + bytes(32), key)
    one = ed25519.sign(b"text", PRIVATE)
    assert ed25519.verifies(b"text", one, PUBLIC)
    s = int.from_bytes(one[32:], "little") + ORDER
    assert not ed25519.verifies(b"text", one[:32] + s.to_bytes(32, "little"), PUBLIC)


def test_the_first_vector_of_rfc_8032() -> None:
    seed = bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
    public = bytes.fromhex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")
    private = ed25519.check_private_key(seed + public)
    assert ed25519.public_key_of(private) == public
    assert ed25519.sign(b"", private).hex().startswith("e5564300c360ac729086e2cc806e828a")


def test_generated_keys() -> None:
    public, private = models.generate_keypair()
    assert (len(public), len(private)) == (32, 64)
    assert private[32:] == public
    assert models.generate_keypair()[0] != public
    assert take(signed(BARE, private), public).is_valid()


@pytest.mark.parametrize(
    "key", [b"", PRIVATE[:32], PUBLIC, PRIVATE + b"\n", PRIVATE[:32] + PUBLIC2, "key", None]
)
def test_what_is_no_private_key(key: Any) -> None:
    out = io.BytesIO()
    with pytest.raises(InputError):
        models.sign_patch(BARE, key, out)
    if key is not None:
        with pytest.raises(InputError):
            models.create_patch(BASE, TARGET, out, private_key=key)
    assert out.getvalue() == b""


@pytest.mark.parametrize("key", [b"", PRIVATE, PUBLIC[:31], [], [PUBLIC, b""], ["key"], [None]])
def test_what_is_no_public_key(key: Any) -> None:
    with pytest.raises(InputError):
        models.apply_patch(BASE, SIGNED, io.BytesIO(), key)


@pytest.mark.parametrize("counter", [-1, 2**63, 1.0, True, "1"])
def test_what_is_no_counter(counter: Any) -> None:
    with pytest.raises(InputError, match="expected a counter"):
        models.sign_patch(BARE, PRIVATE, io.BytesIO(), counter=counter)
    with pytest.raises(InputError, match="expected a counter"):
        models.verify_patch(
            BASE, SIGNED, receiving=models.Receiving(models.Trust(PUBLIC, minimum_counter=counter))
        )


def test_the_highest_counter() -> None:
    assert take(signed(BARE, counter=2**63 - 1), minimum_counter=2**63 - 1).counter == 2**63 - 1


def test_signatures_without_a_key_are_refused() -> None:
    """Whoever forgets the key must not believe that something was checked."""
    with pytest.raises(InputError, match="without anybody to trust"):
        models.verify_patch(BASE, SIGNED, signature=b"")
    with pytest.raises(InputError, match="without anybody to trust"):
        models.apply_patch(BASE, SIGNED, io.BytesIO(), signature=b"")
    with pytest.raises(InputError, match="private_key"):
        models.create_patch(BASE, TARGET, io.BytesIO(), counter=1)


def test_a_damaged_patch_is_not_signed(tmp_path: Path) -> None:
    for at in (50, 300, len(BARE) - 1):
        patch = BARE[:at] + bytes([BARE[at] ^ 1]) + BARE[at + 1 :]
        with pytest.raises(InvalidPatch):
            models.sign_patch(patch, PRIVATE, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_a_patch_signed_in_its_own_place(tmp_path: Path) -> None:
    path = tmp_path / "update.ttp"
    path.write_bytes(BARE)
    models.sign_patch(path, PRIVATE, path, counter=7)
    assert path.read_bytes() == SIGNED
    assert list(tmp_path.iterdir()) == [path]


def test_a_header_that_cannot_hold_signatures_is_signed_beside() -> None:
    parts = parts_of(BARE)
    parts.header = b" " + canonical(parts.header)
    patch = rewritten(BARE, parts)
    with pytest.raises(InputError, match="sign it detached"):
        signed(patch)
    assert take(patch, signature=signed(patch, detached=True)).is_valid()


def test_a_patch_that_changes_between_two_looks_is_looked_at_once() -> None:
    """What was signed is what is applied, whatever becomes of the memory that it came in."""
    changing = bytearray(SIGNED)
    with models.delivery(changing, models.Receiving(models.Trust(PUBLIC))) as delivered:
        assert delivered.accepted() is not None
        changing[:] = bytes(len(changing))
        assert delivered.opened().front.header.target.size == len(TARGET)


def test_a_signature_error_is_no_wrong_base() -> None:
    assert not issubclass(SignatureError, VerificationError)
    assert SignatureError.exit_code == 8


def test_without_the_library_it_is_said_what_to_install() -> None:
    program = (
        "import sys; sys.modules['nacl'] = None\n"
        "from sapwood import models\n"
        "from sapwood.errors import InputError\n"
        "try:\n"
        "    models.generate_keypair()\n"
        "except InputError as e:\n"
        "    print(e)\n"
        "try:\n"
        "    models.verify_patch(b'', b'', bytes(32))\n"
        "except InputError as e:\n"
        "    print(e)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, check=True, text=True
    )
    assert done.stdout.count("pip install 'sapwood[sign]'") == 2


def test_the_library_is_imported_only_when_it_is_used() -> None:
    program = "import sys; from sapwood import models; print('nacl' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, check=True, text=True
    )
    assert done.stdout == "False\n"


def hexadecimal(heading: str) -> bytes:
    """The indented block behind some words of the specification's vector."""
    _, _, rest = PAGE.partition("## Vector")[2].partition(heading)
    block = re.search(r"\n\n((?:    .*\n)+)", rest)
    assert block is not None
    return bytes.fromhex(block[1])


def test_the_vector_of_the_specification() -> None:
    private = bytes(range(32)) + hexadecimal("Public key:")
    bare = hexadecimal("The patch without signatures")
    patch = signed(bare, private, counter=7)
    assert entries_of(patch)[0]["signature"] == hexadecimal("The signature of these").hex()
    assert patch[72:104] == hexadecimal("The signed patch is")
    text = re.search(r"with the counter 7:\n\n((?:    .*\n)+)", PAGE)
    assert text is not None
    said = re.sub(r"^    ", "", text[1], flags=re.MULTILINE).encode()
    assert f"these {len(said)} bytes" in PAGE
    assert ed25519.verifies(said, bytes.fromhex(entries_of(patch)[0]["signature"]), private[32:])
    found = models.verify_patch(
        b"0123456789",
        patch,
        receiving=models.Receiving(models.Trust(private[32:], minimum_counter=7)),
    )
    assert found.is_valid()
    assert found.actual_target == found.expected_target


def test_key_files_are_private_and_never_replaced(tmp_path: Path) -> None:
    private, public = tmp_path / "a.key", tmp_path / "a.pub"
    trust.write_keypair(private, PRIVATE, public, PUBLIC)
    assert stat.S_IMODE(private.stat().st_mode) == 0o600
    assert trust.read_key(private, 64, "a private key") == PRIVATE
    for path in (private, public):
        kept = path.read_bytes()
        (private if path == public else public).unlink()
        with pytest.raises(InputError, match="is there already"):
            trust.write_keypair(private, PRIVATE2, public, PUBLIC2)
        assert list(tmp_path.iterdir()) == [path]
        assert path.read_bytes() == kept
        path.unlink()
        trust.write_keypair(private, PRIVATE, public, PUBLIC)
    with pytest.raises(IoError):
        trust.write_keypair(tmp_path / "no" / "a.key", PRIVATE, public, PUBLIC)
    with pytest.raises(InputError, match="of 64 bytes, found 32"):
        trust.read_key(public, 64, "a private key")


def test_accepted_says_by_whom() -> None:
    both = signed(SIGNED, PRIVATE2)
    accepted = check_patch(checked_front(both), trust.Trust([PUBLIC, PUBLIC2]))
    assert set(accepted.keys) == {trust.key_id(PUBLIC), trust.key_id(PUBLIC2)}
    assert dataclasses.is_dataclass(accepted)
