"""Each protection is one property, with a control that shows that the probe bites where it is not protected."""

from __future__ import annotations

import ast
import json
import os
import platform
import socket
import sys
import sysconfig
import threading
from pathlib import Path

import pytest

import holdfast
from holdfast.core.errors import ExecutionError
from holdfast.execution.local import LocalExecutor, Places
from holdfast.execution.sandbox import seccomp
from tests.execution.conftest import HIDDEN_WORD, ROOT, Lab, problem


def readable(paths: list[str]) -> str:
    return f"""
        import os
        for path in {paths!r}:
            try:
                os.listdir(path) if os.path.isdir(path) else open(path).read(1)
                print(path)
            except OSError:
                pass
    """


def test_network_is_out_of_reach(box: Lab) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        code = f"import socket; socket.create_connection(('127.0.0.1', {port}), 2); print('connected')"
        accepted = threading.Thread(target=lambda: server.accept()[0].close(), daemon=True)
        accepted.start()
        socket.create_connection(("127.0.0.1", port), 2).close()
        accepted.join(2)
        trial = box.run(code)
    assert trial.outcome == "crashed"
    assert "refused" in trial.detail


def test_network_is_there_when_asked_for(lab) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        code = f"import socket; socket.create_connection(('127.0.0.1', {port}), 2); print('connected')"
        assert "connected" in lab(network=True).printed(code)


def test_what_is_ours_cannot_be_read(box: Lab) -> None:
    data, scratch = box.root / "data", box.root / "scratch"
    ours = [
        *(str(path) for path in (box.root, data, data / "hidden" / "text.txt", box.root / "grader", scratch)),
        str(Path(holdfast.__file__).parent),
        str(Path.home()) if not str(sys.base_prefix).startswith(str(Path.home())) else str(Path.home() / ".bashrc"),
        "/trial/splits",
        "/trial/grader",
        "/etc/shadow",
        "/etc/hostname",
        "/var",
        "/run",
        "/sys",
        "/proc/1/root",
        "/proc/kcore",
    ]
    assert os.path.isdir(ours[0])
    assert box.printed(readable(ours)).split() in ([], ["/proc/1/root"])


def test_hidden_words_are_in_no_file_that_can_be_seen(box: Lab) -> None:
    assert HIDDEN_WORD in (box.root / "data" / "hidden" / "text.txt").read_text()
    found = box.printed(
        """
        import os
        for root in ("/trial", "/tmp", "/dev/shm", "/home", "/mnt", "/opt", "/srv", "/etc"):
            for here, _, names in os.walk(root):
                for name in names:
                    path = os.path.join(here, name)
                    if os.path.isfile(path) and "hidden-answ" "er" in open(path, errors="ignore").read(100_000):
                        print(path)
        """
    )
    assert found == ""


def test_only_named_packages_can_be_seen(box: Lab) -> None:
    names = box.printed(
        """
        import os, msgspec
        others = {"sqlalchemy", "scipy", "matplotlib", "libcst", "typer", "pytest", "hypothesis", "holdfast", "rich"}
        for top in set(os.listdir("/")) - {"proc"}:
            for here, directories, files in os.walk("/" + top):
                if others & {os.path.basename(here)} and any(name.endswith((".py", ".pyc")) for name in files):
                    print(here)
        """
    )
    assert names == ""
    assert {"sqlalchemy", "scipy"} <= {path.name for path in Path(pytest.__file__).parent.parent.iterdir()}


