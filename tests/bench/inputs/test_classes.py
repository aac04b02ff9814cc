"""Classes as prompts: what a user may call them, and what is said of a name that there is not."""

import pytest

from denoisebench.bench.errors import UserError
from denoisebench.bench.inputs.classes import class_names, class_number
from denoisebench.bench.inputs.prompts import CLASSES, PromptSet

# As in ImageNet: several names in a label, a name in two labels, two classes of one label.
LABELS = ("tench, Tinca tinca", "goldfish", "crane", "crane", "maillot", "maillot, tank suit")
DIGITS = ("7", "8", "9")


def test_each_class_has_one_name_that_no_other_has():
    assert class_names(LABELS) == ("tench, Tinca tinca", "goldfish", "2", "3", *LABELS[4:])
    assert [class_number(name, LABELS) for name in class_names(LABELS)] == [*range(6)]


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("tench, Tinca tinca", 0),
        ("tench", 0),
        (" TINCA TINCA ", 0),
        ("3", 3),
        ("maillot", 4),  # the whole label of one class, and a part of another's
        ("tank suit", 5),
    ],
)
def test_a_label_a_name_in_it_or_a_number_names_a_class(text, number):
    assert class_number(text, LABELS) == number


def test_a_class_whose_label_is_a_number_has_no_other_number():
    assert [class_number(text, DIGITS) for text in ("7", "9")] == [0, 2]
    with pytest.raises(UserError, match="'0' is no class of the model; give a number from 7 to 9"):
        class_number("0", DIGITS)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("tensch", "'tensch' is no class of the model; did you mean tench?"),
        ("crane", "'crane' names the classes 2, 3; give one of these numbers"),
        (
            "6",
            "give a label such as 'tench, Tinca tinca', 'goldfish', 'crane', or a number up to 5",
        ),
        ("-1", "or a number up to 5"),
    ],
)
def test_what_names_no_class_or_several_is_refused_with_the_cure(text, message):
    with pytest.raises(UserError) as raised:
        class_number(text, LABELS)
    assert message in str(raised.value)


def test_all_classes_come_equally_often_in_an_order_that_more_samples_keep():
    prompts = PromptSet(CLASSES, shuffle=0, classes=LABELS)
    told = prompts.for_pipeline(13)
    assert sorted(told[:6]) == sorted(told[6:12]) == [*range(6)]
    assert told[:6] == told[6:12] == prompts.for_pipeline(6), "then again"
    assert told[12] == told[0]
    assert told[:6] != tuple(range(6)), "few samples are of many kinds"
    assert PromptSet(CLASSES, classes=LABELS).for_pipeline(6) == tuple(range(6))
    assert [LABELS[n] for n in told[:6]] != prompts.first(6), "two share a label"
    assert prompts.count() == 6


def test_a_file_calls_classes_as_it_likes_and_is_one_set(tmp_path):
    one, other = tmp_path / "one.txt", tmp_path / "other.txt"
    one.write_text("goldfish\n0\ntank suit\n")
    other.write_text("1\nTench\n5\n")
    sets = [PromptSet(str(path), classes=LABELS) for path in (one, other)]
    assert [prompts.for_pipeline(4) for prompts in sets] == [(1, 0, 5, 1)] * 2
    assert sets[0].first(2) == ("goldfish", "tench, Tinca tinca")
    assert sets[0].identity() == sets[1].identity()
    assert PromptSet(str(one)).for_pipeline(3) == ("goldfish", "0", "tank suit"), (
        "texts of other models"
    )


def test_a_record_that_names_no_class_is_told_with_its_number(tmp_path):
    path = tmp_path / "names.txt"
    path.write_text("goldfish\ngoldfisch\n")
    with pytest.raises(UserError) as raised:
        PromptSet(str(path), classes=LABELS).first(1)
    assert str(raised.value) == (
        f"prompt file {path}: record 2: 'goldfisch' is no class of the model; did you mean "
        "goldfish?"
    )
