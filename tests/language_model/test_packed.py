import zipfile

import numpy as np
import pytest

from hf_lstm.language_model import NO_LABEL, SPLITS, PackedCorpus, TokenTexts
from hf_lstm.text import train_tokenizer

STRINGS = ["the film was good", "the film was bad", "a long film", "a good film was long", "bad", "the film"]


@pytest.fixture
def packed(packed_corpus):
    return packed_corpus(STRINGS)


def test_written_corpus_is_read_bit_for_bit(packed, tmp_path):
    size = packed.write(tmp_path / "corpus.npz")
    assert size == (tmp_path / "corpus.npz").stat().st_size
    assert [path.name for path in tmp_path.iterdir()] == ["corpus.npz"]
    found = PackedCorpus.read(tmp_path / "corpus.npz")
    for name in ("splits", "rows", "labels", "shared"):
        assert np.array_equal(getattr(found, name), getattr(packed, name)), name
    assert np.array_equal(found.texts.tokens, packed.texts.tokens)
    assert np.array_equal(found.texts.lengths, packed.texts.lengths)
    assert (found.label_names, found.name) == (packed.label_names, packed.name)
    texts = [found.tokenizer()(string)["input_ids"] for string in STRINGS]
    assert texts == [packed.texts[i].tolist() for i in range(len(STRINGS))]


def test_splits_without_the_texts_that_are_shared(packed):
    assert packed.indices("train").tolist() == [0, 1]
    packed.shared[1] = True
    assert packed.indices("train").tolist() == [0, 1] and packed.indices("train", learned_only=True).tolist() == [0]
    learned, validation = packed.language_model_texts()
    assert learned.tolist() == [0, 3] and validation.tolist() == [2]
    assert packed.labels[packed.indices("unsupervised")].tolist() == [NO_LABEL]
    assert SPLITS == ("train", "validation", "unsupervised", "test")


def test_frequent_tokens_take_little_space(packed, tmp_path):
    generator = np.random.default_rng(0)
    tokens = np.minimum(generator.zipf(1.3, 20_000), 9_999).astype(np.uint16)  # 5 bits of entropy each
    tokens[::100] = 2
    texts = TokenTexts(tokens, np.full(200, 100))
    columns = {"splits": np.zeros(200), "rows": np.arange(200), "labels": np.zeros(200), "shared": np.zeros(200)}
    corpus = PackedCorpus(texts, **columns, label_names=("a",), tokenizer_files={}, name="zipf")
    assert corpus.write(tmp_path / "corpus.npz") < 0.9 * 2 * 20_000


def test_corpora_that_cannot_be_packed_are_refused(packed, tmp_path):
    texts = TokenTexts.of([[2, 70_000]])
    with pytest.raises(ValueError, match="below 65,536"):
        PackedCorpus(texts, *[np.zeros(1)] * 4, label_names=(), tokenizer_files={}, name="x").write(tmp_path / "x.npz")
    texts = TokenTexts.of([[2, 7], [3, 7]])
    with pytest.raises(ValueError, match="start with the same token"):
        PackedCorpus(texts, *[np.zeros(2)] * 4, label_names=(), tokenizer_files={}, name="x").write(tmp_path / "x.npz")
    assert not list(tmp_path.iterdir())


def test_other_files_are_refused_by_name(packed, tmp_path):
    with pytest.raises(FileNotFoundError, match="no packed corpus .*missing.npz"):
        PackedCorpus.read(tmp_path / "missing.npz")
    (tmp_path / "text.npz").write_text("a text")
    with pytest.raises(ValueError, match="text.npz is not a packed corpus"):
        PackedCorpus.read(tmp_path / "text.npz")
    np.savez(tmp_path / "other.npz", numbers=np.arange(3))
    with pytest.raises(ValueError, match="other.npz is not a packed corpus"):
        PackedCorpus.read(tmp_path / "other.npz")
    packed.write(tmp_path / "corpus.npz")
    content = (tmp_path / "corpus.npz").read_bytes()
    (tmp_path / "cut.npz").write_bytes(content[: len(content) // 2])
    with pytest.raises(ValueError, match="cut.npz is not a packed corpus"):
        PackedCorpus.read(tmp_path / "cut.npz")


def test_file_is_a_plain_npz(packed, tmp_path):
    packed.write(tmp_path / "corpus.npz")
    with zipfile.ZipFile(tmp_path / "corpus.npz") as archive:
        assert archive.testzip() is None
    assert train_tokenizer(STRINGS, "word", 60, show_progress=False).bos_token_id == packed.texts.tokens[0]
