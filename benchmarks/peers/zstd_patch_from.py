"""`zstd -9 --patch-from`: the base as prefix, long matches on, one window over both."""

from __future__ import annotations

from pathlib import Path

from peers.peer import Peer, Unsuitable
from zstandard_library import LIBRARY_VERSION, zstd

# The largest window that the format allows in 64-bit programs.
MAX_WINDOW_LOG = 31


class ZstdPatchFrom(Peer):
    name = "zstd --patch-from -9"
    package = "backports.zstd"
    level = 9

    def version(self) -> str:
        return LIBRARY_VERSION

    def create(self, base: Path, target: Path, patch: Path) -> None:
        base_bytes, target_bytes = base.read_bytes(), target.read_bytes()
        window_log = max(10, (len(base_bytes) + len(target_bytes)).bit_length())
        if window_log > MAX_WINDOW_LOG:
            raise Unsuitable("base and target together exceed zstd's window of 2 GiB")
        options: dict[int, int] = {
            zstd.CompressionParameter.compression_level: self.level,
            zstd.CompressionParameter.window_log: window_log,
            zstd.CompressionParameter.enable_long_distance_matching: 1,
        }
        prefix = zstd.ZstdDict(base_bytes, is_raw=True).as_prefix
        patch.write_bytes(zstd.compress(target_bytes, options=options, zstd_dict=prefix))

    def apply(self, base: Path, patch: Path, out: Path) -> None:
        options: dict[int, int] = {zstd.DecompressionParameter.window_log_max: MAX_WINDOW_LOG}
        prefix = zstd.ZstdDict(base.read_bytes(), is_raw=True).as_prefix
        out.write_bytes(zstd.decompress(patch.read_bytes(), prefix, options))


class ZstdPatchFrom19(ZstdPatchFrom):
    name = "zstd --patch-from -19"
    level = 19
