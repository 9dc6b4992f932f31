"""Settings from environment variables, read once; `docs/environment.md` lists them."""

from __future__ import annotations

import functools
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

_FALSE = frozenset({"", "0", "no", "off", "false"})
_TRUE = frozenset({"1", "yes", "on", "true"})


@dataclass(frozen=True, slots=True)
class Config:
    """The settings of this process.

    `verify`: check programs after every pass, and loop programs after lowering. `dump`: the folder
    that gets every stage, or None.
    `cache`, `cache_dir`: whether and where compiled programs are kept on disk. `cuda_device`: what
    plays the CUDA back end's device, "gpu" or "host". `num_threads`: how many threads native code
    may use, or None for the default. `compile_threads`: how many threads compile one program, or
    None for the default. `check_bounds`: whether indices known only at run time are checked.
    `debug_nans`: whether programs are evaluated equation by equation, until one makes a NaN.
    `debug_callbacks`: whether functions that should be pure are called twice, and compared.
    `keep_memory`: whether the C library keeps memory that is freed. `debug`: how much to say (0-2).
    """

    verify: bool
    dump: Path | None
    cache: bool
    cache_dir: Path
    cuda_device: str
    num_threads: int | None
    compile_threads: int | None
    check_bounds: bool
    debug_nans: bool
    debug_callbacks: bool
    keep_memory: bool
    debug: int


@functools.cache
def config() -> Config:
    """The settings of this process; the environment is read at the first call only."""
    return from_environment(os.environ)


def from_environment(env: Mapping[str, str]) -> Config:
    """The settings that `env` asks for; raises ValueError for one that makes no sense."""
    dump = env.get("WENGERT_DUMP", "")
    return Config(
        verify=_flag(env, "WENGERT_VERIFY", False),
        dump=Path(dump).expanduser() if dump else None,
        cache=_flag(env, "WENGERT_CACHE", True),
        cache_dir=_cache_dir(env),
        cuda_device=_choice(env, "WENGERT_CUDA_DEVICE", ("gpu", "host")),
        num_threads=_integer(env, "WENGERT_NUM_THREADS", None, 1),
        compile_threads=_integer(env, "WENGERT_COMPILE_THREADS", None, 1),
        check_bounds=_flag(env, "WENGERT_CHECK_BOUNDS", True),
        debug_nans=_flag(env, "WENGERT_DEBUG_NANS", False),
        debug_callbacks=_flag(env, "WENGERT_DEBUG_CALLBACKS", False),
        keep_memory=_flag(env, "WENGERT_KEEP_MEMORY", True),
        debug=_integer(env, "WENGERT_DEBUG", 0, 0) or 0,
    )


def _flag(env: Mapping[str, str], name: str, default: bool) -> bool:
    text = env.get(name)
    if text is None:
        return default
    if text.strip().lower() not in _TRUE | _FALSE:
        raise ValueError(f"{name}={text!r} is neither on (1) nor off (0)")
    return text.strip().lower() in _TRUE


def _integer(env: Mapping[str, str], name: str, default: int | None, least: int) -> int | None:
    text = env.get(name, "").strip()
    if not text:
        return default
    if not text.isdecimal() or int(text) < least:
        raise ValueError(f"{name}={text!r} is not an integer of at least {least}")
    return int(text)


def _choice(env: Mapping[str, str], name: str, choices: tuple[str, ...]) -> str:
    text = env.get(name, "").strip() or choices[0]
    if text not in choices:
        raise ValueError(f"{name}={text!r} is none of {', '.join(choices)}")
    return text


def _cache_dir(env: Mapping[str, str]) -> Path:
    if chosen := env.get("WENGERT_CACHE_DIR", ""):
        return Path(chosen).expanduser()
    base = env.get("XDG_CACHE_HOME", "")
    return (Path(base) if base else Path("~/.cache").expanduser()) / "wengert"
