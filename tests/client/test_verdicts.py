"""A yes, a no, a number, or neither."""

import pytest

from client.verdicts import number_in, yes_or_no


@pytest.mark.parametrize(
    ("answer", "verdict"),
    [
        ("Yes", True),
        ("yes, there is a river.", True),
        ("**No**, the ground is dry.", False),
        ("There are no ships.", False),
        ("None.", False),
        ("No doubt it is a harbour.", None),
        ("Nothing but forest.", None),
        ("There are 7 ponds.", None),
        ("A northern harbour.", None),
        ("", None),
    ],
)
def test_an_answer_is_a_yes_or_a_no_only_when_it_says_so(answer: str, verdict: bool | None) -> None:
    assert yes_or_no(answer) is verdict


@pytest.mark.parametrize(
    ("answer", "number"),
    [
        ("12", 12.0),
        ("About 1,204 trees.", 1204.0),
        ("-3.5 degrees", -3.5),
        ("There are seven ponds.", 7.0),
        ("Band B12 is dark.", None),
        ("Someone stone.", None),
        ("x" * 400 + " 9", None),
        ("", None),
    ],
)
def test_the_first_number_of_an_answer_is_read_in_digits_or_words(answer: str, number: float | None) -> None:
    assert number_in(answer) == number
