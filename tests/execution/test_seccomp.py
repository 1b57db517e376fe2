"""The filter says what the table says, on every machine it is made for: run through an interpreter of its own."""

from __future__ import annotations

import errno
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.execution.sandbox import seccomp

ALLOW, KILL = 0x7FFF0000, 0x80000000


def decide(program: bytes, number: int, architecture: int, argument: int = 0) -> int:
    """What the kernel would answer: classic BPF over struct seccomp_data."""
    data = struct.pack("=IIQ6Q", number, architecture, 0, argument, 0, 0, 0, 0, 0)
    steps = list(struct.iter_unpack("=HBBI", program))
    place = accumulator = 0
    while True:
        code, yes, no, value = steps[place]
        if code == seccomp.RETURN:
            return value
        if code == seccomp.LOAD:
            accumulator = struct.unpack_from("=I", data, value)[0]
            place += 1
            continue
        test = {
            seccomp.JUMP_EQUAL: accumulator == value,
            seccomp.JUMP_NOT_BELOW: accumulator >= value,
            seccomp.JUMP_BITS: bool(accumulator & value),
        }[code]
        place += 1 + (yes if test else no)


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
@given(
    number=st.integers(0, 600),
    single=st.booleans(),
    keep=st.booleans(),
    unseen=st.booleans(),
    flags=st.one_of(st.integers(0, 2**32 - 1), st.sampled_from([0, 1, 2, 2**32 - 2, 2**32 - 1])),
)
def test_every_call(machine: str, number: int, single: bool, keep: bool, unseen: bool, flags: int) -> None:
    calls = {value: name for name, value in seccomp.NUMBERS[machine].items()}
    name = calls.get(number, "")
    answer = decide(seccomp.program(single, keep, unseen, machine), number, seccomp.AUDIT[machine], flags)
    refused = seccomp.REFUSE | errno.EPERM
    if name == "clone3":
        assert answer == seccomp.REFUSE | errno.ENOSYS
    elif name == "clone":
        stays = flags & seccomp.CLONE_THREAD or not single
        assert answer == (ALLOW if stays and not flags & seccomp.CLONE_NAMESPACES else refused)
    elif name in seccomp.SIGNALS:
        assert answer == (refused if flags in (1, 2**32 - 1) else ALLOW)
    elif name in seccomp.UNSEEN_MEMORY:
        assert answer == (ALLOW if unseen else refused)
    elif name in seccomp.NEVER or (single and (name in seccomp.FORKS or (name in seccomp.EXECS and not keep))):
        assert answer == refused
    else:
        assert answer == ALLOW


@given(architecture=st.integers(0, 2**32 - 1), number=st.integers(0, 2**32 - 1))
def test_other_architectures_die(architecture: int, number: int) -> None:
    if architecture != seccomp.AUDIT["x86_64"]:
        assert decide(seccomp.program(True, machine="x86_64"), number, architecture) == KILL


def test_the_second_abi_of_x86_64_has_no_calls() -> None:
    program = seccomp.program(False, machine="x86_64")
    assert decide(program, 0x4000_0000 | 57, seccomp.AUDIT["x86_64"]) == seccomp.REFUSE | errno.ENOSYS


def test_every_refused_call_has_a_number() -> None:
    for machine, calls in seccomp.NUMBERS.items():
        old = {"fork", "vfork"} if machine == "aarch64" else set()
        named = {*seccomp.NEVER, *seccomp.FORKS, *seccomp.EXECS, *seccomp.SIGNALS, *seccomp.UNSEEN_MEMORY}
        assert named - calls.keys() == old
        assert len(set(calls.values())) == len(calls)


def test_an_unknown_machine_has_no_filter() -> None:
    assert seccomp.program(True, machine="s390x") == b""
    assert seccomp.number("s390x") is None
