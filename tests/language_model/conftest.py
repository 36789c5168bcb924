import numpy as np
import pytest
import torch

from hf_lstm import LstmConfig, LstmForCausalLM
from hf_lstm.language_model import NO_LABEL, SPLITS, PackedCorpus, TokenTexts
from hf_lstm.text import train_tokenizer


def saved_files(tokenizer, folder) -> dict[str, str]:
    tokenizer.save_pretrained(folder)
    return {path.name: path.read_text() for path in folder.iterdir()}


@pytest.fixture
def packed_corpus(tmp_path_factory):
    """Builds a packed corpus of texts; by default a third trains, a sixth each validates, has no label, and tests."""

    def build(strings: list[str], splits=None, labels=None) -> PackedCorpus:
        sixth = len(strings) // 6
        if splits is None:
            splits = [0] * 2 * sixth + [1] * sixth + [2] * sixth + [3] * (len(strings) - 4 * sixth)
        if labels is None:
            labels = [NO_LABEL if split == SPLITS.index("unsupervised") else i % 2 for i, split in enumerate(splits)]
        tokenizer = train_tokenizer(strings * 2, "word", 500, show_progress=False)
        rows, seen = [], dict.fromkeys(("train", "unsupervised", "test"), 0)
        for split in splits:
            name = SPLITS[split].replace("validation", "train")
            rows.append(seen[name])
            seen[name] += 1
        return PackedCorpus(
            texts=TokenTexts.tokenize(strings, tokenizer),
            splits=np.array(splits, np.uint8),
            rows=np.array(rows, np.uint32),
            labels=np.array(labels, np.int16),
            shared=np.zeros(len(strings), bool),
            label_names=("neg", "pos"),
            tokenizer_files=saved_files(tokenizer, tmp_path_factory.mktemp("tokenizer")),
            name="generated",
        )

    return build


@pytest.fixture
def make_model():
    """Builds a tiny language model without dropout unless asked."""

    def build(**fields) -> LstmForCausalLM:
        torch.manual_seed(0)
        dropouts = {"embedding_dropout": 0, "input_dropout": 0, "hidden_dropout": 0}
        sizes = {"vocab_size": 40, "embedding_size": 8, "hidden_size": 12, "bidirectional": False}
        return LstmForCausalLM(LstmConfig(**sizes | dropouts | fields))

    return build
