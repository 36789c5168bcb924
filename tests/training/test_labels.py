import numpy as np
import pandas as pd
import pytest
import torch
from datasets import ClassLabel, Dataset, DatasetDict, Features, List, Value
from helpers import SIZES, build_classifier, make_classifier, tiny_corpus

from hf_lstm import LstmForSequenceClassification
from hf_lstm.data.corpus import Corpus, load_corpus
from hf_lstm.inference.prediction import predict_texts
from hf_lstm.training.arguments import ModelArguments
from hf_lstm.training.labels import (
    SUSPICIOUS_FILE,
    add_rehearsal,
    copy_head,
    drop_suspicious,
    encode_labels,
    keep_trained_labels,
    name_labels,
    trained_labels,
    weight_names,
)

SINGLE, MULTI = "single_label_classification", "multi_label_classification"


def corpus_of(names: str, problem_type: str = SINGLE, start: int = 0) -> Corpus:
    """Rows `text 0`, `text 1`, ... of each split, one per label and split."""
    names = tuple(names.split())
    if problem_type == SINGLE:
        labels, feature = list(range(len(names))), ClassLabel(names=list(names))
    else:
        labels, feature = np.eye(len(names), dtype=np.float32).tolist(), List(Value("float32"), length=len(names))
    features, splits = Features({"text": Value("string"), "labels": feature}), DatasetDict()
    for number, split in enumerate(("train", "validation", "test")):
        first = start + number * len(names)
        texts = [f"text {i}" for i in range(first, first + len(names))]
        splits[split] = Dataset.from_dict({"text": texts, "labels": labels}, features)
    return Corpus(splits, names, problem_type, ("first note",))


def named_labels(corpus: Corpus, split: str) -> dict:
    """The names of the labels of each text."""
    rows = corpus.splits[split]
    if corpus.problem_type == SINGLE:
        return {text: corpus.label_names[label] for text, label in zip(rows["text"], rows["labels"], strict=True)}
    return {
        text: [name for name, value in zip(corpus.label_names, label, strict=True) if value]
        for text, label in zip(rows["text"], rows["labels"], strict=True)
    }


def make_labelled(names: str, problem_type: str = SINGLE) -> LstmForSequenceClassification:
    labels = dict(enumerate(names.split()))
    ids = {name: i for i, name in labels.items()}
    return make_classifier(num_labels=len(labels), id2label=labels, label2id=ids, problem_type=problem_type)


@pytest.fixture
def save(tmp_path):
    """Save a classifier with these labels, and return its folder."""

    def save_classifier(names: str, problem_type: str = SINGLE) -> str:
        make_labelled(names, problem_type).save_pretrained(tmp_path / "model")
        return str(tmp_path / "model")

    return save_classifier


def test_labels_of_a_saved_model(save, tmp_path):
    folder = save("b a")
    assert trained_labels(folder) == (SINGLE, ("b", "a"))
    assert {"classifier.weight", "classifier.bias", "model.embed_tokens.weight"} <= set(weight_names(folder))
    make_classifier().model.save_pretrained(tmp_path / "backbone")
    assert trained_labels(str(tmp_path / "backbone")) is None


@pytest.mark.parametrize("problem_type", [SINGLE, MULTI])
@pytest.mark.parametrize(
    ("old", "new", "drop", "combined", "sentence"),
    [
        ("a b c", "c b a", False, "a b c", "kept 3 (a, b, c)."),
        ("c a", "a b c d", False, "c a b d", "kept 2 (c, a); added 2 (b, d)."),
        ("c a x", "a b", False, "c a x b", "kept 1 (a); kept without rows in the data 2 (c, x); added 1 (b)."),
        ("c a x", "a b", True, "a b", "kept 1 (a); dropped 2 (c, x); added 1 (b)."),
        ("a b", "x y", False, "a b x y", "kept without rows in the data 2 (a, b); added 2 (x, y)."),
        ("a b", "x y", True, "x y", "dropped 2 (a, b); added 2 (x, y)."),
    ],
)
def test_old_labels_keep_their_order_and_come_first(save, problem_type, old, new, drop, combined, sentence):
    corpus, folder = corpus_of(new, problem_type), save(old, problem_type)
    changed = keep_trained_labels(corpus, folder, drop)
    assert changed.label_names == tuple(combined.split())
    assert changed.notes[:2] == ("first note", f"Labels of {folder}: {sentence}")
    is_forgotten = "without rows" in sentence
    assert [note.startswith("Labels without rows are forgotten") for note in changed.notes[2:]] == [True] * is_forgotten
    for split in ("train", "validation", "test"):
        assert named_labels(changed, split) == named_labels(corpus, split)
    feature = changed.splits["train"].features["labels"]
    assert (feature.names if problem_type == SINGLE else feature.length) == (
        list(changed.label_names) if problem_type == SINGLE else len(changed.label_names)
    )


