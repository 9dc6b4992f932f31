"""Kernels of the driver's own, around calls of libraries; compiled when they are first needed."""

from __future__ import annotations

import ctypes
import re
from dataclasses import dataclass, field
from typing import Any

from wengert.backends.cuda.device import Device, KernelSpec
from wengert.backends.cuda.source import TEXT, source_text

THREADS = 256
MOST_BLOCKS = 1_024


@dataclass(slots=True)
class OwnKernels:
    """The kernels of some texts, whose names in capitals stand for types and numbers."""

    device: Device
    loaded: dict[tuple[str, ...], dict[str, Any]] = field(
        default_factory=dict[tuple[str, ...], dict[str, Any]]
    )

    def launch(
        self, text: str, names: dict[str, str], kernel: str, work: int, *arguments: int
    ) -> None:
        """Runs a kernel of text/`text`, with a thread for each piece of work or for several."""
        key = (text, *names.values())
        if key not in self.loaded:
            self.loaded[key] = self._load((TEXT / text).read_text(), names)
        blocks = max(1, min(-(-work // THREADS), MOST_BLOCKS))
        values = (ctypes.c_uint64 * len(arguments))(*arguments)
        base = ctypes.addressof(values)
        places = (ctypes.c_void_p * len(arguments))(*[base + 8 * k for k in range(len(arguments))])
        self.device.launch(self.loaded[key][kernel], KernelSpec(kernel, blocks, THREADS), places)

    def _load(self, text: str, names: dict[str, str]) -> dict[str, Any]:
        for name, meaning in names.items():
            text = text.replace(name, meaning)
        kernels = re.findall(r"WG_KERNEL\((\w+), 256\)", text)
        specs = [KernelSpec(name, 1, THREADS) for name in kernels]
        return dict(zip(kernels, self.device.load(source_text([text]), specs), strict=True))
