from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.core.errors import ProblemError
from holdfast.problems.load import load
from holdfast.problems.paths import escapes, matches
from holdfast.problems.structure import parse
from tests.problems.conftest import TOML, make


def mistakes(root: Path, toml: str) -> str:
    (root / "problem.toml").write_text(toml)
    with pytest.raises(ProblemError) as caught:
        load(root)
    return caught.value.message


def test_a_sound_problem_loads(root: Path) -> None:
    problem = load(root)
    assert problem.spec.checks["loss"].max == "baseline * 1.01"
    assert problem.tree == root / "work"
    assert problem.judge == root / "grader"
    assert [
        path for path in ("a.py", "lib/b.py", "lib/c/d.py", "fixed.txt", "../a.py") if problem.is_editable(path)
    ] == [
        "a.py",
        "lib/b.py",
    ]
    assert problem.editable({"a.py": b"x", "lib/b.py": b"\xff", "fixed.txt": b"y"}) == {"a.py": "x"}


def test_every_mistake_is_listed_at_once(root: Path) -> None:
    said = mistakes(
        root,
        """
        sedd = 1
        [problem]
        name = "My Problem"
        goal = "g"
        human_minutes = "long"
        [work]
        editable = ["../a.py", "/etc/passwd", "gone.py", "lib", "none/*.py"]
        command = ["no-such-program"]
        packages = ["no-such-package"]
        preload = ["no_such_module"]
        comand = ["python"]
        [grader]
        command = ["python", "gone.py"]
        [data]
        prepare = ["python", "prepare.py"]
        [limit]
        seconds = 1
        [limits]
        seconds = -1
        memory_mb = "4 GB"
        processes = 0
        cpus = 2
        scale = "ratio"
        [metric]
        goal = "minimise"
        pattern = "loss="
        [checks]
        loss = { max = "baseline ** 2" }
        val = 3
        none = {}
        odd = { max = "inf", most = 1 }
        """,
    )
    for line in (
        "unknown key sedd",
        "unknown table limit; did you mean limits?",
        "problem.name 'My Problem' must be",
        "problem.human_minutes: expected float | null, got a string",
        "work.comand is unknown; did you mean command?",
        "work.editable '../a.py' is outside the tree",
        "work.editable '/etc/passwd' is outside the tree",
        "work.editable 'gone.py' is not a file",
        "work.editable 'lib' is a directory",
        "did you mean lib/**?",
        "work.editable 'none/*.py' matches no file",
        "work.command: there is no program 'no-such-program'",
        "work.packages: 'no-such-package' is not installed; `pip install no-such-package`",
        "work.preload: 'no_such_module' cannot be imported",
        "grader.command: there is no script 'gone.py'",
        "data.prepare: there is no script 'prepare.py'",
        "limits.seconds must be above zero, not -1",
        "limits.processes must be above zero, not 0",
        "limits.memory_mb: expected int, got a string",
        "limits.cpus is unknown; known: seconds",
        "limits.scale is unknown; it belongs to [metric]",
        "metric.goal: invalid enum value 'minimise'",
        "metric.pattern 'loss=' has no group",
        "checks.loss.max 'baseline ** 2' is not a limit",
        "checks.val must be a table",
        "checks.none has no limit",
        "checks.odd.max 'inf' is not a limit",
        "checks.odd.most is unknown",
    ):
        assert line in said, said
    assert said.startswith(f"{len(said.splitlines()) - 1} mistakes in ")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('name = "demo"\n', "", "problem.name is missing"),
        ('editable = ["a.py", "lib/*.py"]', "editable = []", "work.editable is empty"),
        ('["python", "a.py"]', "[]", "work.command is empty"),
        ('["python", "a.py"]', '"python a.py"', "work.command: expected an array, got a string"),
        ('["python", "a.py"]', '["./run.sh"]', "there is no program './run.sh'"),
        ("[grader]", "[grader", "it is not TOML"),
        ("[work]", '[work]\ntree = "../demo/work"', "must be a directory inside"),
        ("[work]", '[work]\ntree = "grader"', "belongs to the judge"),
        ("[work]", '[work]\ntree = "gone"', "is not a directory"),
        ("[work]", '[work]\nwritable = ["/tmp"]', "work.writable '/tmp' is outside"),
        (
            "[grader]",
            "[limits]\nseconds = 0\ndisk_mb = -5\n[grader]\nseconds = nan",
            "grader.seconds must be above zero",
        ),
        ("[checks]", '[metric]\nname = "score"\npattern = "("\n[checks]', "is not a regular expression"),
        ("[checks]", '[metric]\npattern = "(.*)"\n[checks]', "measured by the lab"),
        ('command = ["python", "grade.py"]', "", "checks.loss comes from nowhere"),
        ("[checks]", "[checks]\ncpu_seconds = { max = 3 }", "checks.cpu_seconds: only graded values can be checked"),
        (
            '[grader]\ncommand = ["python", "grade.py"]',
            '[metric]\nname = "cpu_secs"',
            "metric.name 'cpu_secs' comes from nowhere: it takes a grader.command that returns it, or a "
            "metric.pattern that finds it in the output; did you mean cpu_seconds?",
        ),
    ],
)
def test_a_mistake_is_named(root: Path, old: str, new: str, said: str) -> None:
    assert old in TOML
    assert said in mistakes(root, TOML.replace(old, new))


