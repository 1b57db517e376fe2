"""Records have one encoding, and a chain of them hides nothing."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.core.chain import GENESIS, Head, entry_hash, link, walk
from holdfast.core.codec import decode, digest, encode
from holdfast.core.errors import LedgerError
from holdfast.core.records import AgentSpent, Entry, Forecast, Proposal, SessionEnded, Trial

finite = st.floats(allow_nan=False, allow_infinity=False)
words = st.text(max_size=20)
trials = st.builds(
    Trial,
    id=words,
    role=st.sampled_from(["baseline", "race", "confirm", "claim"]),
    tree=words,
    seed=st.integers(0, 2**31),
    split=words,
    outcome=st.sampled_from(["ok", "wrong", "crashed"]),
    score=st.none() | finite,
    values=st.dictionaries(words, finite, max_size=3),
)
proposals = st.builds(
    Proposal,
    id=words,
    agent=words,
    parent=words,
    tree=words,
    hypothesis=words,
    forecast=st.builds(Forecast, probability=finite, effect=finite),
)
records = (
    trials | proposals | st.builds(AgentSpent, agent=words, trunk=words) | st.builds(SessionEnded, st.just("failed"))
)
chains = st.lists(st.tuples(records, st.floats(0, 2e9)), min_size=1, max_size=8)


def build(items):
    head, bodies = Head(), []
    for record, at in items:
        _, body, head = link(head, "run", at, record)
        bodies.append(body)
    return bodies, head


@given(records)
def test_encode_and_decode_are_inverse(record):
    entry = Entry(1, "run", 0.5, GENESIS, record)
    assert decode(encode(entry), Entry) == entry
    assert encode(decode(encode(entry), Entry)) == encode(entry)


@given(chains)
def test_a_chain_walks_to_its_head(items):
    bodies, head = build(items)
    steps = list(walk(bodies))
    assert steps[-1][1] == head
    assert entry_hash(steps[-1][0]) == head.hash == digest(bodies[-1])


@given(chains, st.data())
def test_any_changed_byte_is_found(items, data):
    bodies, head = build(items)
    which = data.draw(st.integers(0, len(bodies) - 1))
    where = data.draw(st.integers(0, len(bodies[which]) - 1))
    flip = data.draw(st.integers(1, 255))
    broken = bytearray(bodies[which])
    broken[where] ^= flip
    bodies[which] = bytes(broken)
    if which < len(bodies) - 1:
        with pytest.raises(LedgerError, match=f"record ({which + 1}|{which + 2}) "):
            list(walk(bodies))
        return
    try:
        end = [head_after for _, head_after in walk(bodies)][-1]
    except LedgerError:
        return
    assert end != head, "a valid last record with another hash: the witnessed head tells"


@given(chains, st.data())
def test_a_missing_or_moved_record_is_found(items, data):
    bodies, _ = build(items)
    which = data.draw(st.integers(0, len(bodies) - 1))
    if which < len(bodies) - 1:
        with pytest.raises(LedgerError, match="record"):
            list(walk(bodies[:which] + bodies[which + 1 :]))


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_no_record_holds_what_is_not_a_number(number):
    with pytest.raises(ValueError, match="finite"):
        encode(Trial("a", "race", "t", 1, "hidden", "ok", number))
    with pytest.raises(ValueError, match="finite"):
        encode(Trial("a", "race", "t", 1, "hidden", "ok", 1.0, {"loss": number}))


def test_a_record_of_a_newer_version_is_named():
    body = encode(Entry(1, "run", 0.0, GENESIS, AgentSpent("a", "t"))).replace(b"agent-spent/1", b"agent-spent/9")
    with pytest.raises(LedgerError, match="record 1"):
        list(walk([body]))
