import bz2
import gzip
import lzma
import zipfile

import numpy as np
import pytest

from hf_lstm.knowledge.vector_files import VectorFile, read_vector_file

LINES = "good 1 2.5\nbad -1 3e-1\n. . . 7 8\nfilm 0.5 0\n"
WRITERS = {"gz": gzip.open, "bz2": bz2.open, "xz": lzma.open, "txt": open}


def read_all(path):
    return read_vector_file(str(path), lambda words: [True] * len(words))


@pytest.mark.parametrize("text", [LINES, f"4 2\n{LINES}", LINES.replace("\n", " \r\n") + "\n"])
def test_words_and_numbers_of_each_format(tmp_path, text):
    (tmp_path / "a.vec").write_text(text, newline="")
    words, vectors = read_all(tmp_path / "a.vec")
    assert words == ["good", "bad", ". . .", "film"]
    np.testing.assert_allclose(vectors, [[1, 2.5], [-1, 0.3], [7, 8], [0.5, 0]], rtol=1e-6)
    assert vectors.dtype == np.float32


@pytest.mark.parametrize("suffix", [*WRITERS, "zip"])
def test_compressed_files(tmp_path, suffix):
    path = tmp_path / f"vectors.txt.{suffix}"
    if suffix == "zip":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("vectors.txt", LINES)
    else:
        with WRITERS[suffix](path, "wt") as file:
            file.write(LINES)
    assert read_all(path)[0] == ["good", "bad", ". . .", "film"]


def test_only_selected_lines_are_converted(tmp_path):
    (tmp_path / "a.txt").write_text("good 1 2\nbad x y\n")
    words, vectors = read_vector_file(str(tmp_path / "a.txt"), lambda words: [word == "good" for word in words])
    assert words == ["good"] and vectors.tolist() == [[1, 2]]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not a text file of word vectors"),
        (b"a line of plain text\n", "not a text file of word vectors"),
        (b"good 1 2\nbad 3\n", "line 2: expected a word and 2 numbers"),
        (b"good 1 2\nbad 3 x\n", "line 2: expected a word and 2 numbers"),
        (b"good 1 2\nbad 3 nan\n", "line 2: expected a word and 2 numbers"),
        (b"2 3\ngood \x00\x01\x02\n", "line 2: expected a word and 3 numbers. The file is damaged, or in a binary"),
    ],
)
def test_files_that_cannot_be_read(tmp_path, content, message):
    (tmp_path / "a.txt").write_bytes(content)
    with pytest.raises(ValueError, match=message):
        read_all(tmp_path / "a.txt")


def test_a_damaged_compressed_file_is_one_sentence(tmp_path):
    whole = gzip.compress(LINES.encode() * 1000)
    (tmp_path / "a.txt.gz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match=r"a\.txt\.gz could not be read"):
        read_all(tmp_path / "a.txt.gz")


def test_wanted_words_and_the_first_others_are_kept(tmp_path):
    lines = ["The 0 0", "the 1 1", "new york 2 2", "a 3 3", "the 4 4", "film 5 5", "it's 6 6", "u.s. 7 7", "late 8 8"]
    (tmp_path / "a.txt").write_text("\n".join(lines))
    source = VectorFile(str(tmp_path / "a.txt"))
    # "The" is not in lower case, and two entries are several words. The second "the" is a duplicate.
    assert source.read({"late", "absent"}, others=2, lowercase=True) == (["the", "a", "late"], 3)
    assert source.has(["late", "film", "absent", "the"]).tolist() == [True, False, False, True]
    assert source.embed(["the", "absent", "late"]).tolist() == [[1, 1], [0, 0], [8, 8]]
    assert VectorFile(str(tmp_path / "a.txt")).read(set(), others=9, lowercase=False)[0][0] == "The"


def test_a_contraction_without_a_vector_gets_the_mean_of_its_parts(tmp_path):
    (tmp_path / "a.txt").write_text("do 1 2\nn't 3 4\nit 5 6\n's 7 8\no'clock 9 9\nca 1 1\n")
    source = VectorFile(str(tmp_path / "a.txt"))
    words = ["don't", "it's", "o'clock", "can't", "y'all"]
    found, left_out = source.read(words, 0, lowercase=True)
    assert set(found) == {"do", "n't", "it", "o'clock", "ca"} and left_out == 1  # no text has 's as a word
    assert source.has(words).tolist() == [True, True, True, True, False]
    assert source.embed(words).tolist() == [[2, 3], [6, 7], [9, 9], [2, 2.5], [0, 0]]
