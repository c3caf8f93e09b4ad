"""Settling: any JSON becomes the nearest legal state, and it is said what was not taken."""

import numpy as np
import pytest

from cnnlib.widgets.settling import Said, Settling, is_whole, plain, same


def settle(changes, present, *steps):
    """A settling whose steps are (method, arguments...), done."""
    s = Settling(changes, present)
    for method, *arguments in steps:
        getattr(s, method)(*arguments)
    return s.done()


@pytest.mark.parametrize(
    ("asked", "becomes"),
    [(0, 2), (2, 2), (5, 5), (9, 9), (10, 9), (10**30, 9), (-1, 2), (7.0, 7), (2.5, 4), (True, 4)]
    + [("5", 4), (None, 4), ([5], 4), ({}, 4), (float("nan"), 4), (float("inf"), 4)],
)
def test_a_whole_number_is_the_nearest_or_stays(asked, becomes):
    state, said = settle({"n": asked}, {"n": 4}, ("whole", "n", 2, 9))
    assert state == {"n": becomes} and type(state["n"]) is int
    taken = type(asked) in (int, float) and asked == becomes
    assert said == ({} if taken else {"n": Said("kit.whole", {"least": 2, "most": 9})})


def test_what_is_not_asked_for_follows_in_silence():
    assert settle({}, {"n": 12}, ("whole", "n", 2, 9)) == ({"n": 9}, {})
    assert settle({}, {"at": [5, 7]}, ("place", "at", [3, 4])) == ({"at": [2, 3]}, {})
    assert settle({}, {"way": "old"}, ("one_of", "way", ["a", "b"])) == ({"way": "a"}, {})


@pytest.mark.parametrize("asked", [0, 1, "true", None, [], 1.0])
def test_a_flag_is_true_or_false_and_nothing_like_it(asked):
    state, said = settle({"on": asked}, {"on": True}, ("flag", "on"))
    assert (state, said) == ({"on": True}, {"on": Said("kit.flag", {})})
    assert settle({"on": False}, {"on": True}, ("flag", "on")) == ({"on": False}, {})


@pytest.mark.parametrize(
    ("options", "asked", "becomes", "listed"),
    [
        (["a", "b"], "b", "b", None),
        (["a", "b"], "c", "a", "a, b"),
        (["a", "b"], ["b"], "a", "a, b"),
        ([1, 2, None], None, None, None),
        ([1, 2, None], True, 1, "1, 2, null"),
        ([[1, 2], [3]], (3,), [3], None),
        ([[1, 2], [3]], [2, 1], [1, 2], "[1,2], [3]"),
        ([True, 0.5], 1, True, "true, 0.5"),
    ],
)
def test_one_of_several_stays_or_is_the_first(options, asked, becomes, listed):
    state, said = settle({"way": asked}, {"way": options[0]}, ("one_of", "way", options))
    assert same(state["way"], becomes)
    assert said == ({} if listed is None else {"way": Said("kit.one_of", {"options": listed})})


@pytest.mark.parametrize(
    ("asked", "becomes"),
    [([1, 2], [1, 2]), ([3, -1], [2, 0]), ([0, 9.0], [0, 3]), ([1], [2, 1]), ([1, 2, 0], [2, 1])]
    + [([1, "2"], [2, 1]), ([True, 0], [2, 1]), (None, [2, 1]), ("11", [2, 1])],
)
def test_a_place_is_the_nearest_of_its_grid_or_stays(asked, becomes):
    state, said = settle({"at": asked}, {"at": [2, 1]}, ("place", "at", [3, 4]))
    assert state == {"at": becomes}
    assert said == ({} if asked == becomes else {"at": Said("kit.place", {"sizes": "3 × 4"})})


def test_a_place_of_another_number_of_axes_keeps_what_it_can():
    assert settle({}, {"at": [5, 7]}, ("place", "at", [9])) == ({"at": [5]}, {})
    assert settle({}, {"at": [5]}, ("place", "at", [9, 9])) == ({"at": [5, 0]}, {})


@pytest.mark.parametrize(
    ("changes", "holds", "listed"),
    [
        ({"preset": "edge"}, {"kernel": 3}, None),
        ({"preset": ""}, None, None),
        ({}, None, None),
        ({"preset": "other"}, None, "edge, blur"),
        ({"preset": None}, None, "edge, blur"),
        ({"preset": ["edge"]}, None, "edge, blur"),
        ({"preset": 0}, None, "edge, blur"),
    ],
)
def test_a_preset_gives_what_it_holds_or_is_said_to_be_unknown(changes, holds, listed):
    s = Settling(changes, {"preset": "blur"})
    assert s.preset({"edge": {"kernel": 3}, "blur": {"kernel": 5}}) == holds
    said = s.done().said
    if listed:
        assert said == {"preset": Said("kit.one_of", {"options": listed})}
    else:
        assert said.keys() <= {"preset"} and "kit.one_of" not in {why.key for why in said.values()}


def test_unknown_names_are_said_and_change_nothing():
    present = {"b": 1, "a": 2}
    state, said = settle({"c": 1, "__class__": 2}, present)
    assert state == present
    assert said == dict.fromkeys(["c", "__class__"], Said("kit.unknown", {"names": "a, b"}))


def test_the_first_reason_counts_and_only_for_what_was_asked():
    s = Settling({"a": 1}, {"a": 0, "b": 0})
    s.refuse("a", "first", n=1)
    s.refuse("a", "second")
    s.refuse("b", "third")
    assert s.done().said == {"a": Said("first", {"n": 1})}


def test_what_is_asked_for_and_not_taken_gives_way():
    s = Settling({"a": 1, "b": 1}, {"a": 0, "b": 0})
    assert s.asks("a") and s.wanted("a") == 1
    s.take("a", 1)
    s.take("b", 5)
    assert s.done() == ({"a": 1, "b": 5}, {"b": Said("kit.gives_way", {})})


def test_the_present_state_is_left_alone():
    present = {"a": [1, 2]}
    settle({"a": [2, 3]}, present, ("place", "a", [9, 9]))
    assert present == {"a": [1, 2]}


@pytest.mark.parametrize(
    ("value", "becomes"),
    [
        (3.0, 3),
        (-0.0, 0),
        (0.5, 0.5),
        (True, True),
        ((1, (2.0,)), [1, [2]]),
        (np.int64(4), 4),
        (np.array([[1.0, 0.5]]), [[1, 0.5]]),
        ({1: (2.0,)}, {"1": [2]}),
        (float("inf"), float("inf")),
    ],
)
def test_values_are_plain_as_javascript_has_them(value, becomes):
    assert same(plain(value), becomes)


def test_whole_numbers_and_equality_tell_true_from_one():
    assert [is_whole(value) for value in (1, True, 1.5, "1", None)] == [True, *[False] * 4]
    assert same([1, "a", None], [1, "a", None])
    for one, other in [(1, True), (0, False), ("1", 1), ([], {}), (None, "null"), ([1, 2], [2, 1])]:
        assert not same(one, other)
