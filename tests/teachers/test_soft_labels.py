import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from datasets import ClassLabel, Dataset, DatasetDict, Features, List, Value, concatenate_datasets

from hf_lstm import LstmConfig, LstmForSequenceClassification
from hf_lstm.data.corpus import Corpus
from hf_lstm.inference.prediction import predict_texts
from hf_lstm.teachers.augmentation import augment_texts
from hf_lstm.teachers.linear import NgramModel, ngram_vectorizer, predict_out_of_fold
from hf_lstm.teachers.passages import cut_prefixes
from hf_lstm.teachers.soft_labels import label_with_teachers
from hf_lstm.teachers.teacher_kinds import read_probabilities
from hf_lstm.text.tokenization import train_tokenizer

SINGLE, MULTI = "single_label_classification", "multi_label_classification"
TEXTS = [f"{opinion} {thing}" for thing in ("film", "plot", "book") for opinion in ("good", "bad")] * 2
NEW = ["good zeta", "bad zeta", "zeta zeta"]
NAMES = {SINGLE: ("bad", "good"), MULTI: ("good", "film"), "regression": ("stars",)}


def make_corpus(problem_type=SINGLE) -> Corpus:
    good, film = ([float(word in text) for text in TEXTS] for word in ("good", "film"))
    if problem_type == SINGLE:
        labels, feature = [int(value) for value in good], ClassLabel(names=list(NAMES[SINGLE]))
    elif problem_type == MULTI:
        labels, feature = list(zip(good, film, strict=True)), List(Value("float32"))
    else:
        labels, feature = [5 * value for value in good], Value("float32")
    features = Features({"text": Value("string"), "labels": feature})
    rows = Dataset.from_dict({"text": TEXTS, "labels": labels}, features)
    return Corpus(DatasetDict(train=rows, validation=rows), NAMES[problem_type], problem_type, ())


@pytest.fixture
def unlabelled() -> Dataset:
    return Dataset.from_dict({"text": NEW})


@pytest.fixture(scope="module")
def tokenizer():
    return train_tokenizer([*TEXTS, *NEW], "word", 40, show_progress=False)


def save_teacher(folder, tokenizer, names, problem_type=SINGLE, seed=0):
    """Save a random classifier. Return a function for its logits, in the order of its own labels."""
    torch.manual_seed(seed)
    fields = {"id2label": dict(enumerate(names)), "label2id": {name: i for i, name in enumerate(names)}}
    sizes = {"vocab_size": len(tokenizer), "embedding_size": 6, "hidden_size": 5, "initializer_range": 1.0}
    model = LstmForSequenceClassification(LstmConfig(**sizes, **fields, problem_type=problem_type)).eval()
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return lambda texts: torch.from_numpy(predict_texts(model, tokenizer, texts)).double()


def test_without_unlabelled_texts_labels_are_averaged_with_a_teacher_that_orders_them_differently(tokenizer, tmp_path):
    logits_of = save_teacher(tmp_path, tokenizer, ("good", "bad"))
    rows, note = label_with_teachers(make_corpus(), [str(tmp_path)])
    assert rows["text"][:] == TEXTS
    assert note == f"Averaged the labels of 12 training texts with the predictions of {tmp_path}."
    bad, good = logits_of(TEXTS).softmax(1).flip(1).T
    expected = [
        [b / 2, (1 + g) / 2] if "good" in text else [(1 + b) / 2, g / 2]
        for text, b, g in zip(TEXTS, bad.tolist(), good.tolist(), strict=True)
    ]
    np.testing.assert_allclose(rows["labels"][:], expected, atol=1e-5)


def test_unlabelled_texts_get_soft_labels_and_the_others_keep_their_labels(tokenizer, tmp_path, unlabelled):
    logits_of = save_teacher(tmp_path, tokenizer, ("bad", "good"))
    rows, note = label_with_teachers(make_corpus(), [str(tmp_path)], unlabelled)
    assert rows["text"][:] == TEXTS + NEW
    assert note == f"Added 3 texts without labels, with soft labels from {tmp_path}."
    labels = np.array(rows["labels"][:])
    np.testing.assert_array_equal(labels[:12], [[0, 1] if "good" in text else [1, 0] for text in TEXTS])
    np.testing.assert_allclose(labels[12:], logits_of(NEW).softmax(1), atol=1e-5)


def test_several_teachers_are_averaged(tokenizer, tmp_path, unlabelled, write_probabilities):
    logits_of = [save_teacher(tmp_path / str(i), tokenizer, ("bad", "good"), seed=i) for i in range(2)]
    file = write_probabilities("soft.csv", dict.fromkeys(NEW, [0.25, 0.75]), NAMES[SINGLE])
    rows, _ = label_with_teachers(make_corpus(), [str(tmp_path / "0"), file, str(tmp_path / "1")], unlabelled)
    expected = (logits_of[0](NEW).softmax(1) + logits_of[1](NEW).softmax(1) + torch.tensor([0.25, 0.75])) / 3
    np.testing.assert_allclose(np.array(rows["labels"][:])[12:], expected, atol=1e-5)


