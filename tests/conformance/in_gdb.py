"""Runs inside gdb, attached to one backend: writes a line for every lock, scan, rewrite and index build.

Reads arguments from the registers of the x86-64 calling convention, so it needs no debug symbols, and relies
on two layouts that have not changed from PostgreSQL 15 to 18: LOCKTAG (storage/lock.h) and RelationData.rd_id
(utils/rel.h). A statement locks system catalogs a thousand times, and a breakpoint takes a millisecond, so
that the functions of locks first jump to a few instructions that let those pass. Started by ``debugger.py``;
``LOCK_LOG`` names the file to write.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable
from pathlib import Path

import gdb  # type: ignore[import-untyped, import-not-found, unused-ignore]

FIRST_USER_OID = 16384
RD_ID_OFFSET = 72
SO_TYPE_SEQSCAN = 1
LOCKTAG_RELATION = 0
PROLOGUE_BYTES = 6
PROLOGUES = (
    bytes.fromhex("55 48 89 e5 41 57"),  # push rbp; mov rbp, rsp; push r15
    bytes.fromhex("41 57 41 56 41 55"),  # push r15; push r14; push r13
)
"""How the functions begin: instructions that may be moved, and end where the next one starts."""

log = Path(os.environ["LOCK_LOG"]).open("w", buffering=1, encoding="ascii")  # noqa: SIM115


def register(name: str) -> int:
    return int(gdb.selected_frame().read_register(name)) & (2**64 - 1)


def memory(address: int, size: int) -> bytes:
    return bytes(gdb.selected_inferior().read_memory(address, size))


def relation_oid(address: int) -> int:
    return int(struct.unpack("<I", memory(address + RD_ID_OFFSET, 4))[0])


def locked_oid() -> int | None:
    """The relation of the LOCKTAG in the first argument; None for other locks and for system catalogs."""
    _, oid, _, _, kind, _ = struct.unpack("<IIIHBB", memory(register("rdi"), 16))
    return oid if kind == LOCKTAG_RELATION and oid >= FIRST_USER_OID else None


def on_lock() -> str | None:
    oid = locked_oid()
    return None if oid is None else f"lock {oid} {register('rsi') & 0xFF}"


def on_release() -> str | None:
    oid = locked_oid()
    kind = "end_session_lock" if register("rdx") & 0xFF else "release"
    return None if oid is None else f"{kind} {oid} {register('rsi') & 0xFF}"


def on_scan() -> str | None:
    oid = relation_oid(register("rdi"))
    wanted = oid >= FIRST_USER_OID and register("r9") & SO_TYPE_SEQSCAN
    return f"scan {oid}" if wanted else None


def on_index_build() -> str | None:
    heap, index = relation_oid(register("rdi")), relation_oid(register("rsi"))
    return f"build {index} {heap}" if index >= FIRST_USER_OID else None


def past_catalogs(function: str) -> int:
    """The address of a breakpoint that only the locks of relations other than system catalogs reach."""
    entry = int(gdb.parse_and_eval(f"(unsigned long)&{function}"))
    prologue = memory(entry, PROLOGUE_BYTES)
    assert prologue in PROLOGUES, (function, prologue.hex())
    mmap = "((unsigned long(*)(unsigned long,long,int,int,int,long))mmap)"
    stub = int(gdb.parse_and_eval(f"{mmap}({(entry + 2**30) & ~0xFFF}, 4096, 7, 0x22, -1, 0)"))
    assert abs(stub - entry) < 2**31, "too far for a jump"
    code = (
        b"\x80\x7f\x0e" + bytes([LOCKTAG_RELATION])  # cmp byte [rdi + 14], LOCKTAG_RELATION
        + b"\x75\x0a"  # jne original
        + b"\x81\x7f\x04" + struct.pack("<I", FIRST_USER_OID)  # cmp dword [rdi + 4], FIRST_USER_OID
        + b"\x72\x01"  # jb original
        + b"\x90"  # nop: the breakpoint
        + prologue  # original:
    )  # fmt: skip
    write(stub, code + jump(stub + len(code), entry + PROLOGUE_BYTES))
    write(entry, jump(entry, stub) + b"\x90")
    return stub + code.index(b"\x90")


def jump(source: int, target: int) -> bytes:
    return b"\xe9" + struct.pack("<i", target - source - 5)


def write(address: int, code: bytes) -> None:
    gdb.selected_inferior().write_memory(address, code)


class Point(gdb.Breakpoint):  # type: ignore[misc]
    """A breakpoint that writes a line and goes on."""

    def __init__(self, where: str | int, line: Callable[[], str | None]) -> None:
        super().__init__(f"*{where}", internal=True)
        self.silent = True
        self._line = line

    def stop(self) -> bool:
        line = self._line()
        if line:
            log.write(line + "\n")
        return False


gdb.execute("set pagination off")
gdb.execute("handle all nostop noprint pass")
Point(past_catalogs("LockAcquireExtended"), on_lock)
Point(past_catalogs("LockRelease"), on_release)
Point("LockReleaseAll", lambda: "end_of_transaction")
Point("LockReleaseCurrentOwner", lambda: "rollback_inside")
Point("heap_beginscan", on_scan)
Point("index_build", on_index_build)
Point("finish_heap_swap", lambda: f"swap {register('rdi') & 0xFFFFFFFF}")
log.write("attached\n")
gdb.execute("continue")
