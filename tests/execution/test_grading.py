"""The judge recomputes; what it cannot judge is never a gain."""

from __future__ import annotations

import math
import time
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from holdfast.core.ports import Grade
from holdfast.execution.grading import NoGrader, SelfReport, understand
from tests.execution.conftest import HIDDEN_WORD, MODES, Lab

GRADER = {"grader_command": ("python", "grade.py"), "metric_name": "loss"}


@given(st.text())
@example("[" * 100_000)
@example('{"a": 1e999}')
@example('{"a": NaN}')
@example('{"a": ' + "9" * 5000 + "}")
@example('{"a": {"b": 1}}')
def test_whatever_a_grader_prints_is_a_grade(text: str) -> None:
    grade = understand(text)
    assert all(math.isfinite(value) for value in grade.values.values())
    assert bool(grade.wrong) + bool(grade.fault) <= 1


@given(
    st.dictionaries(
        st.text(max_size=20).filter(lambda name: name != "wrong"),
        st.floats(allow_nan=False, allow_infinity=False),
        max_size=20,
    )
)
def test_finite_values_come_through(values: dict[str, float]) -> None:
    import json

    assert understand("some talk\n" + json.dumps(values) + "\n\n") == Grade(values)


@pytest.mark.parametrize(
    ("said", "grade"),
    [
        ('{"wrong": "no weights"}', Grade(wrong="no weights")),
        ('{"loss": NaN}', Grade(wrong="loss is not finite")),
        ('{"loss": Infinity}', Grade(wrong="loss is not finite")),
    ],
)
def test_verdicts(said: str, grade: Grade) -> None:
    assert understand(said) == grade


@pytest.mark.parametrize("said", ["", "1", "[1]", "null", "loss 1", '{"loss": "1"}', '{"loss": true}', '{"wrong": 1}'])
def test_rubbish_is_the_graders_fault(said: str) -> None:
    assert understand(said).fault or said == '{"wrong": 1}'


def report(tmp_path: Path, text: str, name: str = "loss", pattern: str = "") -> Grade:
    (tmp_path / "result.stdout").write_text(text)
    return SelfReport(name, pattern).grade(str(tmp_path / "result"), "hidden", 1)


def test_self_report(tmp_path: Path) -> None:
    assert report(tmp_path, "loss: 3\nloss = 2.5e-1\nval_loss: 9\n") == Grade({"loss": 0.25})
    assert report(tmp_path, "Loss:1\n").values == {"loss": 1.0}
    assert report(tmp_path, "time 12 ms", "speed", r"time (\d+)").values == {"speed": 12.0}
    assert report(tmp_path, "val_loss: 9").wrong
    assert report(tmp_path, "loss: nan").wrong == "loss is not finite"
    assert report(tmp_path, "loss abc", pattern=r"loss (\w+)").wrong
    assert report(tmp_path, "loss", pattern="loss").wrong
    assert report(tmp_path, "").wrong == "it printed no loss"
    assert NoGrader().grade("nowhere", "hidden", 1) == Grade()


def test_a_slow_pattern_holds_nobody_up(tmp_path: Path) -> None:
    begun = time.process_time()
    slow = r"val.*loss.*=\s*([0-9.]+)"
    assert report(tmp_path, "val loss " * 7000, pattern=slow).wrong
    assert report(tmp_path, ("val loss " * 30 + "\n") * 2000 + "val loss = 2\n", pattern=slow).values == {"loss": 2}
    assert time.process_time() - begun < 2
    assert report(tmp_path, "loss 1\n" + "talk\n" * 300).wrong


GRADE = """
    import json, os, sys
    sys.path.insert(0, "")
    artifact = os.environ["HOLDFAST_ARTIFACT"]
    hidden = open(os.environ["HOLDFAST_DATA"] + "/text.txt").read()
    print("talk")
    with open(artifact + "/number") as file:
        number = float(file.read())
    said = open(os.environ["HOLDFAST_STDOUT"]).read()
    print(json.dumps({"loss": number, "split": len(hidden), "seed": int(os.environ["HOLDFAST_SEED"]),
                      "said": len(said), "here": os.path.exists("grade.py")}))
"""
LEAVE = "import os; open(os.environ['HOLDFAST_OUT'] + '/number', 'w').write('{}'); print('hello')"


@pytest.mark.parametrize("mode", MODES.values(), ids=MODES.keys())
def test_the_graders_contract(lab, mode: tuple[str, bool]) -> None:
    one = lab(isolation=mode[0], grouped=mode[1], grade=GRADE.replace('"here": os', '"here": 0 + os'), **GRADER)
    trial = one.run(LEAVE.format(1.5), seed=11)
    assert trial.outcome == "ok", trial.detail
    assert trial.score == 1.5
    assert trial.values == {"loss": 1.5, "split": len(f"hidden {HIDDEN_WORD}"), "seed": 11, "said": 6, "here": 1}
    sealed = one.run(LEAVE.format(2), split="sealed")
    assert (sealed.score, sealed.values["split"]) == (2, len(f"sealed {HIDDEN_WORD}"))
    crash = one.run("pass")
    assert crash.outcome == "wrong"
    assert crash.detail.startswith("grader fault: the grader ended with code 1")
    assert "FileNotFoundError" in crash.detail
    assert one.run(LEAVE.format("nan")).detail == "loss is not finite"
    assert one.run(LEAVE.format(3)).score == 3


