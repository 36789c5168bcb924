import numpy as np
import pytest

from hf_lstm.teachers.teacher_labels import LabelMatch, match_teacher_labels, parse_teacher_labels
from hf_lstm.training.arguments import DataArguments

SINGLE, MULTI = "single_label_classification", "multi_label_classification"
DATA = (["bad", "good"], SINGLE)


def match(names, mapping=None, data=DATA, problem_type=SINGLE) -> LabelMatch:
    return match_teacher_labels((names, problem_type), data, mapping or {}, "me/teacher")


@pytest.mark.parametrize(
    ("names", "mapping", "columns", "note"),
    [
        (["good", "bad"], {}, [1, 0], ""),
        (["GOOD", "bad"], {}, [1, 0], "Labels of the teacher me/teacher: GOOD = good."),
        (["LABEL_0", "LABEL_1"], {"LABEL_0": "good", "LABEL_1": "bad"}, [1, 0], "LABEL_0 = good, LABEL_1 = bad."),
        (["bad", "fine", "great"], {"fine": "good", "great": "good"}, [0, 1, 1], "fine = good, great = good."),
        (["bad", "so-so", "good"], {"so-so": ""}, [0, None, 1], "Labels of the teacher me/teacher: dropped so-so."),
        (["bad", "good"], {"1 star": "bad"}, [0, 1], ""),  # of another teacher
    ],
)
def test_labels_are_matched_by_name_or_mapping(names, mapping, columns, note):
    found = match(names, mapping)
    assert found.columns == columns and found.note.endswith(note) and bool(found.note) == bool(note)


@pytest.mark.parametrize(
    ("names", "mapping"),
    [
        (["LABEL_0", "LABEL_1"], {}),
        (["bad", "good", "so-so"], {}),
        (["bad"], {}),
        (["bad", "great"], {"great": ""}),
        (["bad", "Good", "GOOD"], {}),  # ambiguous without case
    ],
)
def test_labels_without_a_counterpart_are_refused(names, mapping):
    with pytest.raises(ValueError, match=f"me/teacher has the labels {', '.join(names)} .*not the same as bad, good"):
        match(names, mapping)


def test_a_model_whose_labels_have_no_names_may_be_a_sentence_encoder():
    with pytest.raises(ValueError, match="drops one. For a sentence encoder write `encoder:ID`.$"):
        match(["LABEL_0", "LABEL_1"])
    with pytest.raises(ValueError, match="drops one.$"):
        match(["LABEL_0", "good"])


def test_two_labels_that_differ_in_case_are_not_matched_without_it():
    with pytest.raises(ValueError, match="not the same"):
        match(["GOOD", "bad"], data=(["good", "Good", "bad"], SINGLE))


def test_an_unknown_label_of_the_data_lists_the_labels_of_both():
    with pytest.raises(ValueError, match="maps LABEL_0 to 'god'.* labels bad, good, and me/teacher .* LABEL_0"):
        match(["LABEL_0", "LABEL_1"], {"LABEL_0": "god", "LABEL_1": "bad"})


def test_the_problem_type_must_be_the_same():
    with pytest.raises(ValueError, match="needs the problem type of the data"):
        match(["bad", "good"], problem_type=MULTI)


def test_the_outputs_of_regressions_are_matched_by_number():
    found = match_teacher_labels((["LABEL_0"], "regression"), (["stars"], "regression"), {}, "me/teacher")
    np.testing.assert_array_equal(found.convert(np.array([[3.5]]), "regression"), [[3.5]])


def test_probabilities_are_added_and_renormalised():
    found = match(["bad", "fine", "great", "so-so"], {"fine": "good", "great": "good", "so-so": ""})
    predicted = np.array([[0.1, 0.2, 0.2, 0.5], [0.25, 0.25, 0.5, 0.0]])
    np.testing.assert_allclose(found.convert(predicted, SINGLE), [[0.2, 0.8], [0.25, 0.75]])
    several = LabelMatch([0, 0, None, 1], 2).convert(np.array([[0.7, 0.6, 0.9, 0.3]]), MULTI)
    np.testing.assert_allclose(several, [[1, 0.3]])  # a probability is at most 1, and nothing is renormalised


def test_numbers_in_a_mapping_become_names_and_none_drops_a_label():
    mapping = {"LABEL_0": 1, 2: "2", "LABEL_2": None, "LABEL_3": ""}
    expected = {"LABEL_0": "1", "2": "2", "LABEL_2": "", "LABEL_3": ""}
    assert (
        parse_teacher_labels(mapping) == DataArguments(teacher=["a"], teacher_labels=mapping).teacher_labels == expected
    )


@pytest.mark.parametrize("none", [None, False, "no", ["no"], []])
def test_no_teacher_in_each_form(none):
    assert DataArguments(teacher=none).teacher is None
    for option in ({"augment": 1}, {"unlabelled": "file.txt"}):
        with pytest.raises(ValueError, match="require `--teacher`"):
            DataArguments(teacher=none, **option)


def test_mapping_is_parsed():
    assert parse_teacher_labels("LABEL_0=very bad, LABEL_1=good,LABEL_2=") == {
        "LABEL_0": "very bad", "LABEL_1": "good", "LABEL_2": "",
    }  # fmt: skip
    for text in ("LABEL_0", "=good", "a=b,a=c", ""):
        with pytest.raises(ValueError, match="must be like LABEL_0=negative,LABEL_1=positive"):
            parse_teacher_labels(text)
