"""Names of models and animals in file names."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hebbax.errors import HebbaxError
from hebbax.runs.names import ENDINGS, LONGEST, check_distinct, file_name, name_of

TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)


@given(TEXT)
def test_a_file_name_gives_its_name_back_and_stays_in_its_folder(name):
    made = file_name(name)
    assert name_of(made) == name
    assert not set(made) & set('/\\:*?"<>|$%') - {"%"}
    assert made.isprintable()
    assert not made.startswith((".", " "))
    assert not made.endswith((".", " "))


@given(TEXT, TEXT, st.sampled_from(["", *ENDINGS]), st.sampled_from(["", *ENDINGS]))
def test_two_names_never_share_a_file(one, two, ending, other):
    if (one, ending) != (two, other):
        assert file_name(one) + ending != file_name(two) + other


@pytest.mark.parametrize(
    ("name", "made"),
    [
        ("reward-0.3", "reward-0.3"),
        ("v1.2", "v1.2"),
        ("fly 5", "fly 5"),
        ("théta", "théta"),
        ("a.svi", "a%2Esvi"),
        ("a_curves", "a%5Fcurves"),
        ("../escape", "%2E.%2Fescape"),
        (".hidden", "%2Ehidden"),
        ("..", "%2E%2E"),
        ("a\0b", "a%00b"),
        ("100 %", "100 %25"),
        ("nul.x", "%6Eul.x"),
        ("end.", "end%2E"),
    ],
)
def test_what_stands_in_a_file_name(name, made):
    assert file_name(name) == made


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        (
            "x" * 300,
            f'"{"x" * 40}...": takes 300 bytes in the names of its files, which may have 1 to '
            f"{LONGEST}; give it another name.",
        ),
        (
            "",
            f'"": takes 0 bytes in the names of its files, which may have 1 to {LONGEST}; give it '
            "another name.",
        ),
        ("a\ud800", "'a\\ud800': a name of half a character; rename it."),
    ],
)
def test_what_no_file_can_have_is_refused(name, sentence):
    with pytest.raises(HebbaxError) as error:
        file_name(name)
    assert str(error.value) == sentence


@pytest.mark.parametrize(
    ("names", "sentence"),
    [
        (["a", "b", "a"], "--model: a is given twice; each may stand once."),
        (
            ["Decay", "decay"],
            "--model: Decay and decay would share their files; rename one of them.",
        ),
        (
            ["\N{KELVIN SIGN}", "k"],
            "--model: \N{KELVIN SIGN} and k would share their files; rename one of them.",
        ),
    ],
)
def test_names_that_share_a_file_are_refused(names, sentence):
    with pytest.raises(HebbaxError) as error:
        check_distinct(names, "--model")
    assert str(error.value) == sentence