def test_multi_label_predictions_are_sigmoids(tokenizer, tmp_path, unlabelled):
    logits_of = save_teacher(tmp_path, tokenizer, ("film", "good"), MULTI)
    rows, _ = label_with_teachers(make_corpus(MULTI), [str(tmp_path)], unlabelled)
    labels = np.array(rows["labels"][:])
    np.testing.assert_array_equal(labels[:12], [["good" in text, "film" in text] for text in TEXTS])
    np.testing.assert_allclose(labels[12:], logits_of(NEW).sigmoid().flip(1), atol=1e-5)


def test_regression_scores_are_averaged(tokenizer, tmp_path):
    logits_of = save_teacher(tmp_path, tokenizer, ("LABEL_0",), "regression")
    rows, _ = label_with_teachers(make_corpus("regression"), [str(tmp_path)])
    labels = np.array(rows["labels"][:])
    assert labels.shape == (12, 1)
    stars = np.array([[5.0 * ("good" in text)] for text in TEXTS])
    np.testing.assert_allclose(labels, (stars + logits_of(TEXTS).numpy()) / 2, atol=1e-5)


@pytest.mark.parametrize("names", [("bad", "great"), ("bad", "good", "odd")])
def test_teacher_with_other_labels_is_rejected(tokenizer, tmp_path, names):
    save_teacher(tmp_path, tokenizer, names)
    with pytest.raises(ValueError, match=f"has the labels {', '.join(names)} .*not the same as bad, good") as error:
        label_with_teachers(make_corpus(), [str(tmp_path)])
    assert "\n" not in str(error.value)


def test_missing_teacher_is_reported():
    for name in ("./absent", "./absent.csv"):
        with pytest.raises(OSError, match=r"There is no (folder|file) ./absent"):
            label_with_teachers(make_corpus(), [name])


def test_linear_teacher_predicts_training_texts_out_of_fold():
    targets = np.array([[0, 1] if "good" in text else [1, 0] for text in TEXTS], float)
    rows, _ = label_with_teachers(make_corpus(), ["linear"])
    occurs = ngram_vectorizer().fit_transform(TEXTS)
    soft = predict_out_of_fold(NgramModel(SINGLE), lambda rows: occurs, targets)
    np.testing.assert_allclose(rows["labels"][:], (targets + soft) / 2, atol=1e-4)


@pytest.mark.parametrize("teacher", ["linear", "latent"])
def test_fitted_teacher_predicts_a_training_text_without_its_label(teacher):
    def predict(labels):
        corpus = make_corpus()
        rows = corpus.splits["train"].remove_columns("labels").add_column("labels", labels)
        corpus.splits["train"] = rows
        return 2 * np.array(label_with_teachers(corpus, [teacher])[0]["labels"][:]) - np.eye(2)[labels]

    labels = [int("good" in text) for text in TEXTS]
    before, most = predict(labels), 0
    for row in range(len(TEXTS)):
        changed = labels.copy()
        changed[row] = 1 - changed[row]
        after = predict(changed)
        np.testing.assert_allclose(after[row], before[row], atol=1e-3)
        most = max(most, np.abs(after - before).max())
    assert most > 0.01


def test_texts_without_a_common_word_are_reported():
    corpus = make_corpus()
    corpus.splits["train"] = Dataset.from_dict({"text": list("abcde"), "labels": [0, 1, 0, 1, 0]})
    for teacher in ("linear", "latent"):
        with pytest.raises(ValueError, match="No word occurs in two texts, so the teachers linear and latent"):
            label_with_teachers(corpus, [teacher])


def test_label_named_text_is_rejected(unlabelled):
    corpus = replace(make_corpus(), label_names=("text", "image"))
    with pytest.raises(ValueError, match="A label is named 'text'"):
        label_with_teachers(corpus, ["linear"], unlabelled)


