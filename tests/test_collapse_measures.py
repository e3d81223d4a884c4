"""What is called collapsed: swapped questions, one letter, repeated n-grams; the strict thresholds."""

import pytest

from benchmarks import collapse
from benchmarks.halves import half


def test_swapping_leaves_no_question_in_place():
    asked = ["a", "b", "c", "a", "d", "e"]
    turned = collapse.swapped(asked)
    assert sorted(turned) == sorted(asked) and all(new != old for new, old in zip(turned, asked, strict=True))
    with pytest.raises(SystemExit, match="too many of them are equal"):
        collapse.swapped(["a", "a", "a", "b"])


def test_collapse_sample_is_fixed_and_taken_from_the_development_half():
    asked = [f"question {number}" for number in range(600)]
    halves = [half(question) for question in asked]
    kept = collapse.sample(asked, collapse.judged(asked, halves))
    assert len(kept) == 128 and {halves[index] for index in kept} == {"development"}
    fewer = [question for question in asked if half(question) == "development"]
    again = collapse.sample(fewer, collapse.judged(fewer, ["development"] * len(fewer)))
    assert [fewer[index] for index in again] == [asked[index] for index in kept]


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
