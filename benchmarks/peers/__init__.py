"""The codecs that Sapwood is measured against, by the name that `--peers` takes.

Each is imported only in the process that runs it, so that one that is not
installed costs one row and nothing else.
"""

from __future__ import annotations

from importlib import import_module

from peers.peer import Peer

PEERS = {
    "sapwood": "sapwood_patch:Sapwood",
    "zstd-3": "zstd_alone:Zstd3",
    "zstd-9": "zstd_alone:Zstd9",
    "zstd-patch-from": "zstd_patch_from:ZstdPatchFrom",
    "xor-zstd": "xor_zstd:XorZstd",
    "xor-blosc2-shuffle": "xor_blosc2:XorBlosc2Shuffle",
    "xor-blosc2-bitshuffle": "xor_blosc2:XorBlosc2Bitshuffle",
    "xdelta3": "xdelta3_program:Xdelta3",
    "bsdiff4": "bsdiff4_patch:Bsdiff4",
    "hdiffpatch": "hdiffpatch_patch:HDiffPatch",
    "zipnn": "zipnn_delta:ZipNN",
    "z4ai": "z4ai_delta:Z4ai",
    "lmzip": "lmzip_append:Lmzip",
    "bigsmall": "bigsmall_delta:BigSmall",
    "reminis": "reminis_pack:Reminis",
    "pcodec-ulp": "pcodec_ulp:PcodecUlp",
}
# Measured by adapters.py or quantised.py only.
VARIANTS = {
    "sapwood-plain": "sapwood_patch:SapwoodPlain",
    "xor-zstd-19": "xor_zstd:XorZstd19",
    "zstd-patch-from-19": "zstd_patch_from:ZstdPatchFrom19",
}


def load_peer(key: str) -> type[Peer]:
    """Raises ImportError where the peer's package is not installed."""
    module, _, name = (PEERS | VARIANTS)[key].partition(":")
    peer: type[Peer] = getattr(import_module(f"peers.{module}"), name)
    return peer
