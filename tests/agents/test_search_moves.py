"""Every move, on every spelling: text stays valid, types and ranges are kept, names survive."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.agents.search import numbers
from holdfast.agents.search.ideas import Step, steps_of, words_of
from holdfast.agents.search.moves import places_in, read
from holdfast.agents.search.places import applied, overlapping, parses

from .subjects import GPT_MODEL, GPT_TRAIN, MLP_TRAIN

ODD = '''#!/usr/bin/env python
"""Docstring with 12 numbers and True."""
from x import y7  # 5
A = (  3  )  # kept comment é
B: float = .5; C = 1_000
class K:
    "doc 9"
    z = -4
    def f(self, n=0x10, *, p=0.9, on=True): return self.z ** 2 + n
CONFIG = {"max-steps": 400, "lr": 2.5E-4, 'deep': {"d": 2}}
while A < C:
    k = len("x")
    A += 1
for i in range(CONFIG["max-steps"]):
    pass
if __name__ == "__main__":
    print(99, f"{A + 1}")
'''
CRLF = "a = 1000\r\nfor i in range(a):\r\n    b = 2\r\n    print(i, end='')\r\n"
SHELL = "#!/bin/sh\n# seq 5\nN=400\nfor i in $(seq 1 $N); do\n  awk 'BEGIN { x = 0.25 * 3e2 }'\ndone\n"
C = "#define N 1000\n// never 5\nint main(void) {\n  for (int i = 0; i < N; i++) s += 0.5f * x[3];\n  return 0;\n}\n"
SPELLINGS = {
    "gpt.py": GPT_TRAIN,
    "model.py": GPT_MODEL,
    "fit.py": MLP_TRAIN,
    "odd.py": ODD,
    "crlf.py": CRLF,
    "run.sh": SHELL,
    "main.c": C,
}
literals = st.one_of(
    st.integers(0, 10**6).map(str),
    st.floats(1e-8, 1e6, allow_nan=False).map(repr),
    st.sampled_from(["3e-4", "1E-3", "0.999", "0.5", ".1", "1.", "1_000", "0.0"]),
)


def places(path):
    return places_in([read(path, SPELLINGS[path])])


def number(path, name):
    return next(p for p in places(path) if p.name == f"{path}: {name}" and p.graded)


@pytest.mark.parametrize("path", SPELLINGS)
def test_every_edit_changes_the_text_and_most_leave_it_valid(path):
    files = {path: SPELLINGS[path]}
    edits = [edit for place in places(path) for size in place.sizes if (edit := place.edit(size))]
    assert edits
    for edit in edits:
        changed = applied(files, [edit])
        if changed is not None:
            assert changed[path] != files[path]
            assert parses(path, changed[path])
    assert sum(applied(files, [edit]) is None for edit in edits) <= 0.02 * len(edits)


@pytest.mark.parametrize("path", SPELLINGS)
def test_names_are_unique_and_can_be_read_back_from_the_ledger(path):
    found = places(path)
    assert len({place.name for place in found}) == len(found)
    edits = [edit for place in found for size in place.sizes if (edit := place.edit(size))]
    for edit in edits:
        assert steps_of(*words_of([edit, edits[0]])) == (
            Step(edit.place, edit.technique),
            Step(edits[0].place, edits[0].technique),
        )
        step = Step(edit.place, edit.technique)
        assert step.octaves == pytest.approx(edit.octaves)


@pytest.mark.parametrize("path", ["gpt.py", "model.py", "fit.py"])
def test_names_of_numbers_survive_changes_around_them(path):
    files = {path: SPELLINGS[path]}
    before = {place.name for place in places(path) if place.graded}
    for place in places(path):
        if place.graded and (edit := place.edit(1.0)):
            text = applied(files, [edit])[path]
            assert {p.name for p in places_in([read(path, text)]) if p.graded} == before


def test_formatting_and_comments_are_kept():
    text = applied({"odd.py": ODD}, [number("odd.py", "A").edit(1.0)])["odd.py"]
    assert text == ODD.replace("(  3  )  # kept", "(  6  )  # kept")
    text = applied({"crlf.py": CRLF}, [number("crlf.py", "a").edit(-1.0)])["crlf.py"]
    assert text == CRLF.replace("1000", "500")


def test_strings_imports_docstrings_and_the_main_guard_are_left_alone():
    texts = [place.text for place in places("odd.py")]
    assert not {"12", "9", "7", "99"} & set(texts)
    assert not any("print" in place.name or "import" in place.name for place in places("odd.py"))


def test_several_spellings_of_the_same_constant_are_found_with_their_role():
    bound = number("gpt.py", "max_iters").prior
    assert number("odd.py", 'CONFIG["max-steps"]').prior == bound
    assert number("fit.py", "parse > add_argument(--epochs, default)").prior == bound
    assert number("model.py", "GPTConfig.dropout").text == "0.1"
    assert number("fit.py", "Net.forward > (p_drop)").text == "0.3"


def test_a_default_that_every_caller_overrides_promises_little():
    both = {p.name: p for p in places_in([read("t.py", GPT_TRAIN), read("m.py", GPT_MODEL)])}
    assert both["m.py: GPTConfig.n_layer"].prior.cost_sd < 0.1 * both["t.py: GPTConfig(n_layer)"].prior.cost_sd + 1e-9
    assert both["m.py: GPTConfig.mlp_ratio"].prior.cost_sd > 0.1


def test_structural_moves_do_what_they_say():
    text = (
        "def f(xs):\n    for x in xs:\n        k = len('a')\n        g(x, n=k, flag=True)\n        h(x)\n"
        "    if xs:\n        h(1)\n"
    )
    found = {(p.move.name, p.name): p for p in places_in([read("a.py", text)])}

    def after(move, name):
        return applied({"a.py": text}, [found[move, f"a.py: f > {name}"].edit(1.0)])["a.py"]

    assert after("hoist", "`k = len('a')` out of its loop").startswith(
        "def f(xs):\n    k = len('a')\n    for x in xs:\n"
    )
    assert "g(x, flag=True)" in after("remove", "argument g(n)")
    assert "g(x, n=k)" in after("remove", "argument g(flag)")
    assert "flag=False" in after("flip", "g(flag)")
    assert after("delete", "`h(_)`").endswith("    if xs:\n        pass\n")
    swapped = after("swap", "`g(x, n=k, flag=True)` and `h(x)`")
    assert swapped.index("h(x)") < swapped.index("g(x")
    assert ("delete", "a.py: f > `k = len('a')`") not in found, "it alone sets what is read"


def test_text_that_is_not_python_has_numbers_and_lines():
    files = {"main.c": C}
    edits = [e for p in places("main.c") for s in p.sizes if (e := p.edit(s))]
    texts = [applied(files, [edit])["main.c"] for edit in edits]
    assert any("#define N 500\n" in text for text in texts)
    assert any("0.25f" in text for text in texts)
    assert all("// never 5" in text for text in texts)
    assert read("broken.py", "def f(:\n").numbers == []


def test_edits_of_the_same_text_overlap():
    found = {p.name: p for p in places("gpt.py")}
    number_edit = found["gpt.py: eval_iters"].edit(1.0)
    assert overlapping([number_edit, found["gpt.py: eval_iters"].edit(2.0)])
    assert not overlapping([number_edit, found["gpt.py: max_iters"].edit(1.0)])


@given(literals, st.floats(-20, 20))
def test_scaling_keeps_type_and_range(text, octaves):
    new = numbers.scaled(text, octaves)
    if new is None:
        return
    old_value, new_value = numbers.value_of(text), numbers.value_of(new)
    assert new_value is not None
    assert new_value != old_value
    assert numbers.is_whole(text) == numbers.is_whole(new)
    assert math.isfinite(new_value)
    if numbers.is_whole(text):
        assert new_value >= 1
    elif 0 < old_value < 1:
        assert 0 < new_value < 1


@given(literals, st.sampled_from([-3.0, -2.0, -1.0, 1.0, 2.0, 3.0]))
def test_octaves_between_undoes_scaling_up_to_rounding(text, octaves):
    new = numbers.scaled(text, octaves)
    if new is not None:
        found = numbers.octaves_between(text, new)
        if numbers.is_whole(text):
            assert found * octaves > 0 or numbers.value_of(text) == 0
        else:
            assert found == pytest.approx(octaves, abs=0.1)
