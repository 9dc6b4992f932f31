"""A loader for x86-64 ELF object files, small enough to start in a millisecond.

Loading LLVM's own linker means mapping its whole library, longer than everything else that the
first call of a cached program needs. The objects loaded here are made by `machine.py`:
position-independent, without thread-local data, exceptions or constructors. Anything else raises
`UnsupportedObject`, and the caller takes LLVM's loader instead.

Section, symbol and relocation formats: System V ABI, AMD64 supplement, chapter 4.
"""

from __future__ import annotations

import ctypes
import mmap
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

_HEADER = struct.Struct("<16sHHIQQQIHHHHHH")
_SECTION = struct.Struct("<IIQQQQIIQQ")
_SYMBOL = struct.Struct("<IBBHQQ")
_RELA = struct.Struct("<QQq")
_MACHINE_X86_64 = 62
_NOBITS, _RELOCATIONS, _ALLOCATED = 8, 4, 2
_ABSOLUTE, _RELATIVE, _CALL, _GOT, _RELATIVE_WIDE = (1,), (2,), (4,), (9, 41, 42), (24,)
_STUB = b"\xff\x25\x00\x00\x00\x00"  # jmp [rip + 0], followed by the address


class UnsupportedObject(Exception):
    """An object file that this loader does not know how to load."""


@dataclass(slots=True)
class _Section:
    name: str
    kind: int
    flags: int
    offset: int
    size: int
    link: int
    info: int
    alignment: int
    place: int = -1  # in the loaded image


@dataclass(slots=True, weakref_slot=True)
class Image:
    """Loaded code. The memory lives as long as this object, and that of the images it uses."""

    memory: Any
    symbols: dict[str, int]
    uses: tuple[Image, ...] = ()


def load(data: bytes, resolve: Callable[[str], int]) -> Image:
    """Load an object file; `resolve` gives the addresses of the symbols that it lacks."""
    sections = _sections(data)
    size = 0
    for s in sections:
        if s.flags & _ALLOCATED and s.name != ".eh_frame" and s.size:
            s.place = -(-size // s.alignment) * s.alignment
            size = s.place + s.size
    symbols = _symbols(data, sections)
    relocations = [r for s in sections if s.kind == _RELOCATIONS for r in _relocations(data, s)]
    # one stub and one table entry (the same eight bytes) for each outside symbol and each use
    # of the table
    extra = sorted({symbol for _, _, symbol, _ in relocations})
    stubs = {symbol: -(-size // 16) * 16 + 16 * k for k, symbol in enumerate(extra)}
    size = -(-size // 16) * 16 + 16 * len(extra)
    memory = mmap.mmap(-1, max(size, 1), mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    base = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    for s in sections:
        if s.place >= 0 and s.kind != _NOBITS:
            memory[s.place : s.place + s.size] = data[s.offset : s.offset + s.size]
    addresses = _addresses(symbols, sections, base, extra, resolve)
    for symbol, place in stubs.items():
        memory[place : place + 14] = _STUB + struct.pack("<Q", addresses[symbol])
    for target, (offset, kind, symbol, addend) in _targets(sections, data):
        _relocate(
            memory, base, target.place + offset, kind, addresses[symbol], stubs[symbol], addend
        )
    _protect(base, len(memory))
    defined = {
        name: base + sections[section].place + value
        for name, section, value in symbols
        if name and 0 < section < len(sections) and sections[section].place >= 0
    }
    return Image(memory, defined)


def _sections(data: bytes) -> list[_Section]:
    header = _HEADER.unpack_from(data)
    if header[0][:6] != b"\x7fELF\x02\x01" or header[2] != _MACHINE_X86_64:
        raise UnsupportedObject("not an x86-64 ELF object")
    offset, count, names = header[6], header[12], header[13]
    raw = [_SECTION.unpack_from(data, offset + k * _SECTION.size) for k in range(count)]
    strings = raw[names][4]
    return [
        _Section(_string(data, strings + r[0]), r[1], r[2], r[4], r[5], r[6], r[7], max(r[8], 1))
        for r in raw
    ]


def _string(data: bytes, start: int) -> str:
    return data[start : data.index(b"\0", start)].decode("ascii")


def _symbols(data: bytes, sections: list[_Section]) -> list[tuple[str, int, int]]:
    """Name, section number and value of each symbol."""
    table = next((s for s in sections if s.name == ".symtab"), None)
    if table is None:
        return []
    strings = sections[table.link].offset
    found: list[tuple[str, int, int]] = []
    for start in range(table.offset, table.offset + table.size, _SYMBOL.size):
        name, _, _, section, value, _ = _SYMBOL.unpack_from(data, start)
        found.append((_string(data, strings + name), section, value))
    return found


Relocation = tuple[int, int, int, int]


def _relocations(data: bytes, section: _Section) -> list[Relocation]:
    """Offset, kind, symbol number and addend of each entry."""
    found: list[Relocation] = []
    for start in range(section.offset, section.offset + section.size, _RELA.size):
        offset, info, addend = _RELA.unpack_from(data, start)
        found.append((offset, info & 0xFFFFFFFF, info >> 32, addend))
    return found


def _targets(sections: list[_Section], data: bytes) -> list[tuple[_Section, Relocation]]:
    """The relocations of loaded sections, each with its section."""
    return [
        (sections[s.info], r)
        for s in sections
        if s.kind == _RELOCATIONS and sections[s.info].place >= 0
        for r in _relocations(data, s)
    ]


def _addresses(
    symbols: list[tuple[str, int, int]],
    sections: list[_Section],
    base: int,
    used: list[int],
    resolve: Callable[[str], int],
) -> dict[int, int]:
    found: dict[int, int] = {}
    for k in used:
        name, section, value = symbols[k]
        if section == 0:
            found[k] = resolve(name)
        elif section < len(sections):
            found[k] = base + sections[section].place + value
        else:
            raise UnsupportedObject(f"symbol {name} is in no section")
    return found


def _relocate(
    memory: mmap.mmap, base: int, at: int, kind: int, symbol: int, stub: int, addend: int
) -> None:
    here = base + at
    if kind in _ABSOLUTE:
        struct.pack_into("<Q", memory, at, symbol + addend)
        return
    if kind in _RELATIVE_WIDE:
        struct.pack_into("<q", memory, at, symbol + addend - here)
        return
    if kind in _GOT:
        value = base + stub + len(_STUB) + addend - here
    elif kind in _RELATIVE or kind in _CALL:
        value = symbol + addend - here
        if not -(2**31) <= value < 2**31:
            value = base + stub + addend - here
    else:
        raise UnsupportedObject(f"relocation kind {kind}")
    struct.pack_into("<i", memory, at, value)


def _protect(base: int, size: int) -> None:
    """Make the image executable and no longer writable."""
    libc = ctypes.CDLL(None, use_errno=True)
    protect = libc.mprotect
    protect.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
    if protect(base, size, mmap.PROT_READ | mmap.PROT_EXEC):
        raise UnsupportedObject(f"mprotect failed with errno {ctypes.get_errno()}")
