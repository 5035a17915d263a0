"""Pairs of small model files whose update in place has to go about it differently."""

from __future__ import annotations

import io
from functools import cache

from sapwood import models
from support.model_files import safetensors_file, tuned, weights

OLD = {"first": weights(4, (16, 64)), "second": weights(5, (32, 64)), "third": weights(6, (80,))}
NEW = {name: tuned(array, i) for i, (name, array) in enumerate(OLD.items())}
PLAIN = bytes(weights(9, (3000,)).tobytes())
TURNED = dict(reversed(list(NEW.items())))
FEWER = dict(list(NEW.items())[1:])

PAIRS: dict[str, tuple[bytes, bytes]] = {
    "weights that changed where they lie": (safetensors_file(OLD), safetensors_file(NEW)),
    "a longer header": (safetensors_file(OLD), safetensors_file(NEW, {"step": "2" * 300})),
    "a shorter header": (safetensors_file(OLD, {"step": "2" * 300}), safetensors_file(NEW)),
    "tensors in another order": (safetensors_file(OLD), safetensors_file(TURNED)),
    "a tensor less": (safetensors_file(OLD), safetensors_file(FEWER)),
    "a tensor more": (safetensors_file(FEWER), safetensors_file(OLD)),
    "bytes put in between": (PLAIN, PLAIN[:1500] + b"put in between" * 9 + PLAIN[1500:]),
    "halves that changed places": (PLAIN, PLAIN[3000:] + PLAIN[:3000]),
    "nothing of the base": (PLAIN, weights(8, (4000,)).tobytes()),
    "from nothing": (b"", PLAIN),
    "to nothing": (PLAIN, b""),
    "the same": (PLAIN, PLAIN),
}


@cache
def patch_of(name: str, chunk_size: int = 1024) -> bytes:
    """The patch of a pair."""
    out = io.BytesIO()
    models.create_patch(*PAIRS[name], out, chunk_size=chunk_size)
    return out.getvalue()