def test_many_labels_are_counted(save):
    names = [f"label{i:02}" for i in range(25)]
    folder = save("other another")
    note = keep_trained_labels(corpus_of(" ".join(names)), folder).notes[1]
    assert f"added 25 ({', '.join(names[:20])} and 5 more)." in note


def test_another_task_does_not_use_the_head(save, tmp_path):
    corpus, folder = corpus_of("b a"), save("a b c", MULTI)
    changed = keep_trained_labels(corpus, folder)
    assert changed.label_names == ("b", "a")
    assert changed.notes[1] == f"{folder} was trained for {MULTI}, not for {SINGLE}: its head is not used."
    make_classifier().model.save_pretrained(tmp_path / "backbone")
    assert keep_trained_labels(corpus, str(tmp_path / "backbone")) is corpus
    regression = tiny_corpus("regression")
    assert keep_trained_labels(regression, save("score", "regression")) is regression


def test_encoding_keeps_the_label_of_each_text():
    corpus = corpus_of("a b")
    assert encode_labels(corpus, ("a", "b")) is corpus
    assert encode_labels(corpus, ("c", "b", "a")).splits["train"]["labels"][:] == [2, 1]
    multi = encode_labels(corpus_of("a b", MULTI), ("c", "b", "a"))
    assert multi.splits["train"]["labels"][:] == [[0, 0, 1], [0, 1, 0]]


@pytest.mark.parametrize("problem_type", [SINGLE, MULTI])
def test_earlier_rows_are_added_to_train_and_validation(save, problem_type):
    folder = save("a b c", problem_type)
    # The earlier train split has texts 8, 9 and 10, and its validation split 11, 12 and 13.
    corpus, earlier = corpus_of("b d", problem_type), corpus_of("c b a", problem_type, start=8)
    both = add_rehearsal(corpus, earlier, folder, "old.csv")
    assert both.label_names == ("b", "d", "c", "a")
    for split in ("train", "validation"):
        assert named_labels(both, split) == named_labels(corpus, split) | named_labels(earlier, split)
    assert named_labels(both, "test") == named_labels(corpus, "test")
    assert both.notes[1] == "Added 3 rows to train and 3 rows to validation from old.csv (--rehearse), with 3 labels."
    assert keep_trained_labels(both, folder).label_names == ("a", "b", "c", "d")


def test_earlier_rows_with_a_text_of_another_split_are_left_out(save):
    # Texts 2 and 3 are in the new validation split, 4 and 5 in the test split; the earlier data has 3 to 11.
    both = add_rehearsal(corpus_of("b d"), corpus_of("c b a", start=3), save("a b c"), "old.csv")
    assert both.splits["train"]["text"][:] == ["text 0", "text 1"]
    assert both.splits["validation"]["text"][:] == ["text 2", "text 3", "text 6", "text 7", "text 8"]
    assert both.notes[1].endswith("Left out 3 rows whose text is in another split.")


def test_earlier_rows_must_fit_the_model(save, tmp_path):
    with pytest.raises(ValueError, match=r"old.csv .* has labels that .* does not have: x, y. Remove these rows"):
        add_rehearsal(corpus_of("a b"), corpus_of("a x y"), save("a b"), "old.csv")
    with pytest.raises(ValueError, match="same problem type: .* is for single_label_classification, old.csv for multi"):
        add_rehearsal(corpus_of("a b"), corpus_of("a b", MULTI), save("a b"), "old.csv")
    make_classifier().model.save_pretrained(tmp_path / "backbone")
    with pytest.raises(ValueError, match="backbone has no classifier head"):
        add_rehearsal(corpus_of("a b"), corpus_of("a b"), str(tmp_path / "backbone"), "old.csv")