def test_environment_is_only_what_the_contract_says(box: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SERVICE_KEY", "canary-key")
    printed = box.printed("import os; print(dict(os.environ))")
    env = ast.literal_eval(printed)
    directory = str(Path(sys.executable).parent)
    assert env.pop("PATH") == f"{directory}:/usr/local/bin:/usr/bin:/bin"
    assert env.pop("PWD", "/") == "/"
    assert env == {
        "HOLDFAST_DATA": "/trial/data",
        "HOLDFAST_OUT": "/trial/out",
        "HOLDFAST_SEED": "7",
        "HOME": "/tmp",
        "LANG": "C.UTF-8",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONHASHSEED": "0",
        "OMP_NUM_THREADS": "1",
        "MKL_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "NUMEXPR_NUM_THREADS": "1",
    }


def test_no_process_in_sight_carries_a_secret(lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SERVICE_KEY", "canary-key")
    code = """
        import glob
        for path in glob.glob("/proc/[0-9]*/environ"):
            try:
                print(path, "canary" + "-key" in open(path).read())
            except OSError:
                print(path, "shut")
    """
    for mode in ("T2", "T3") if ROOT else ("T2",):
        assert "True" not in lab(isolation=mode).printed(code)


def test_only_scratch_places_can_be_written(box: Lab) -> None:
    printed = box.printed(
        """
        import os
        for here, directories, _ in os.walk("/"):
            if here == "/":
                directories.remove("proc")
            try:
                with open(os.path.join(here, "mark"), "w"):
                    print(here)
            except OSError:
                pass
        """
    )
    places = {path for path in printed.split() if not path.startswith("/tmp/")}
    assert places == {"/dev/shm", "/tmp", "/trial/out"}


def test_kernel_settings_cannot_be_written(box: Lab) -> None:
    printed = box.printed(
        """
        import os
        for here, _, names in os.walk("/proc/sys"):
            for name in names:
                path = os.path.join(here, name)
                try:
                    with open(path, "r+b", buffering=0) as file:
                        file.write(file.read())
                        print(path)
                except OSError:
                    pass
        for path in ("/proc/sysrq-trigger", "/proc/irq/default_smp_affinity", "/proc/acpi/wakeup"):
            if os.access(path, os.W_OK):
                print(path)
        """
    )
    assert printed == ""


def test_nothing_lasts_from_one_trial_to_the_next(box: Lab) -> None:
    leave = "open('/tmp/left', 'w'); open('/dev/shm/left', 'w'); open('/trial/out/left', 'w')"
    assert box.run(leave).outcome == "ok"
    look = "import os; print([os.path.exists(p + '/left') for p in ('/tmp', '/dev/shm', '/trial/out')])"
    assert box.printed(look) == "[False, False, False]\n"


def test_no_privileges_are_left(box: Lab) -> None:
    status = dict(
        line.split(":", 1) for line in box.printed("print(open('/proc/self/status').read())").splitlines() if line
    )
    assert {name: int(status[name], 16) for name in ("CapEff", "CapPrm", "CapAmb")} == dict.fromkeys(
        ("CapEff", "CapPrm", "CapAmb"), 0
    )
    assert status["NoNewPrivs"].strip() == "1"
    assert status["Seccomp"].strip() == "2"
    assert status["Uid"].split() == ["61000"] * 4
    assert status["Groups"].split() in ([], ["65534"])


def test_a_slot_at_t3_is_a_user_of_its_own(lab) -> None:
    if not ROOT:
        assert os.geteuid() != 0
        return
    one = lab(isolation="T3")
    one.submit(one.request("import time; time.sleep(2)"))
    deadline = 100
    owners: set[int] = set()
    while 61_000 not in owners and deadline:
        owners = {os.stat(path).st_uid for path in Path("/proc").glob("[0-9]*") if path.exists()}
        deadline -= 1
        threading.Event().wait(0.05)
    assert 61_000 in owners
    assert one.results(1)[0].outcome == "ok"


@pytest.mark.parametrize(
    "call",
    [
        "libc.unshare(0x10000000)",
        "libc.ptrace(0, 0, 0, 0)",
        "libc.mount(b'a', b'/tmp', b'tmpfs', 0, 0)",
        "os.sched_setaffinity(0, {0}) or 0",
        "libc.setns(0, 0)",
        "libc.syscall(425, 8, 0)",
    ],
)
def test_calls_that_no_trial_needs_are_refused(box: Lab, call: str) -> None:
    printed = box.printed(
        f"""
        import ctypes, os
        libc = ctypes.CDLL(None, use_errno=True)
        try:
            print({call}, ctypes.get_errno())
        except PermissionError:
            print(-1, 1)
        """
    )
    assert printed == "-1 1\n"


def test_only_its_own_processes_are_in_sight(box: Lab) -> None:
    pids = json.loads(box.printed("import os; print([int(n) for n in os.listdir('/proc') if n.isdigit()])"))
    assert sorted(pids) == [1, 2]


def test_process_1_is_out_of_reach(box: Lab) -> None:
    """It has no filter, and at T2 the user of the trial: code written into it would compute uncharged."""
    printed = box.printed(
        """
        import os
        print(os.listdir('/proc/1'), os.path.exists('/proc/self/../1/mem'), os.getpgid(0) == os.getpid())
        """
    )
    assert printed == "[] False True\n"


@pytest.mark.parametrize(
    "call",
    [
        "libc.kill(1, 18)",
        "libc.kill(-1, 18)",
        "libc.syscall(NUMBERS['tkill'], 1, 18)",
        "libc.syscall(NUMBERS['tgkill'], 1, 1, 18)",
        "libc.syscall(NUMBERS['rt_sigqueueinfo'], 1, 18, told)",
        "libc.syscall(NUMBERS['rt_tgsigqueueinfo'], 1, 1, 18, told)",
        "libc.syscall(NUMBERS['pidfd_send_signal'], os.pidfd_open(1), 18, 0, 0)",
        "libc.syscall(NUMBERS['pidfd_getfd'], os.pidfd_open(1), 0, 0)",
    ],
)
def test_nothing_is_said_to_process_1(box: Lab, call: str) -> None:
    numbers = seccomp.NUMBERS[platform.machine()]
    code = f"import ctypes, os, struct; NUMBERS = {numbers}; libc = ctypes.CDLL(None, use_errno=True)\n"
    code += "told = ctypes.create_string_buffer(struct.pack('3i', 18, 0, -1), 128)\n"
    assert box.printed(code + f"print({call}, ctypes.get_errno())") == "-1 1\n"


def test_wheels_inside_the_standard_library_are_not_shown(box: Lab) -> None:
    code = "import ensurepip, glob, os; print(glob.glob(os.path.dirname(ensurepip.__file__) + '/_bundled/*'))"
    assert box.printed(code) == "[]\n"


def test_a_lab_that_every_trial_would_see_is_refused(tmp_path: Path) -> None:
    (tmp_path / "to-usr").symlink_to("/usr/lib")
    for place in (Path("/usr/lib"), Path(sysconfig.get_path("stdlib")), tmp_path / "to-usr"):
        for name in ("data", "grader"):
            fields = {"data": tmp_path, "grader": tmp_path} | {name: place}
            places = Places(scratch=tmp_path / "scratch", interpreter=sys.executable, **fields)
            with pytest.raises(ExecutionError, match=r"(?s)trials can see all below .*elsewhere"):
                LocalExecutor(problem(), places, {}.__getitem__, 1, "T2")


def test_nothing_is_inherited_but_the_three_streams(box: Lab) -> None:
    printed = box.printed("import os; print(sorted(os.listdir('/proc/self/fd')))")
    assert printed == "['0', '1', '2', '3']\n"  # 3 is the listing itself


def test_trials_say_what_held(box: Lab) -> None:
    trial = box.run("pass")
    assert trial.tier == box.executor.tier
    for name in ("namespaces", "files", "network", "cpu_charge", "processes", "disk", "seccomp"):
        assert trial.controls[name] == "enforced"
    assert (trial.controls["uid"] == "enforced") == (trial.tier == "T3")


def test_programs_behind_alternatives_can_be_reached(box: Lab) -> None:
    """Debian's awk is a link to /etc/alternatives, which the slot's user must be able to walk through."""
    assert (
        box.printed("import os; print(oct(os.stat('/etc').st_mode & 0o777), os.listdir('/etc') != [])")
        == "0o755 True\n"
    )