def test_faulty_graders_never_give_a_score(lab) -> None:
    one = lab(grader_seconds=0.5, **GRADER)
    for grade, detail in {
        "print('{}')": "grader fault: it gave no loss",
        "print('rubbish')": "grader fault: the grader's last line",
        "import time; time.sleep(60)": "grader fault: the grader took more than 0.5 s",
        "import os; os.kill(os.getpid(), 9)": "grader fault: the grader ended with code -9",
        "import os; os.kill(os.getppid(), 9)": "grader fault: ",
        "import os; os.write(1, b'x' * 10_000_000)": "grader fault: the grader's last line",
        "import os; os.fork() or __import__('time').sleep(60); print('{\"loss\": 1}')": "grader fault: the grader took",
        "raise SystemExit('sorry')": "grader fault: the grader ended with code 1: sorry",
    }.items():
        (one.root / "grader" / "grade.py").write_text(grade)
        trial = one.run("pass")
        assert (trial.outcome, trial.score) == ("wrong", None), grade
        assert trial.detail.startswith(detail), (grade, trial.detail)
    (one.root / "grader" / "grade.py").write_text("print('{\"loss\": 1}')")
    assert one.run("pass").score == 1


def test_a_judge_that_cannot_be_asked_is_our_fault(lab) -> None:
    one = lab(grade="print('{\"loss\": 1}')", grader_preload=("nothere",), **GRADER)
    trial = one.run("pass")
    assert (trial.outcome, trial.detail) == ("infra", "ModuleNotFoundError: No module named 'nothere'")


def test_no_state_survives_from_one_grading_to_the_next(lab) -> None:
    grade = """
        import json, math, os
        math.tau = getattr(math, "count", 0)
        math.count = getattr(math, "count", 0) + 1
        before = os.listdir("/tmp")
        print(json.dumps({"loss": math.tau}))
    """
    one = lab(grade=grade, metric_scale="difference", **GRADER)
    assert [one.run("pass").score for _ in range(3)] == [0, 0, 0]


def test_a_grader_in_another_language(lab) -> None:
    one = lab(
        grader_command=("sh", "-c", 'echo "{\\"loss\\": $(wc -c < $HOLDFAST_ARTIFACT/number)}"'), metric_name="loss"
    )
    assert one.run(LEAVE.format(12345)).score == 5


def test_the_judge_is_out_of_reach(lab) -> None:
    grade = """
        import json, os, socket
        reached = []
        for probe in ("open('/trial/artifacts/x', 'w')", "open('grade.py', 'a')", "open('/trial/splits/x', 'w')",
                      "socket.create_connection(('127.0.0.1', 1), 1)"):
            try:
                eval(probe)
                reached.append(probe)
            except OSError:
                pass
        print(json.dumps({"loss": len(reached), "secret": int("SERVICE_KEY" in os.environ)}))
    """
    for isolation, grouped in MODES.values():
        one = lab(isolation=isolation, grouped=grouped, grade=grade, metric_scale="difference", **GRADER)
        trial = one.run("pass")
        assert trial.values == {"loss": 0, "secret": 0}


def test_metric_on_stdout_with_checks_from_a_grader(lab) -> None:
    one = lab(grade="print('{\"quality\": 3}')", grader_command=("python", "grade.py"), metric_name="ms",
              metric_pattern=r"took (\S+) ms")  # fmt: skip
    trial = one.run("print('took 12.5 ms')")
    assert (trial.score, trial.values) == (12.5, {"quality": 3, "ms": 12.5})


def test_what_the_harness_measures_is_not_the_graders_to_say(lab) -> None:
    one = lab(grade="print('{\"cpu_seconds\": 0.000001}')", grader_command=("python", "grade.py"))
    trial = one.run("sum(range(10**6))")
    assert trial.score == trial.cpu_seconds > 0.005


def test_a_ratio_needs_positive_scores(lab) -> None:
    one: Lab = lab(metric_name="loss")
    for said in ("0", "-0.5"):
        trial = one.run(f"print('loss: {said}')")
        assert (trial.outcome, trial.score) == ("wrong", None)
        assert trial.detail == f"a ratio needs positive scores, not {said}"
    assert lab(metric_name="loss", metric_scale="difference").run("print('loss: 0')").score == 0


def test_self_reported_metric(lab) -> None:
    one: Lab = lab(metric_name="loss")
    assert one.run("print('loss: 0.25')").score == 0.25
    silent = one.run("pass")
    assert (silent.outcome, silent.detail) == ("wrong", "it printed no loss")
