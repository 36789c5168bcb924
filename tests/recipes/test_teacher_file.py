import numpy as np
import pytest
from datasets import load_dataset

from hf_lstm.recipes.teacher_file import write_teacher_file
from hf_lstm.teachers.teacher_kinds import read_probabilities


def test_teacher_file_has_the_texts_of_the_rows(corpus, teacher, tmp_path):
    path = tmp_path / "out" / "teacher.parquet"
    assert write_teacher_file(teacher, corpus, path) == 4
    rows = load_dataset("parquet", data_files=str(path), split="train", cache_dir=str(tmp_path / "cache"))
    assert rows.column_names == ["text", "neg", "pos"]
    assert rows["text"][:] == ["a good film", "<br />fine\x00", "one", "two"]  # no text of the test split
    np.testing.assert_allclose(rows["pos"][:], [0.9, 0.75, 0.4, 1.0], atol=1e-3)
    np.testing.assert_allclose(np.add(rows["neg"][:], rows["pos"][:]), 1, atol=1e-6)
    # The students' reader accepts it.
    found = read_probabilities(str(path), ["two", "<br />fine\x00"], ["neg", "pos"], "single_label_classification")
    np.testing.assert_allclose(found, [[0, 1], [0.25, 0.75]], atol=1e-3)


def test_file_of_another_corpus_is_refused(corpus, tmp_path):
    table = np.full((4, 2), 0.5, np.float16)
    np.savez(tmp_path / "other.npz", label_names=np.array(["neg", "pos"]), train=table)
    with pytest.raises(ValueError, match="has 4 rows of train, .*imdb has 3"):
        write_teacher_file(str(tmp_path / "other.npz"), corpus, tmp_path / "teacher.parquet")
