import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from hf_lstm.knowledge import vector_sources
from hf_lstm.knowledge.vector_files import VectorFile
from hf_lstm.knowledge.vector_sources import Encoder, SubwordVectors, open_source

PIECES = [
    "[PAD]",
    "[unused1]",
    "[UNK]",
    "[CLS]",
    "[SEP]",
    "good",
    "##ing",
    "Film",
    "film",
    "##s",
    "s",
    "##!",
    "!",
    "##'",
]


def wordpiece() -> Tokenizer:
    tokenizer = Tokenizer(models.WordPiece({piece: i for i, piece in enumerate(PIECES)}, unk_token="[UNK]"))
    tokenizer.normalizer, tokenizer.pre_tokenizer = normalizers.BertNormalizer(), pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    tokenizer.add_special_tokens(["[PAD]", "[UNK]", "[CLS]", "[SEP]"])
    tokenizer.enable_padding(length=9)
    return tokenizer


def byte_level() -> Tokenizer:
    """A tokenizer in which words within a text start with a space, as in GPT-2."""
    letters = {letter: i for i, letter in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}
    merges = [("g", "o"), ("Ġ", "go"), ("Ġ", "a"), ("Ġ", "e"), ("Ġ", "1"), ("Ġ", ".")]
    vocabulary = letters | {a + b: len(letters) + i for i, (a, b) in enumerate(merges)}
    tokenizer = Tokenizer(models.BPE(vocabulary, merges))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def first_ids(sequences) -> np.ndarray:
    """A model whose vector of a sequence is its first id and its length."""
    return np.array([[sequence[0] if sequence else 0, len(sequence)] for sequence in sequences], dtype=np.float32)


def test_words_of_a_wordpiece_vocabulary():
    source = SubwordVectors(wordpiece(), first_ids)
    assert source.is_wordpiece
    # Of ten entries that are not special, "Film" has the wrong case, and [unused1] and four others are no words.
    assert source.read({"film"}, others=9, lowercase=True) == (["good", "film", "s", "!"], 6)
    assert source.read({"film"}, others=1, lowercase=True)[0] == ["good", "film"]
    assert source.has(["films", "xyz"]).tolist() == [True, False]
    assert source.embed(["films", "good", "xyz"]).tolist() == [[8, 2], [5, 1], [0, 0]]


def test_subwords_of_a_wordpiece_vocabulary():
    source = SubwordVectors(wordpiece(), first_ids)
    pieces = ["good", "##ing", "film", "##s", "s", "##!", "!", "##'"]
    assert source.read_pieces(lowercase=True) == (pieces, 2)
    assert source.read_pieces(lowercase=False) == (sorted([*pieces, "Film"], key=PIECES.index), 1)
    # "##film" is not an entry: it has the vector of "film".
    assert source.embed_pieces(["##ing", "##film"]).tolist() == [[6, 1], [8, 1]]


def test_words_of_a_tokenizer_of_bytes_start_with_a_space():
    source = SubwordVectors(byte_level(), first_ids)
    assert not source.is_wordpiece
    assert source.read(set(), others=9, lowercase=True)[0] == ["go", "a", "e", "1", "."]
    assert source.embed(["go"])[0, 1] == 1


def test_the_kind_of_a_source_is_found(tmp_path):
    (tmp_path / "a.txt").write_text("good 1 2\n")
    assert isinstance(open_source(str(tmp_path / "a.txt")), VectorFile)
    save_file({"embeddings": torch.ones(len(PIECES), 2)}, tmp_path / "model.safetensors")
    wordpiece().save(str(tmp_path / "tokenizer.json"))
    source = open_source(str(tmp_path))
    assert isinstance(source, SubwordVectors)


@pytest.mark.parametrize("source", ["./absent", "absent.vec", "~/absent", "/absent/folder"])
def test_a_missing_file_or_folder(source):
    with pytest.raises(FileNotFoundError, match=f"There is no file or folder {source}"):
        open_source(source)


def test_a_model_that_is_not_on_the_hub():
    with pytest.raises(
        OSError, match="owner/absent is not a file or folder, and the Hub has no such model or cannot be"
    ):
        open_source("owner/absent")


class Recorder(torch.nn.Module):
    """An encoder whose output is the sum of the ids in a batch row, and the number of real tokens."""

    device = torch.device("cpu")
    batches = 0

    def forward(self, inputs):
        Recorder.batches += 1
        ids, mask = inputs["input_ids"], inputs["attention_mask"]
        return {"sentence_embedding": torch.stack([(ids * mask).sum(1), mask.sum(1)], dim=1)}


def test_outputs_of_an_encoder_are_cached_by_content(tmp_path, monkeypatch):
    backend = wordpiece()
    from tokenizers.processors import TemplateProcessing

    backend.post_processor = TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 3), ("[SEP]", 4)])
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend, pad_token="[PAD]", unk_token="[UNK]")
    tokenizer.save_pretrained(tmp_path / "model")
    monkeypatch.setattr(vector_sources, "HF_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(vector_sources, "load_encoder", lambda folder, trust_remote_code: Recorder())
    monkeypatch.setattr(Recorder, "batches", 0)

    def embed(sequences):
        return Encoder(tmp_path / "model").embed(sequences).tolist()

    # The ids 3 and 4 of the special tokens are around each sequence.
    assert embed([[5, 6], [], [7]]) == [[18, 4], [0, 0], [14, 3]]
    assert embed([[5, 6], [], [7]]) == [[18, 4], [0, 0], [14, 3]] and Recorder.batches == 1
    assert embed([[5, 6], [7]]) == [[18, 4], [14, 3]] and Recorder.batches == 2
    # The outputs differ between the precisions of two machines.
    monkeypatch.setattr(vector_sources, "fast_dtype", lambda device: torch.float64)
    assert embed([[5, 6], [7]]) == [[18, 4], [14, 3]] and Recorder.batches == 3
    (tmp_path / "model" / "config.json").write_text("{}")
    assert embed([[5, 6], [7]]) == [[18, 4], [14, 3]] and Recorder.batches == 4
    assert len(list((tmp_path / "home" / "hf_lstm" / "vectors").iterdir())) == 4


def test_a_folder_of_files_of_vectors_is_not_a_model(tmp_path):
    (tmp_path / "vectors").mkdir()
    (tmp_path / "vectors" / "a.txt").write_text("good 1 2\n")
    with pytest.raises(FileNotFoundError, match="has no model; for a file of vectors, give the path of the file"):
        open_source(str(tmp_path / "vectors"))
