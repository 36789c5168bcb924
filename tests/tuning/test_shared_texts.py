from dataclasses import replace

from datasets import DatasetDict
from helpers import SIZES, tiny_corpus

from hf_lstm.training import ClassifierTrainingArguments, DataArguments, ModelArguments
from hf_lstm.tuning import shared_texts
from hf_lstm.tuning.search_space import Groups
from hf_lstm.tuning.shared_texts import FOLDS, SharedTexts, validation_corpora


def groups(folder, teacher=None, **model) -> Groups:
    arguments = ModelArguments(**SIZES | model)
    return Groups(DataArguments(teacher=teacher), arguments, ClassifierTrainingArguments(str(folder), seed=1))


def test_folds_contain_every_row_once_and_keep_the_test_split(monkeypatch):
    corpus = tiny_corpus()
    corpus = replace(corpus, splits=DatasetDict(corpus.splits | {"test": corpus.splits["validation"]}))
    parts = validation_corpora(corpus, seed=1)
    held = [text for part in parts for text in part.splits["validation"]["text"]]
    rows = [*corpus.splits["train"]["text"], *corpus.splits["validation"]["text"]]
    assert len(parts) == FOLDS and sorted(held) == sorted(rows)
    for part in parts:
        assert len(part.splits["train"]) + len(part.splits["validation"]) == 60
        assert part.splits["test"] is corpus.splits["test"]
        share = sum(part.splits["validation"]["labels"]) / 20
        assert (
            abs(share - (sum(corpus.splits["train"]["labels"]) + sum(corpus.splits["validation"]["labels"])) / 60)
            < 0.06
        )
    monkeypatch.setattr(shared_texts, "MIN_ROWS", 40)
    assert validation_corpora(corpus, seed=1) == [corpus]


def test_folds_of_scores_are_random():
    assert len(validation_corpora(tiny_corpus("regression"), seed=1)) == FOLDS


def test_trials_with_the_same_tokenizer_share_the_texts(tmp_path):
    corpus = tiny_corpus()
    corpus = replace(corpus, splits=DatasetDict(corpus.splits | {"test": corpus.splits["validation"]}))
    shared = SharedTexts(corpus, ["A note."], tmp_path)
    first, notes = shared.tokenized(groups(tmp_path))
    second, _ = shared.tokenized(groups(tmp_path, cell_type="gru"))
    other, _ = shared.tokenized(groups(tmp_path, tokenizer="wordpiece"))
    assert first.splits is second.splits and first.splits is not other.splits
    assert second.model.cell_type == "gru" and first.model.cell_type is None
    assert notes[0] == "A note." and "Length of the training texts" in notes[1]
    assert set(first.splits) == {"train", "validation"}


def test_teachers_label_once(tmp_path, monkeypatch):
    shared = SharedTexts(tiny_corpus(), [], tmp_path)
    taught, notes = shared.tokenized(groups(tmp_path, ["linear"]))
    assert taught.splits["train"]["labels"][0] != tiny_corpus().splits["train"]["labels"][0]
    assert (shared.soft_labels_folder(groups(tmp_path, ["linear"])) / "taught.parquet").is_file()
    monkeypatch.setattr(shared_texts, "label_unlabelled", None)  # must not be called again
    again, same = shared.tokenized(groups(tmp_path, ["linear"], tokenizer="wordpiece"))
    assert any("linear" in note for note in notes) and any("linear" in note for note in same)
    assert again.splits["train"]["labels"][:] == taught.splits["train"]["labels"][:]
