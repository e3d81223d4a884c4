"""What is called collapsed: swapped questions, one letter, repeated n-grams; the strict thresholds."""

import pytest

from benchmarks import collapse
from benchmarks.answered import kind_of, shares


def test_swapping_leaves_no_question_in_place():
    facts = ["a", "b", "c", "a", "d", "e"]
    asked = [f"{fact} {number}" for number, fact in enumerate(facts)]
    turned = collapse.swapped(asked, facts)
    assert sorted(turned) == sorted(asked)
    assert all(new[0] != old[0] for new, old in zip(turned, asked, strict=True))
    with pytest.raises(SystemExit, match="too many are about one fact"):
        collapse.swapped(["u", "v", "w", "x"], ["a", "a", "a", "b"])


def test_collapse_sample_is_fixed_and_taken_from_all_questions():
    asked = [f"question {number}" for number in range(600)]
    kept = collapse.sample(asked)
    assert len(kept) == 128 and max(kept) > 500 and min(kept) < 100
    again = collapse.sample(asked[::-1])
    assert {asked[::-1][index] for index in again} == {asked[index] for index in kept}
    assert collapse.sample(asked[:5]) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(
    ("text", "score", "kind"),
    [("Oslo", 1.0, "right"), ("I don't know, perhaps Oslo", 1.0, "right"), ("Oslo", 0.4, "other"), ("", 0.0, "empty"),
     (" ...", 0.0, "empty"), ("I don’t know.", 0.0, "refusing"), ("As an AI model", 0.0, "refusing"),
     ("i cannot say", 0.0, "refusing"), ("Alas an airman", 0.0, "other"), ("Unknownia", 0.0, "other")],
)  # fmt: skip
def test_kinds_of_replies(text, score, kind):
    assert kind_of(text, [1, 2, 3], score) == kind


def test_shares_of_replies():
    assert kind_of("so so so", [7, 7, 7], 0.0) == "repeating" and kind_of("so so so", [7, 7, 7], 0.5) == "right"
    own = shares(["right", "empty", "right", "other"])
    assert own == {"right": 0.5, "other": 0.25, "empty": 0.25, "repeating": 0.0, "refusing": 0.0}


@pytest.mark.parametrize(
    ("tokens", "repeating"),
    [([1, 1, 1], True), ([1, 2, 1, 2, 1], False), ([9, 1, 2, 1, 2, 1, 2], True), ([1, 1, 2, 1], False), ([], False),
     ([1, 2, 3, 4] * 3, True), ([1, 2, 3, 4, 5] * 3, False), ([1, 2, 3, 4] * 2, False)],
)  # fmt: skip
def test_repeated_ngrams(tokens, repeating):
    assert collapse.repeats(tokens) == repeating


def test_thresholds_are_strict():
    assert collapse.letters_collapse([0] * 9 + [1])[1] is None
    assert collapse.letters_collapse([0] * 19 + [1])[1] is not None
    assert collapse.swap_collapse([0] * 10, [0] * 9 + [1])[1] is None
    assert collapse.generation_collapse(["a", "b"], [[1, 1, 1], [1]])[1] == []
    assert len(collapse.generation_collapse(["a", "b", "c"], [[1, 1, 1], [2, 2, 2], [1]])[1]) == 1