def test_passages_are_labelled_instead_of_texts(write_probabilities):
    soft = {"Good film.": [0.1, 0.9], "Bad plot.": [0.8, 0.2]}
    file = write_probabilities("soft.jsonl", soft, NAMES[SINGLE])
    others = Dataset.from_dict({"text": ["Good film. Bad plot."]})
    rows, note = label_with_teachers(make_corpus(), [file], others, passage_words=2)
    assert rows["text"][:] == [*TEXTS, *soft] and note == (
        f"Added 2 passages of the texts without labels, with soft labels from {file}."
    )
    np.testing.assert_allclose(rows["labels"][12:], list(soft.values()), atol=1e-6)
    corpus = make_corpus()
    corpus.splits["validation"] = Dataset.from_dict({"text": ["kept apart"], "labels": [1]})
    own, note = label_with_teachers(corpus, ["linear"], passage_words=2)
    assert own["text"][:] == [*TEXTS, *dict.fromkeys(TEXTS)] and note == (
        "Added 6 passages of the training texts, with soft labels from linear."
    )


def test_texts_of_validation_and_test_are_left_out(write_probabilities):
    corpus = make_corpus()
    for split, text in (("validation", "kept apart"), ("test", "kept for last")):
        corpus.splits[split] = Dataset.from_dict({"text": [text], "labels": [1]})
    file = write_probabilities("soft.jsonl", dict.fromkeys(NEW, [0.5, 0.5]), NAMES[SINGLE])
    others = Dataset.from_dict({"text": ["kept apart", *NEW, "kept for last", "kept apart"]})
    rows, note = label_with_teachers(corpus, [file], others)
    assert rows["text"][:] == TEXTS + NEW and note.endswith(
        " Left out 3 unlabelled texts of the validation or test split."
    )
    # If no text remains, the training texts are labelled.
    rows, note = label_with_teachers(corpus, ["linear"], others.select([0]))
    assert rows["text"][:] == TEXTS and note.startswith("Averaged the labels of 12 training texts")


def test_passages_of_validation_and_test_are_left_out():
    corpus = make_corpus()
    corpus.splits["validation"] = Dataset.from_dict({"text": ["Good film."], "labels": [1]})
    others = Dataset.from_dict({"text": ["Good film. Bad plot."]})
    rows, note = label_with_teachers(corpus, ["linear"], others, passage_words=2)
    assert rows["text"][12:] == ["Bad plot."] and note == (
        "Added 1 passage of the texts without labels, with soft labels from linear. "
        "Left out 1 passage of the validation or test split."
    )


def test_an_option_that_makes_no_texts_is_reported():
    corpus = make_corpus()
    table = {"text": ["好。", "坏。"], "labels": [1, 0]}
    corpus.splits["train"] = Dataset.from_dict(table, corpus.splits["train"].features)
    with pytest.raises(ValueError, match="`--augment` made no new texts: .* have one word, or no spaces between words"):
        label_with_teachers(corpus, [lambda texts: [[0.5, 0.5]] * len(texts)], augment=2)
    with pytest.raises(ValueError, match="`--passage_words` made no passages"):
        label_with_teachers(make_corpus(), ["linear"], passage_words=2)  # the validation split has the same texts


@pytest.mark.parametrize("teacher", ["linear", "latent"])
def test_fitted_teacher_learns_from_the_labels(unlabelled, teacher):
    rows, _ = label_with_teachers(make_corpus(), [teacher], unlabelled)
    good, bad, unknown = np.array(rows["labels"][:])[12:]
    assert good[1] > 0.5 > bad[1]
    np.testing.assert_allclose(good + bad, 1, atol=0.02)  # the classes differ only in one word
    assert abs(unknown[1] - 0.5) < 0.02


@pytest.mark.parametrize("teacher", ["linear", "latent"])
def test_fitted_teacher_learns_from_the_teachers_before_it(unlabelled, teacher, write_probabilities):
    soft = dict.fromkeys(NEW, [0.0, 1.0])
    file = write_probabilities("soft.jsonl", soft, NAMES[SINGLE])
    alone = np.array(label_with_teachers(make_corpus(), [teacher], unlabelled)[0]["labels"][:])[12:]
    after = np.array(label_with_teachers(make_corpus(), [file, teacher], unlabelled)[0]["labels"][:])[12:]
    linear = 2 * after - [0.0, 1.0]
    assert linear[2, 1] > alone[2, 1] + 0.05  # "zeta" occurs in no labelled text
    before = np.array(label_with_teachers(make_corpus(), [teacher, file], unlabelled)[0]["labels"][:])[12:]
    np.testing.assert_allclose(2 * before - [0.0, 1.0], alone, atol=1e-4)


@pytest.mark.parametrize("teacher", ["linear", "latent"])
@pytest.mark.parametrize("problem_type", [MULTI, "regression"])
def test_fitted_teacher_of_other_problem_types(problem_type, unlabelled, teacher):
    rows, _ = label_with_teachers(make_corpus(problem_type), [teacher], unlabelled)
    good, bad = np.array(rows["labels"][:])[12:14, 0]
    assert good > bad + 0.05
    averaged, _ = label_with_teachers(make_corpus(problem_type), [teacher])
    assert np.shape(averaged["labels"][:]) == (12, len(NAMES[problem_type]))


