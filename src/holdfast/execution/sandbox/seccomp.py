"""The system calls a trial may not make, as a seccomp filter assembled without libseccomp.

Layers: what no trial needs (namespaces, mounts, tracing, kernel interfaces with a history of holes, moving to another
core, signals to process 1); where a problem allows a single process, everything that would start another, which makes a
process's own clock the whole truth about the CPU time of a trial; and, where no control group counts memory, what would
hold memory that no process shows.
"""

from __future__ import annotations

import errno
import platform
import struct

NUMBERS = {
    "x86_64": {
        "shmget": 29, "clone": 56, "fork": 57, "vfork": 58, "execve": 59, "kill": 62, "ptrace": 101,
        "rt_sigqueueinfo": 129, "pivot_root": 155, "mount": 165, "umount2": 166, "init_module": 175,
        "delete_module": 176, "tkill": 200, "sched_setaffinity": 203, "tgkill": 234, "kexec_load": 246,
        "add_key": 248, "request_key": 249, "keyctl": 250, "unshare": 272, "rt_tgsigqueueinfo": 297,
        "perf_event_open": 298, "open_by_handle_at": 304, "setns": 308, "process_vm_readv": 310,
        "process_vm_writev": 311, "finit_module": 313, "seccomp": 317, "memfd_create": 319, "bpf": 321, "execveat": 322,
        "userfaultfd": 323, "pidfd_send_signal": 424, "io_uring_setup": 425, "io_uring_enter": 426,
        "io_uring_register": 427, "clone3": 435, "pidfd_getfd": 438, "memfd_secret": 447,
    },
    "aarch64": {
        "umount2": 39, "mount": 40, "pivot_root": 41, "unshare": 97, "kexec_load": 104, "init_module": 105,
        "delete_module": 106, "ptrace": 117, "sched_setaffinity": 122, "kill": 129, "tkill": 130,
        "tgkill": 131, "rt_sigqueueinfo": 138, "shmget": 194, "add_key": 217, "request_key": 218,
        "keyctl": 219, "clone": 220, "execve": 221, "rt_tgsigqueueinfo": 240, "perf_event_open": 241,
        "open_by_handle_at": 265, "setns": 268, "process_vm_readv": 270, "process_vm_writev": 271,
        "finit_module": 273, "seccomp": 277, "memfd_create": 279, "bpf": 280, "execveat": 281, "userfaultfd": 282,
        "pidfd_send_signal": 424, "io_uring_setup": 425, "io_uring_enter": 426, "io_uring_register": 427,
        "clone3": 435, "pidfd_getfd": 438, "memfd_secret": 447,
    },
}  # fmt: skip
"""System call numbers by machine, from the kernel's tables."""

AUDIT = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
NEVER = (
    "ptrace", "pivot_root", "mount", "umount2", "init_module", "finit_module", "delete_module", "sched_setaffinity",
    "kexec_load", "add_key", "request_key", "keyctl", "unshare", "perf_event_open", "open_by_handle_at", "setns",
    "process_vm_readv", "process_vm_writev", "bpf", "userfaultfd", "io_uring_setup", "io_uring_enter",
    "io_uring_register", "pidfd_send_signal", "pidfd_getfd",
)  # fmt: skip
FORKS = ("fork", "vfork")
EXECS = ("execve", "execveat")
UNSEEN_MEMORY = ("memfd_create", "memfd_secret", "shmget")
SIGNALS = ("kill", "tkill", "tgkill", "rt_sigqueueinfo", "rt_tgsigqueueinfo")
PROCESS_1, EVERYBODY = 1, 0xFFFF_FFFF

CLONE_THREAD = 0x0001_0000
CLONE_NAMESPACES = 0x7E02_0000
X32_CALLS = 0x4000_0000

LOAD, JUMP_EQUAL, JUMP_NOT_BELOW, JUMP_BITS, RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
CALL_NUMBER, ARCHITECTURE, FIRST_ARGUMENT = 0, 4, 16
ALLOW, KILL, REFUSE = 0x7FFF_0000, 0x8000_0000, 0x0005_0000


def number(machine: str = "") -> int | None:
    """The number of the system call `seccomp` on `machine` (this one by default); None where it is not known."""
    calls = NUMBERS.get(machine or platform.machine())
    return calls["seccomp"] if calls else None


def program(single: bool, keep_exec: bool = False, unseen_memory: bool = True, machine: str = "") -> bytes:
    """A filter in the kernel's form (8 bytes per instruction); empty on a machine whose calls are not known.

    With `single` no process can be started: fork, vfork and clone without CLONE_THREAD fail with EPERM, and so does
    execve unless `keep_exec`. clone3 fails with ENOSYS, since a filter cannot see its flags and libc then uses clone.
    Without `unseen_memory` there are no files in memory and no System V segments, which need not be mapped to be full.
    """
    machine = machine or platform.machine()
    calls = NUMBERS.get(machine)
    if calls is None:
        return b""
    refused = NEVER + (FORKS if single else ()) + (EXECS if single and not keep_exec else ())
    refused += () if unseen_memory else UNSEEN_MEMORY
    code = [_step(LOAD, ARCHITECTURE), *_unless(JUMP_EQUAL, AUDIT[machine], KILL), _step(LOAD, CALL_NUMBER)]
    code += _when(JUMP_NOT_BELOW, X32_CALLS, REFUSE | errno.ENOSYS) if machine == "x86_64" else []
    code += _when(JUMP_EQUAL, calls["clone3"], REFUSE | errno.ENOSYS)
    for name in refused:
        code += _when(JUMP_EQUAL, calls[name], REFUSE | errno.EPERM) if name in calls else []
    for name in SIGNALS:
        code += _signal(calls[name])
    code += [*_unless(JUMP_EQUAL, calls["clone"], ALLOW), _step(LOAD, FIRST_ARGUMENT)]
    code += _when(JUMP_BITS, CLONE_NAMESPACES, REFUSE | errno.EPERM)
    code += _unless(JUMP_BITS, CLONE_THREAD, REFUSE | errno.EPERM) if single else []
    return b"".join([*code, _step(RETURN, ALLOW)])


def _signal(call: int) -> list[bytes]:
    """The whole answer to one call that sends a signal to its first argument; other calls pass over it."""
    answer = [_step(LOAD, FIRST_ARGUMENT)]
    for target in (PROCESS_1, EVERYBODY):
        answer += _when(JUMP_EQUAL, target, REFUSE | errno.EPERM)
    answer.append(_step(RETURN, ALLOW))
    return [_step(JUMP_EQUAL, call, 0, len(answer)), *answer]


def _step(code: int, value: int, yes: int = 0, no: int = 0) -> bytes:
    return struct.pack("=HBBI", code, yes, no, value)


def _when(test: int, value: int, answer: int) -> list[bytes]:
    return [_step(test, value, 0, 1), _step(RETURN, answer)]


def _unless(test: int, value: int, answer: int) -> list[bytes]:
    return [_step(test, value, 1, 0), _step(RETURN, answer)]
