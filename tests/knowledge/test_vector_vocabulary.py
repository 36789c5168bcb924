import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

from hf_lstm.knowledge.vector_vocabulary import read_vocabulary, reduce_dimensions
from hf_lstm.text import is_streamable

TEXTS = ["the film , the plot", "the film xx", "xx yy"]
FILE = "The 9 9\nfilm 3 0\nnew york 9 9\nthe 0 4\nbook 1 1\nplot 0 0.5\nscene 2 2\nfilm 7 7\n"
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]


@pytest.fixture
def file(tmp_path):
    (tmp_path / "words.txt").write_text(FILE)
    return str(tmp_path / "words.txt")


def tokens_of(vocabulary):
    return vocabulary.tokenizer.convert_ids_to_tokens(list(range(len(vocabulary.tokenizer))))


def test_words_of_the_texts_come_first_and_those_of_the_source_follow(file):
    vocabulary = read_vocabulary(file, TEXTS)
    # "yy" and "," occur once and have no vector; "xx" occurs twice.
    assert tokens_of(vocabulary) == [*SPECIAL, "the", "film", "xx", "plot", "book", "scene"]
    assert is_streamable(vocabulary.tokenizer)
    vectors = np.array([[0, 4], [3, 0], [0, 0], [0, 0.5], [1, 1], [2, 2]])
    scale = np.sqrt(np.square(vectors[[0, 1, 3, 4, 5]]).mean())
    np.testing.assert_allclose(vocabulary.vectors, np.concatenate([np.zeros((4, 2)), vectors / scale]), rtol=1e-6)
    # 3 + 2 + 1 of 10 tokens have a vector.
    assert vocabulary.notes[0] == (
        f"Vectors from {file} (2 dimensions): 3 of 6 training words have one (60.0% of the tokens); added 2 words of "
        "the source that no training text has; left out 2 entries that the tokenizer never produces."
    )
    assert vocabulary.notes[1] == ("Random initial vectors: 1 word. Unknown ([UNK]): 2 training words.")
    assert file in vocabulary.notes[2] and "licence" in vocabulary.notes[2]


def test_vocabulary_is_limited(file):
    assert tokens_of(read_vocabulary(file, TEXTS, vocab_size=9)) == [*SPECIAL, "the", "film", "xx", "plot", "book"]
    assert tokens_of(read_vocabulary(file, TEXTS, vocab_size=8)) == [*SPECIAL, "the", "film", "xx", "plot"]
    with pytest.raises(ValueError, match="vocab_size=7 is too small: it must be at least 8"):
        read_vocabulary(file, TEXTS, vocab_size=7)


def test_case_is_kept_on_request(file):
    assert "The" in tokens_of(read_vocabulary(file, TEXTS, lowercase=False))


def test_sources_that_do_not_fit(file):
    with pytest.raises(ValueError, match=r"`embedding_size` is 3, but the vectors of .* have only 2 dimensions"):
        read_vocabulary(file, TEXTS, dimension=3)
    with pytest.raises(ValueError, match="No word of the training texts has a vector in"):
        read_vocabulary(file, ["zz yy"] * 2)
    with pytest.raises(ValueError, match="has no WordPiece tokenizer"):
        read_vocabulary(file, TEXTS, "wordpiece")


PIECES = [*SPECIAL, "[MASK]", "the", "f", "i", "l", "m", "##i", "##l", "##m", "##f", "film", "##s", "un", "##seen"]


@pytest.fixture
def static(tmp_path):
    """A static model with a WordPiece tokenizer and the vector [id, 1] of each token."""
    tokenizer = Tokenizer(models.WordPiece({piece: i for i, piece in enumerate(PIECES)}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(strip_accents=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.add_special_tokens([*SPECIAL, "[MASK]"])
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    table = torch.stack([torch.arange(len(PIECES)), torch.ones(len(PIECES))], dim=1)
    save_file({"embeddings": table.float()}, tmp_path / "model.safetensors")
    return str(tmp_path)


def test_subwords_of_the_source(static):
    vocabulary = read_vocabulary(static, ["the films film", "the fílm é é"], "wordpiece")
    tokenizer = vocabulary.tokenizer
    assert type(tokenizer.backend_tokenizer.model).__name__ == "WordPiece" and is_streamable(tokenizer)
    assert not {"[MASK]", "í"} & set(tokens_of(vocabulary)) and {"un", "##seen", "é"} <= set(tokens_of(vocabulary))
    assert tokenizer.tokenize("unseen films") == ["un", "##seen", "film", "##s"]
    vector = {token: vocabulary.vectors[i] for i, token in enumerate(tokens_of(vocabulary))}
    for token in ("un", "##seen"):
        assert vector[token][0] / vector[token][1] == pytest.approx(PIECES.index(token))
    assert not vector["é"].any() and len(vocabulary.vectors) == len(tokenizer)
    # Of five words, "fílm" occurs once, and "é" twice but without a vector.
    assert "3 of 5 training words have one (57.1% of the tokens)" in vocabulary.notes[0]


def test_characters_are_kept_when_subwords_are_left_out(static):
    vocabulary = read_vocabulary(static, ["the film"] * 2, "wordpiece", vocab_size=20)
    assert {"f", "##i", "##l", "##m"} <= set(tokens_of(vocabulary)) and len(vocabulary.tokenizer) <= 20
    assert vocabulary.tokenizer.tokenize("fill") == ["f", "##i", "##l", "##l"]


def test_words_without_a_vector_have_the_mean_of_their_subwords(static):
    vocabulary = read_vocabulary(static, ["the films films unseen"], "word")
    vector = {token: vocabulary.vectors[i] for i, token in enumerate(tokens_of(vocabulary))}
    for word, parts in {"films": ("film", "##s"), "unseen": ("un", "##seen"), "film": ("film",)}.items():
        assert vector[word][0] / vector[word][1] == pytest.approx(np.mean([PIECES.index(part) for part in parts]))
    assert "f" in vector and "##s" not in vector


def test_principal_components_are_those_of_a_singular_value_decomposition():
    vectors = np.random.default_rng(0).normal(size=(50, 6)) * [5, 1, 4, 0.1, 2, 3] + 7
    reduced, kept = reduce_dimensions(vectors.astype(np.float32), 3)
    left, values, _ = np.linalg.svd(vectors - vectors.mean(0), full_matrices=False)
    np.testing.assert_allclose(reduced @ reduced.T, (left * values**2)[:, :3] @ left[:, :3].T, rtol=1e-3, atol=1e-2)
    assert kept == pytest.approx((values[:3] ** 2).sum() / (values**2).sum())


def test_reduction_is_reported(tmp_path):
    (tmp_path / "a.txt").write_text("the 1 0 0\nfilm 0 2 0\nbook 1 1 0\n")
    vocabulary = read_vocabulary(str(tmp_path / "a.txt"), ["the film"], dimension=2)
    assert vocabulary.vectors.shape == (7, 2)
    assert vocabulary.notes[-1] == "PCA from 3 to 2 dimensions keeps 100.0% of the variance."
    assert np.square(vocabulary.vectors[4:]).mean() == pytest.approx(1)
