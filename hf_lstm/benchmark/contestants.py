"""The models of this package and the alternatives that they are compared with."""

import sys
import tempfile
from typing import Any

import torch
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    DistilBertConfig,
    DistilBertForSequenceClassification,
    PreTrainedModel,
    PreTrainedTokenizerFast,
)

from ..models import LstmConfig, LstmForSequenceClassification
from ..text import clean_text, train_tokenizer
from .timing import Setting

# Tokens that a transformer reads; the rest of a longer text is cut off.
TRANSFORMER_TOKENS = 512


class TextbookClassifier(nn.Module):
    """Embedding, packed `nn.LSTM`, last hidden state, linear layer: the classifier of most tutorials."""

    def __init__(self, vocab_size: int, hidden_size: int, bidirectional: bool):
        super().__init__()
        self.embedding = nn.Embedding(vocab_size, hidden_size, padding_idx=0)
        self.lstm = nn.LSTM(hidden_size, hidden_size, batch_first=True, bidirectional=bidirectional)
        self.classifier = nn.Linear(hidden_size * (2 if bidirectional else 1), 2)

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Return the loss, a scalar, of `input_ids` and `attention_mask` `(batch, seq)` and `labels` `(batch,)`."""
        lengths = attention_mask.sum(1).cpu()  # (batch,)
        embedded = self.embedding(input_ids)  # (batch, seq, hidden)
        packed = pack_padded_sequence(embedded, lengths, batch_first=True, enforce_sorted=False)
        _, (h, _) = self.lstm(packed)  # (directions, batch, hidden)
        logits = self.classifier(h.transpose(0, 1).flatten(1))  # (batch, 2)
        return nn.functional.cross_entropy(logits, labels)


class PlainClassifier(nn.Module):
    """The layers of the default classifier for one text: embedding, `nn.LSTM`, last, largest and mean output, head."""

    def __init__(self, vocab_size: int, bidirectional: bool):
        super().__init__()
        config = LstmConfig()
        self.embedding = nn.Embedding(vocab_size, config.embedding_size)
        self.lstm = nn.LSTM(config.embedding_size, config.hidden_size, batch_first=True, bidirectional=bidirectional)
        self.classifier = nn.Linear(3 * config.hidden_size * (2 if bidirectional else 1), 2)

    def forward(self, input_ids: torch.Tensor) -> torch.Tensor:
        """Return the logits, `(batch, 2)`, of `input_ids` without padding, `(batch, seq)`."""
        outputs, (h, _) = self.lstm(self.embedding(input_ids))  # (batch, seq, hidden), (directions, batch, hidden)
        last = h.transpose(0, 1).flatten(1)  # (batch, hidden)
        return self.classifier(torch.cat([last, outputs.amax(1), outputs.mean(1)], dim=1))


def default_classifier(vocab_size: int, **fields: Any) -> LstmForSequenceClassification:
    """Return the default classifier with random weights, which are as fast as trained ones."""
    return LstmForSequenceClassification(LstmConfig(vocab_size=vocab_size, **fields)).eval()


def comparison_transformers(setting: Setting, vocab_size: int) -> dict[str, PreTrainedModel]:
    """
    Return models in the shape of DistilBERT and MiniLM (6 layers of 384 units), with random weights.

    Args:
        setting: With `smallest`, there is only one tiny model.
        vocab_size: Vocabulary of the tiny model. The others have the 30,522 tokens of the originals.
    """
    if setting.smallest:
        tiny = BertConfig(
            vocab_size=vocab_size, hidden_size=8, num_hidden_layers=1, num_attention_heads=1, intermediate_size=8
        )
        return {"MiniLM-shaped": BertForSequenceClassification(tiny).eval()}
    minilm = BertConfig(
        vocab_size=30_522, hidden_size=384, num_hidden_layers=6, num_attention_heads=12, intermediate_size=1536
    )
    return {
        "DistilBERT-shaped": DistilBertForSequenceClassification(DistilBertConfig()).eval(),
        "MiniLM-shaped": BertForSequenceClassification(minilm).eval(),
    }


def wordpiece_tokenizer(setting: Setting) -> PreTrainedTokenizerFast:
    """Train the tokenizer of the transformers."""
    return train_tokenizer(setting.texts, "wordpiece", 1_000 if setting.smallest else 30_000, show_progress=False)


def linear_model(setting: Setting) -> Pipeline:
    """Train logistic regression on TF-IDF weights of words and word pairs."""
    vectorizer = TfidfVectorizer(ngram_range=(1, 2), min_df=2, sublinear_tf=True)
    return make_pipeline(vectorizer, LogisticRegression()).fit(setting.texts, setting.labels)


def fasttext_line(text: str) -> str:
    """Return a text as the one line that fastText reads."""
    return " ".join(clean_text(text).split())


def fasttext_model(setting: Setting) -> Any:
    """Train a fastText model. Print the reason and return `None` if fastText is missing or its training diverges."""
    try:
        import fasttext
    except ImportError:
        print('fastText is not installed and is skipped. To include it: pip install "hf_lstm[bench]"', file=sys.stderr)
        return None
    with tempfile.NamedTemporaryFile("w", suffix=".txt", encoding="utf-8") as stream:
        for text, label in zip(setting.texts, setting.labels, strict=True):
            stream.write(f"__label__{label} {fasttext_line(text)}\n")
        stream.flush()
        try:
            return fasttext.train_supervised(stream.name, epoch=1, thread=torch.get_num_threads(), verbose=0)
        except RuntimeError as error:
            print(f"fastText failed to train and is skipped: {error}", file=sys.stderr)
            return None