def test_a_missing_torch_names_the_extra(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.path", [])  # nothing is installed
    said = mistakes(root, TOML.replace("[work]", '[work]\npackages = ["torch"]'))
    assert "'torch' is not installed; `pip install \"holdfast[lm]\"`" in said


def test_files_that_cannot_be_edited_are_named(root: Path) -> None:
    (root / "work" / "a.py").write_bytes(b"x = '\xff'\n")
    (root / "work" / "lib" / "b.py").unlink()
    (root / "work" / "lib" / "b.py").symlink_to("/etc/passwd")
    said = mistakes(root, TOML)
    assert "a.py is editable but not UTF-8 (byte 5)" in said
    assert "'lib/*.py' matches no file" in said
    (root / "work" / "lib" / "b.py").unlink()
    (root / "work" / "lib").rmdir()
    (root / "work" / "lib").symlink_to(root / "grader")
    assert "'lib/grade.py' is not a file" in mistakes(root, TOML.replace("lib/*.py", "lib/grade.py"))


def test_the_judge_in_a_whole_directory_tree_is_not_editable(root: Path) -> None:
    toml = TOML.replace("[work]", '[work]\ntree = "."').replace('"a.py"', '"grader/grade.py", "work/a.py"', 1)
    assert "'grader/grade.py' belongs to the judge" in mistakes(root, toml)


def test_a_missing_or_unreadable_file_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(ProblemError, match=r"there is no problem.toml in .*\nhint: `holdfast problem new`"):
        load(tmp_path)
    (tmp_path / "problem.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(ProblemError, match="cannot be read"):
        load(tmp_path)


def test_the_digest_names_the_content_and_nothing_else(root: Path, tmp_path: Path) -> None:
    first = load(root).digest
    copy = tmp_path / "elsewhere"
    shutil.copytree(root, copy)
    (copy / "grader" / "__pycache__").mkdir()
    (copy / "grader" / "__pycache__" / "grade.pyc").write_bytes(b"x")
    assert load(copy).digest == first
    for name in ("work/a.py", "grader/grade.py", "controls/honest/a.py", "work/fixed.txt"):
        text = (copy / name).read_text()
        (copy / name).write_text(text + "#")
        assert load(copy).digest != first
        (copy / name).write_text(text)
    (copy / "work" / "fixed.txt").rename(copy / "work" / "fixed2.txt")
    assert load(copy).digest != first


def test_a_tree_that_is_the_whole_directory_does_not_change_the_digest(tmp_path: Path) -> None:
    root = make(
        tmp_path / "whole",
        TOML.replace("[work]", '[work]\ntree = "."')
        .replace('"a.py", "lib', '"work/a.py", "work/lib')
        .replace('"python", "a.py"', '"python", "work/a.py"'),
    )
    first = load(root).digest
    (root / "work" / "a.py").write_text("changed")
    assert load(root).digest == first
    (root / "grader" / "grade.py").write_text("changed")
    assert load(root).digest != first


@given(st.text(max_size=300))
def test_no_text_makes_the_parser_raise(text: str) -> None:
    parse(text)


values = st.recursive(
    st.one_of(st.integers(-5, 5), st.booleans(), st.just('"x"'), st.floats(allow_nan=True).map(lambda x: repr(x))),
    lambda inner: st.lists(inner, max_size=2).map(lambda items: f"[{', '.join(map(toml, items))}]"),
    max_leaves=3,
)


def toml(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


@given(
    st.dictionaries(
        st.sampled_from(["problem", "work", "limits", "metric", "checks", "grader", "data", "lmits"]),
        st.dictionaries(st.sampled_from(["name", "goal", "editable", "command", "seconds", "max", "tree"]), values),
    )
)
def test_any_table_is_a_specification_or_a_list_of_mistakes(tables: dict[str, dict[str, object]]) -> None:
    lines = [
        line
        for name, table in tables.items()
        for line in (f"[{name}]", *(f"{key} = {toml(value)}" for key, value in table.items()))
    ]
    draft = parse("\n".join(lines))
    assert all("\n" not in mistake for mistake in draft.mistakes)
    assert draft.mistakes or not draft.faulty


@pytest.mark.parametrize(
    ("pattern", "yes", "no"),
    [
        ("*.py", ["a.py"], ["b/a.py", "a.pyc"]),
        ("**/*.py", ["a.py", "b/a.py", "b/c/a.py"], ["a.pyc"]),
        ("lib/**", ["lib/a", "lib/b/c"], ["lib", "libs/a"]),
        ("a?[0-9].t", ["ab1.t"], ["a/1.t", "abx.t"]),
        ("a[!0-9]", ["ax"], ["a1"]),
        ("a+(b).py", ["a+(b).py"], ["aab.py"]),
    ],
)
def test_patterns_match_as_people_expect(pattern: str, yes: list[str], no: list[str]) -> None:
    assert all(matches(path, [pattern]) for path in yes)
    assert not any(matches(path, [pattern]) for path in no)


@given(st.text(max_size=20))
def test_a_literal_pattern_matches_itself_only(text: str) -> None:
    if not set(text) & set("*?[]"):
        assert matches(text, [text])
        assert not matches(text + "x", [text])


@pytest.mark.parametrize("path", ["", ".", "/", "/etc", "..", "a/../../b", "~/x", "a\0b", "..\\a"])
def test_paths_that_lead_out_are_recognised(path: str) -> None:
    assert escapes(path)