def test_scores_are_rehearsed(save):
    corpus = tiny_corpus("regression")
    rows = Dataset.from_dict(
        {"text": ["new a", "new b"], "labels": [0.5, 1.5]},
        Features({"text": Value("string"), "labels": Value("float32")}),
    )
    earlier = Corpus(DatasetDict(train=rows.select([0]), validation=rows.select([1])), ("rating",), "regression", ())
    both = add_rehearsal(corpus, earlier, save("score", "regression"), "old.csv")
    assert both.splits["train"][-1] == {"text": "new a", "labels": 0.5} and len(both.splits["train"]) == 41


def test_saved_model_predicts_the_same_names_after_its_labels_changed_their_order(tmp_path):
    corpus = tiny_corpus()
    model, tokenizer, *_ = build_classifier(corpus, ModelArguments(**SIZES))
    model.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    other = encode_labels(corpus, ("good", "new", "other"))
    tuned, *_ = build_classifier(other, ModelArguments(pretrained=str(tmp_path)))
    texts = corpus.splits["train"]["text"][:]
    before = predict_texts(LstmForSequenceClassification.from_pretrained(tmp_path).eval(), tokenizer, texts)
    after = predict_texts(tuned.eval(), tokenizer, texts)
    np.testing.assert_allclose(after[:, [2, 0]], before, atol=1e-6)


def test_half_precision_rows_are_copied(save):
    model = make_labelled("b a")
    folder = save("a b")
    saved = LstmForSequenceClassification.from_pretrained(folder)
    saved.half().save_pretrained(folder)
    assert copy_head(model, folder) == 2
    assert torch.equal(model.classifier.weight, saved.classifier.weight.float()[[1, 0]])


def audited(folder, rows):
    folder.mkdir(exist_ok=True)
    pd.DataFrame(rows, columns=["text", "label"]).to_csv(folder / SUSPICIOUS_FILE, index=False)
    return str(folder)


def test_suspicious_rows_are_dropped_from_the_training_rows_only(tmp_path):
    splits = {
        "train": [{"text": "a, film", "label": "good"}] * 2 + [{"text": "null", "label": "bad"}] * 2,
        "validation": [{"text": "a, film", "label": "good"}, {"text": "a book", "label": "bad"}],
    }
    corpus = load_corpus(splits)
    listed = [("a, film", "good"), ("a book", "bad"), ("null", "bad"), ("null", "bad"), ("a, film", "good")]
    dropped = drop_suspicious(corpus, 3, audited(tmp_path, listed))
    assert dropped.splits["train"]["text"][:] == ["a, film", "null"]
    assert dropped.splits["validation"]["text"][:] == ["a, film", "a book"]
    assert "Dropped 2 training rows with suspicious labels" in dropped.notes[-1]
    assert "1 more of the first 3 are validation or test rows, which are kept." in dropped.notes[-1]


@pytest.mark.parametrize(
    ("count", "rows", "message"),
    [
        (5, [("film 1", "good")] * 2, "between 1 and 1"),
        (-1, [("film 1", "good")] * 2, "got -1"),
        (1, [("film 1", "bad"), ("film 2", "bad")], "is of other data: 1 row of the first 1 is not in this data"),
        (2, [("film 1", "good"), ("film 3", "good"), ("x", "bad")], "would leave no training row of good"),
    ],
)
def test_an_audit_that_does_not_fit(tmp_path, count, rows, message):
    train = [{"text": f"film {i}", "label": ("bad", "good")[i % 2]} for i in range(4)]
    with pytest.raises(ValueError, match=message):
        drop_suspicious(load_corpus({"train": train, "validation": train}), count, audited(tmp_path, rows))


def test_an_audit_is_required(tmp_path):
    with pytest.raises(ValueError, match="Run `hf-lstm audit` on the same data first"):
        drop_suspicious(tiny_corpus(), 1, str(tmp_path))
    with pytest.raises(ValueError, match="the labels are scores"):
        drop_suspicious(tiny_corpus("regression"), 1, str(tmp_path))


def test_labels_as_text():
    assert name_labels(tiny_corpus(), np.array([1, 0])) == ["good", "other"]
    rows = np.array([[1.0, 1.0], [0.0, 0.0], [0.0, 1.0]])
    assert name_labels(tiny_corpus("multi_label_classification"), rows) == ["good, short", "", "short"]
