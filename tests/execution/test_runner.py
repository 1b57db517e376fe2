"""A program runs as it would run bare: same names, same paths, same end."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from holdfast.execution.sandbox.cell import Cell, Plan
from holdfast.execution.sandbox.view import RUNNER_FILE
from tests.execution.conftest import Lab


def test_names_are_those_of_a_script(lab) -> None:
    one = lab(command=("python", "sub/x.py", "--flag", "a b"))
    printed = one.printed(
        {
            "sub/x.py": """
                import sys, neighbour, pickle, inspect
                class Thing: pass
                assert pickle.loads(pickle.dumps(Thing)) is Thing
                assert sys.modules["__main__"].Thing is Thing
                assert "class Thing" in inspect.getsource(sys.modules["__main__"])
                print(__name__, __file__, sys.argv, sys.path[0], neighbour.x, [n for n in globals() if n[0] != "_"])
                print([p for p in sys.path if p.endswith("/trial")])
            """,
            "sub/neighbour.py": "x = 1",
        }
    )
    assert printed.splitlines() == [
        "__main__ /trial/work/sub/x.py ['sub/x.py', '--flag', 'a b'] /trial/work/sub 1 "
        "['sys', 'neighbour', 'pickle', 'inspect', 'Thing']",
        "[]",
    ]


@pytest.mark.parametrize(
    ("code", "outcome", "detail"),
    [
        ("raise SystemExit", "ok", ""),
        ("raise SystemExit(0)", "ok", ""),
        ("raise SystemExit(3)", "crashed", "exit code 3"),
        ("raise SystemExit('it failed')", "crashed", "it failed"),
        ("import os; os._exit(5)", "crashed", "exit code 5"),
        ("import os; os.abort()", "crashed", "killed by signal 6"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "crashed", "killed by signal 9"),
        ("import ctypes; ctypes.string_at(0)", "crashed", "killed by signal 11"),
        ("import atexit, os; atexit.register(os._exit, 4)", "crashed", "exit code 4"),
    ],
)
def test_ends(box: Lab, code: str, outcome: str, detail: str) -> None:
    trial = box.run(code)
    assert (trial.outcome, trial.detail) == (outcome, detail)
    assert (trial.score is not None) == (outcome == "ok")


def test_tracebacks_begin_in_the_program(box: Lab) -> None:
    trial = box.run("def f():\n    return 1 / 0\nf()\n")
    assert trial.detail == (
        "ZeroDivisionError: division by zero\n"
        "Traceback (most recent call last):\n"
        '  File "/trial/work/x.py", line 3, in <module>\n    f()\n'
        '  File "/trial/work/x.py", line 2, in f\n    return 1 / 0\n           ~~^~~'
    )
    wrong = box.run("def broken(:\n")
    assert "SyntaxError" in wrong.detail
    assert "runner.py" not in wrong.detail


def test_what_was_not_closed_is_written(lab) -> None:
    for preload in ((), ("msgspec",)):
        one = lab(packages=("msgspec",), preload=preload, grader_command=("sh", "-c", 'cat "$HOLDFAST_ARTIFACT/late"'),
                  metric_name="n")  # fmt: skip
        code = "import os; file = open(os.environ['HOLDFAST_OUT'] + '/late', 'w'); file.write('{\"n\": 4}')"
        assert one.run(code).score == 4


def test_preloaded_programs_keep_their_exit_code_and_c_streams(lab) -> None:
    one = lab(packages=("msgspec",), preload=("msgspec",))
    trial = one.run("import ctypes; ctypes.CDLL(None).printf(b'from C'); raise SystemExit(9)")
    assert trial.outcome == "crashed"
    assert "from C" in one.log(trial)


def test_a_module_that_cannot_be_preloaded_is_our_fault(lab) -> None:
    trial = lab(preload=("msgspec",)).run("pass")
    assert (trial.outcome, trial.detail) == ("infra", "ModuleNotFoundError: No module named 'msgspec'")


def test_a_candidate_cannot_shadow_what_is_preloaded(lab) -> None:
    one = lab(packages=("msgspec",), preload=("msgspec",))
    printed = one.printed({"x.py": "import msgspec; print(msgspec.__file__)", "msgspec.py": "raise SystemExit"})
    assert "site-packages/msgspec" in printed


def test_what_is_preloaded_does_not_meet_the_candidate(tmp_path: Path) -> None:
    (tmp_path / "nosy.py").write_text("import os; os.write(2, os.getcwd().encode())")
    cell = Cell([sys.executable, "-s", "-B", str(RUNNER_FILE)], {"PYTHONPATH": str(tmp_path)}, namespaced=False)
    try:
        cell.prepare(Plan(("sh", "-c", "pwd"), str(tmp_path), preload=("nosy",)))
        cell.go()
        assert cell.process.communicate(timeout=20) == (f"{tmp_path}\n".encode(), b"/")
    finally:
        cell.close()


@pytest.mark.parametrize(
    ("command", "printed"),
    [
        (("sh", "run.sh"), "from the shell 7\n"),
        (("python", "-c", "print(6 * 7)"), "42\n"),
        (("python", "-m", "tabnanny", "-v", "x.py"), "'x.py': Clean bill of health.\n"),
        (("./none.sh",), None),
        (("python", "none.py"), None),
    ],
)
def test_commands(lab, command: tuple[str, ...], printed: str | None) -> None:
    one = lab(command=command)
    trial = one.run({"x.py": "pass", "run.sh": "echo from the shell $HOLDFAST_SEED"})
    if printed is None:
        assert trial.outcome == "crashed"
        assert "No such file" in trial.detail
    else:
        assert trial.outcome == "ok", trial.detail
        assert printed in one.log(trial)


def test_seed_data_and_writable_directories(lab) -> None:
    one = lab(writable=("cache", "deep/er"))
    printed = one.printed(
        {
            "x.py": """
                import os
                print(os.environ["HOLDFAST_SEED"], os.listdir(os.environ["HOLDFAST_DATA"]))
                open("cache/a", "w"), open("deep/er/b", "w")
                for name in ("x.py", "new", "deep/new"):
                    try:
                        open(name, "a")
                        print(name)
                    except OSError as error:
                        pass
            """,
            "deep/other": "",
        },
        seed=123,
    )
    assert printed == "123 ['text.txt']\n"


def test_the_same_hash_order_every_time(box: Lab) -> None:
    code = "print(list({'a', 'b', 'c', 'd', 'e', 'f'}))"
    assert box.printed(code, seed=1) == box.printed(code, seed=2)
