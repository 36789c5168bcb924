import pytest

from hf_lstm.teachers.arguments import TeacherArguments


def test_what_only_a_teacher_needs_is_refused_without_one():
    for alone in ({"unlabelled": "texts.txt"}, {"passage_words": 40}):
        with pytest.raises(ValueError, match="require `--teacher`"):
            TeacherArguments(**alone)
        assert TeacherArguments(teacher=["linear"], **alone).teacher == ["linear"]
    with pytest.raises(ValueError, match="`passage_words` must be at least 0, got -1"):
        TeacherArguments(teacher=["linear"], passage_words=-1)


def test_one_teacher_needs_no_list():
    assert TeacherArguments(teacher="linear").teacher == ["linear"]


def test_labels_of_teachers_are_parsed_and_need_one():
    arguments = TeacherArguments(teacher=["me/teacher"], teacher_labels="LABEL_0=bad,LABEL_1=good")
    assert arguments.teacher_labels == {"LABEL_0": "bad", "LABEL_1": "good"}
    assert TeacherArguments(teacher=len, teacher_labels={"a": "b"}).teacher == [len]
    for alone in ({"augment": 1}, {"teacher_labels": "a=b"}):
        with pytest.raises(ValueError, match="`--augment` and `--teacher_labels` require `--teacher`"):
            TeacherArguments(**alone)
