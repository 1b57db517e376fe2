"""The search agent as the loop sees it: never repeats, folds its ledger, finds the way over slack."""

from __future__ import annotations

import random
import statistics

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.agents.search.agent import SearchAgent
from holdfast.agents.search.history import ROWS, STONES
from holdfast.agents.search.places import parses
from holdfast.core.ports import Agent
from holdfast.core.records import Decision, Forecast, Landed, Limit, Proposal, Trial

from .laboratory import Laboratory, Subject
from .subjects import SUBJECTS


def laboratory(name, seed=0, **more):
    subject = SUBJECTS[name]
    return Laboratory(subject, SearchAgent(seed, tuple(subject.files)), seed=seed, **more)


def constant(text):
    return Laboratory(Subject({"a.py": text}, {"x": r"x = (\S+)"}, lambda _: (1.0, 1.0)), SearchAgent(0, ("*.py",)))


@pytest.mark.parametrize("name", SUBJECTS)
def test_a_training_script_gets_four_times_faster(name):
    gains = []
    for seed in range(3):
        lab = laboratory(name, seed)
        gains.append(lab.run(60))
    assert statistics.median(gains) >= 4
    assert min(gains) >= 2


@settings(max_examples=6, deadline=None)
@given(name=st.sampled_from(sorted(SUBJECTS)), seed=st.integers(0, 10**6))
def test_every_draft_is_new_valid_and_forecast(name, seed):
    lab = laboratory(name, seed)
    agent: Agent = lab.agent
    seen = {tuple(sorted(lab.files.items()))}
    for number in range(40):
        draft = agent.propose(lab.brief(number))
        content = tuple(sorted({**lab.files, **draft.edits}.items()))
        assert content not in seen
        seen.add(content)
        assert draft.parent == lab.trunk
        assert all(parses(path, text) for path, text in draft.edits.items())
        assert 0 < draft.forecast.probability < 1
        assert draft.forecast.effect > 0
        assert draft.hypothesis
        assert "\n" not in draft.hypothesis
        lab._try(f"p{number}", draft)


@pytest.mark.parametrize("seed", range(3))
def test_resume_gives_the_same_next_draft(seed):
    lab = laboratory("gpt", seed)
    lab.run(25)
    drafts = []
    for _ in range(2):
        agent = SearchAgent(seed, tuple(lab.files))
        for record in lab.records:
            agent.learn(msgspec.json.decode(msgspec.json.encode(record), type=type(record)))
        drafts.append([agent.propose(lab.brief(n)) for n in (25, 26)])
    assert drafts[0] == drafts[1]
    assert drafts[0][0] == lab.agent.propose(lab.brief(25))


def test_seeds_differ():
    hypotheses = {
        laboratory("gpt", seed).agent.propose(laboratory("gpt", seed).brief(0)).hypothesis for seed in range(6)
    }
    assert len(hypotheses) > 1


def test_a_draft_that_was_not_recorded_is_not_proposed_again_either():
    lab = laboratory("mlp")
    drafts = [lab.agent.propose(lab.brief(0)) for _ in range(20)]
    assert len({tuple(draft.edits.items()) for draft in drafts}) == 20


def test_slack_bought_by_one_proposal_is_spent_by_the_next():
    lab = laboratory("gpt")
    parent = lab.trunk
    steps = "scale 3e-4 -> 2.4e-3", "train.py: learning_rate"
    lab.tell(Proposal("p1", "search", parent, "t1", "faster learning", Forecast(0.3, 1.0), *steps))
    lab.tell(Trial("p1.race", "race", "t1", 1, "hidden", "ok", lab.cost, {"val_loss": 0.8 * lab.limit}, proposal="p1"))
    lab.tell(Decision("p1", "t1", parent, "discard", "race", "no gain"))
    drafts = [lab.agent.propose(lab.brief(n)) for n in range(12)]
    spending = [draft for draft in drafts if draft.basis == "p1"]
    assert spending
    assert all("train.py: learning_rate" in draft.place for draft in spending)
    assert all("spending the slack of p1" in draft.hypothesis for draft in spending)


@pytest.mark.parametrize(("text", "least"), [("x = 5\n", 700), ("x = 0.3\n", 700), ("x = 1e-3\n", 700)])
def test_a_single_constant_never_runs_out_and_what_is_kept_stays_small(text, least):
    lab = constant(text)
    lab.run(least)
    assert len(lab.drafts) == least
    assert len({draft.edits["a.py"] for draft in lab.drafts}) == least
    history = lab.agent._history
    assert len(history.rows) <= ROWS
    assert len(history.stones) <= STONES
    assert len(history.ideas) == 0
    assert len(history._states) <= 1


def test_nothing_left_is_said():
    lab = constant("x = True\n")
    lab.run(50)
    assert 1 <= len(lab.drafts) < 10
    assert lab.agent.propose(lab.brief(99)) is None
    assert SearchAgent(0, ()).propose(lab.brief(0)) is None
    assert SearchAgent(0, ("other.py",)).propose(lab.brief(0)) is None


def test_noise_without_checks_and_other_languages_are_searched_too():
    lab = Laboratory(Subject({"w.sh": "N=400\nseq 1 400 | wc -l\n"}, {}, lambda _: (1.0, 1.0)), SearchAgent(3, ("*",)))
    lab.tell(msgspec.structs.replace(lab.baseline, limits=(), values={}))
    assert len({lab.agent.propose(lab.brief(n)).edits["w.sh"] for n in range(30)}) == 30


def test_a_change_from_someone_else_moves_the_trunk():
    lab = laboratory("gpt")
    lab.run(5)
    lab.tell(Proposal("h1", "human", lab.trunk, "other", "my idea", Forecast(0.5, 2.0)))
    lab.tell(Landed("h1", "other", "c", "b", "h"))
    lab.trunk = "other"
    lab.files["train.py"] = lab.files["train.py"].replace("print(", "log(")
    draft = lab.agent.propose(lab.brief(6))
    assert draft.parent == "other"
    assert "log(" in {**lab.files, **draft.edits}["train.py"]


def test_records_in_any_order_never_raise():
    lab = laboratory("gpt", 1)
    lab.run(20)
    for seed in range(10):
        agent = SearchAgent(0, ("*.py",))
        records = list(lab.records)
        random.Random(seed).shuffle(records)
        for record in records:
            agent.learn(record)
    odd = msgspec.structs.replace(lab.baseline, limits=(Limit("val_loss", "min", 0.0), Limit("other", "max", -1.0)))
    agent = SearchAgent(0, ("*.py",))
    for record in (lab.records[0], *lab.records[1:5], odd):
        agent.learn(record)
    assert agent.propose(lab.brief(0))


def test_forecasts_are_calibrated_in_the_large():
    forecast, kept = 0.0, 0
    for seed in range(3):
        lab = laboratory("gpt", seed)
        lab.run(60)
        forecast += sum(draft.forecast.probability for draft in lab.drafts)
        kept += len(lab.kept)
    assert kept / 3 < forecast < 3 * kept