def test_saved_soft_labels_can_be_used_as_a_teacher(tmp_path, unlabelled):
    file = tmp_path / "new" / "soft.parquet"
    unlabelled = concatenate_datasets([unlabelled, Dataset.from_dict({"text": ["good\x85 film", ""]})])
    first, _ = label_with_teachers(make_corpus(), ["linear", "latent"], unlabelled, save_to=file)
    second, _ = label_with_teachers(make_corpus(), [str(file)], unlabelled)
    np.testing.assert_allclose(first["labels"][:], second["labels"][:], atol=1e-6)
    assert len(read_probabilities(str(file), NEW, NAMES[SINGLE], SINGLE)) == 3


def test_changed_texts_are_added_like_unlabelled_ones():
    teacher = [lambda texts: [[0.25, 0.75]] * len(texts)]
    corpus = make_corpus()
    long = [f"{text} and nothing else at all" for text in TEXTS]
    table = {"text": long, "labels": corpus.splits["train"]["labels"][:]}
    corpus.splits["train"] = Dataset.from_dict(table, corpus.splits["train"].features)
    expected = [text for text in augment_texts(long, 3, seed=7) if text not in TEXTS]  # TEXTS are for validation
    rows, note = label_with_teachers(corpus, teacher, augment=3, seed=7)
    assert rows["text"][:] == long + expected and note == (
        f"Added {len(expected)} changed texts made from 12 training texts, with soft labels from function <lambda>."
    )
    labels = np.array(rows["labels"][:])
    np.testing.assert_array_equal(labels[:12], [[0, 1] if "good" in text else [1, 0] for text in TEXTS])
    np.testing.assert_allclose(labels[12:], [[0.25, 0.75]] * len(expected))


def test_changed_and_unlabelled_texts_are_both_added(unlabelled):
    teacher = [lambda texts: [[0.25, 0.75]] * len(texts)]
    rows, note = label_with_teachers(make_corpus(), teacher, unlabelled, augment=2)
    assert rows["text"][12:15] == NEW and len(rows) > 15
    assert note.startswith(f"Added 3 texts without labels and {len(rows) - 15} changed texts made from 12 training")


WAITING = """
import sys, time
from datetime import timedelta
import torch
from hf_lstm.teachers.soft_labels import on_first_process

torch.distributed.init_process_group("gloo", timeout=timedelta(seconds=2))

def compute():
    time.sleep(5)  # longer than the timeout
    return {"rank": torch.distributed.get_rank()}

for _ in range(2):
    assert on_first_process(compute) == {"rank": 0}
    compute = lambda: {"rank": torch.distributed.get_rank()}
torch.distributed.barrier()
torch.distributed.destroy_process_group()
"""


@pytest.mark.slow
def test_other_processes_wait_longer_than_their_timeout(tmp_path):
    (tmp_path / "waiting.py").write_text(WAITING)
    words = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [*words, str(tmp_path / "waiting.py")], capture_output=True, text=True, timeout=120, env=environment
    )
    assert done.returncode == 0, done.stderr


def test_prefixes_have_the_probabilities_of_the_teacher_for_the_prefix():
    corpus, others = make_corpus(), Dataset.from_dict({"text": ["one two three", "word"]})
    long = [f"{text} and nothing else at all" for text in TEXTS]
    table = {"text": long, "labels": corpus.splits["train"]["labels"][:]}
    corpus.splits["train"] = Dataset.from_dict(table, corpus.splits["train"].features)

    def teacher(texts):
        share = np.array([len(text.split()) for text in texts]) / 10
        return np.stack([1 - share, share], axis=1)

    # The validation split has texts of two words, such as "good film", which stay unseen.
    expected = [text for text in cut_prefixes([*long, "one two three", "word"], 7) if text not in TEXTS]
    rows, note = label_with_teachers(corpus, [teacher], others, seed=7, prefixes=True)
    assert rows["text"][:] == [*long, "one two three", "word", *expected]
    np.testing.assert_allclose(np.array(rows["labels"][:])[14:], teacher(expected), rtol=1e-6)
    assert f"Added 2 texts without labels and {len(expected)} random prefixes of 14 texts, with soft labels" in note
    alone, _ = label_with_teachers(corpus, [teacher], prefixes=True)
    assert all(text.split()[0] in ("good", "bad") for text in alone["text"][12:])
    short = replace(corpus, splits=corpus.splits | {"train": corpus.splits["train"].select([])})
    with pytest.raises(ValueError, match="`--prefixes` made no new texts"):
        label_with_teachers(short, [teacher], Dataset.from_dict({"text": ["word"]}).select([]), prefixes=True)
