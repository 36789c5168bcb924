import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from helpers import OPINIONS
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

from hf_lstm import train_classifier

ROOT = Path(__file__).parents[1]


@pytest.fixture
def encoder(tmp_path) -> Path:
    """A BERT with one small layer and the words of the texts."""
    words = sorted({word for text in OPINIONS for word in text.split()})
    vocabulary = {word: i for i, word in enumerate(["[PAD]", "[UNK]", *words])}
    backend = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    backend.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend, pad_token="[PAD]", unk_token="[UNK]")
    tokenizer.save_pretrained(tmp_path / "encoder")
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    BertModel(BertConfig(vocab_size=len(vocabulary), **sizes)).save_pretrained(tmp_path / "encoder")
    return tmp_path / "encoder"


@pytest.mark.slow
def test_the_fine_tuned_encoder_teaches(encoder, tmp_path, capsys):
    labels = ["positive" if "good" in text else "negative" for text in OPINIONS]
    table = pd.DataFrame({"text": OPINIONS, "label": labels})
    table.to_csv(tmp_path / "opinions.csv", index=False)
    options = {"encoder": encoder, "dataset": tmp_path / "opinions.csv", "output_dir": tmp_path / "teacher"}
    options |= {"learning_rate": 0.01, "num_train_epochs": 2}
    words = [str(word) for name, value in options.items() for word in (f"--{name}", value)]
    subprocess.run([sys.executable, str(ROOT / "scripts" / "fine_tune_encoder.py"), *words], check=True)
    assert not list((tmp_path / "teacher").glob("checkpoint-*"))
    train_classifier(
        table, output_dir=tmp_path / "student", teacher=str(tmp_path / "teacher"), num_train_epochs=1, hidden_size=8
    )
    # One word decides, so two epochs are enough.
    assert f"Teacher {tmp_path / 'teacher'}: accuracy 1.000 on" in capsys.readouterr().out
