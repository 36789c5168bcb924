import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from datasets import ClassLabel, Dataset, DatasetDict, Features, List, Value, concatenate_datasets

from hf_lstm import LstmConfig, LstmForSequenceClassification
from hf_lstm.data.corpus import Corpus
from hf_lstm.inference.prediction import predict_texts
from hf_lstm.knowledge.linear import NgramModel, ngram_counter, predict_out_of_fold
from hf_lstm.knowledge.teachers import cut_passages, label_with_teachers, read_probabilities
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
    """A random classifier in a folder, and the scores that it gives texts, in the order of its own labels."""
    torch.manual_seed(seed)
    fields = {"id2label": dict(enumerate(names)), "label2id": {name: i for i, name in enumerate(names)}}
    sizes = {"vocab_size": len(tokenizer), "embedding_size": 6, "hidden_size": 5, "initializer_range": 1.0}
    model = LstmForSequenceClassification(LstmConfig(**sizes, **fields, problem_type=problem_type)).eval()
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return lambda texts: torch.from_numpy(predict_texts(model, tokenizer, texts)).double()


def write_probabilities(path, said: dict[str, list[float]], names) -> str:
    rows = [{"text": text} | dict(zip(names, row, strict=True)) for text, row in said.items()]
    if path.suffix == ".csv":
        path.write_text("\n".join([",".join(rows[0]), *(",".join(map(str, row.values())) for row in rows)]) + "\n")
    else:
        path.write_text("\n".join(map(json.dumps, rows)) + "\n")
    return str(path)


def test_without_other_texts_labels_are_averaged_with_the_teacher_whose_labels_have_another_order(tokenizer, tmp_path):
    says = save_teacher(tmp_path, tokenizer, ("good", "bad"))
    taught, note = label_with_teachers(make_corpus(), [str(tmp_path)])
    assert taught["text"][:] == TEXTS and "12 training texts are averaged" in note and str(tmp_path) in note
    bad, good = says(TEXTS).softmax(1).flip(1).T
    expected = [
        [b / 2, (1 + g) / 2] if "good" in text else [(1 + b) / 2, g / 2]
        for text, b, g in zip(TEXTS, bad.tolist(), good.tolist(), strict=True)
    ]
    np.testing.assert_allclose(taught["labels"][:], expected, atol=1e-5)


def test_texts_without_labels_get_what_the_teacher_says_and_the_others_keep_their_labels(
    tokenizer, tmp_path, unlabelled
):
    says = save_teacher(tmp_path, tokenizer, ("bad", "good"))
    taught, note = label_with_teachers(make_corpus(), [str(tmp_path)], unlabelled)
    assert taught["text"][:] == TEXTS + NEW and note.startswith("3 texts without labels, taught by")
    labels = np.array(taught["labels"][:])
    np.testing.assert_array_equal(labels[:12], [[0, 1] if "good" in text else [1, 0] for text in TEXTS])
    np.testing.assert_allclose(labels[12:], says(NEW).softmax(1), atol=1e-5)


def test_several_teachers_are_averaged(tokenizer, tmp_path, unlabelled):
    says = [save_teacher(tmp_path / str(i), tokenizer, ("bad", "good"), seed=i) for i in range(2)]
    file = write_probabilities(tmp_path / "said.csv", dict.fromkeys(NEW, [0.25, 0.75]), NAMES[SINGLE])
    taught, _ = label_with_teachers(make_corpus(), [str(tmp_path / "0"), file, str(tmp_path / "1")], unlabelled)
    expected = (says[0](NEW).softmax(1) + says[1](NEW).softmax(1) + torch.tensor([0.25, 0.75])) / 3
    np.testing.assert_allclose(np.array(taught["labels"][:])[12:], expected, atol=1e-5)


def test_labels_of_several_a_text_are_sigmoids(tokenizer, tmp_path, unlabelled):
    says = save_teacher(tmp_path, tokenizer, ("film", "good"), MULTI)
    taught, _ = label_with_teachers(make_corpus(MULTI), [str(tmp_path)], unlabelled)
    labels = np.array(taught["labels"][:])
    np.testing.assert_array_equal(labels[:12], [["good" in text, "film" in text] for text in TEXTS])
    np.testing.assert_allclose(labels[12:], says(NEW).sigmoid().flip(1), atol=1e-5)


def test_scores_to_regress_are_averaged_as_they_are(tokenizer, tmp_path):
    says = save_teacher(tmp_path, tokenizer, ("LABEL_0",), "regression")
    taught, _ = label_with_teachers(make_corpus("regression"), [str(tmp_path)])
    labels = np.array(taught["labels"][:])
    assert labels.shape == (12, 1)
    stars = np.array([[5.0 * ("good" in text)] for text in TEXTS])
    np.testing.assert_allclose(labels, (stars + says(TEXTS).numpy()) / 2, atol=1e-5)


@pytest.mark.parametrize("names", [("bad", "great"), ("bad", "good", "odd")])
def test_teacher_with_other_labels_is_refused(tokenizer, tmp_path, names):
    save_teacher(tmp_path, tokenizer, names)
    with pytest.raises(ValueError, match=f"has the labels {', '.join(names)} .*not the same as bad, good") as error:
        label_with_teachers(make_corpus(), [str(tmp_path)])
    assert "\n" not in str(error.value)


def test_teacher_that_is_not_there_is_refused():
    for name in ("./absent", "./absent.csv"):
        with pytest.raises(OSError, match=r"There is no (folder|file) ./absent"):
            label_with_teachers(make_corpus(), [name])


@pytest.mark.parametrize("ending", ["csv", "jsonl"])
def test_probabilities_of_a_file_are_found_by_text_and_column(tmp_path, ending):
    said = {"good film": [0.1, 0.9], "bad film": [0.8, 0.2], "more": [0.5, 0.5]}
    path = write_probabilities(tmp_path / f"said.{ending}", said, ("bad", "good"))
    found = read_probabilities(path, ["bad film", "good film", "bad film"], ("good", "bad"), SINGLE)
    assert found.tolist() == [[0.2, 0.8], [0.9, 0.1], [0.2, 0.8]]


@pytest.mark.parametrize(
    ("said", "names", "sentence"),
    [
        ({"good film": [0.1, 0.9]}, ("bad", "great"), "has no column 'good'; it needs `text` and one for each label."),
        ({"good film": ["high", 0.9]}, ("bad", "good"), "holds ['high', {}], not numbers, of a text."),
        ({"bad film": [0.1, 0.9]}, ("bad", "good"), "says nothing of 2 texts of 3, the first of them 'good film'."),
    ],
)
@pytest.mark.parametrize("ending", ["csv", "jsonl"])
def test_file_that_lacks_something_is_one_sentence(tmp_path, said, names, sentence, ending):
    path = write_probabilities(tmp_path / f"said.{ending}", said, names)
    with pytest.raises(ValueError) as error:
        read_probabilities(path, ["good film", "bad film", "odd film"], ("bad", "good"), SINGLE)
    assert str(error.value) == f"{path} {sentence.format(repr('0.9') if ending == 'csv' else 0.9)}"


@pytest.mark.parametrize(
    ("said", "refused_by"),
    [
        ([0.1, 0.9], set()),
        ([0.333, 0.666], set()),  # rounded
        ([0.9, 0.8], {SINGLE}),
        ([30.0, 70.0], {SINGLE, MULTI}),
        ([-4.2, 5.2], {SINGLE, MULTI}),
        (["nan", 0.5], {SINGLE, MULTI, "regression"}),
        ([0.5, "inf"], {SINGLE, MULTI, "regression"}),
    ],
)
@pytest.mark.parametrize("problem_type", [SINGLE, MULTI, "regression"])
def test_what_cannot_be_a_probability_is_refused(tmp_path, said, refused_by, problem_type):
    path = write_probabilities(tmp_path / "said.csv", {"film": said, "plot": [0.5, 0.5]}, ("bad", "good"))
    if problem_type not in refused_by:
        found = read_probabilities(path, ["film"], ("bad", "good"), problem_type)
        assert found.tolist() == [said]
        return
    wanted = "scores" if problem_type == "regression" else "probabilities"
    with pytest.raises(ValueError, match=f"says of 'film' what are no {wanted}: "):
        read_probabilities(path, ["plot", "film"], ("bad", "good"), problem_type)


def test_probabilities_of_many_labels_may_be_rounded(tmp_path):
    names = [f"label {i}" for i in range(150)]
    said = np.random.default_rng(0).dirichlet(np.ones(150)).round(2).tolist()
    path = write_probabilities(tmp_path / "said.jsonl", {"film": said}, names)
    assert read_probabilities(path, ["film"], names, SINGLE).tolist() == [said] and abs(sum(said) - 1) > 0.02


def test_linear_teacher_says_of_a_training_text_what_it_learned_from_the_others():
    targets = np.array([[0, 1] if "good" in text else [1, 0] for text in TEXTS], float)
    taught, note = label_with_teachers(make_corpus(), ["linear"])
    occurs = ngram_counter().fit_transform(TEXTS)
    said = predict_out_of_fold(NgramModel(SINGLE), lambda learned: occurs, targets)
    np.testing.assert_allclose(taught["labels"][:], (targets + said) / 2, atol=1e-4)
    assert "linear" in note


@pytest.mark.parametrize("teacher", ["linear", "latent"])
def test_fitted_teacher_says_nothing_that_it_has_from_the_labels_of_the_text(teacher):
    def said(labels):
        corpus = make_corpus()
        rows = corpus.splits["train"].remove_columns("labels").add_column("labels", labels)
        corpus.splits["train"] = rows
        return 2 * np.array(label_with_teachers(corpus, [teacher])[0]["labels"][:]) - np.eye(2)[labels]

    labels = [int("good" in text) for text in TEXTS]
    before, most = said(labels), 0
    for row in range(len(TEXTS)):
        changed = labels.copy()
        changed[row] = 1 - changed[row]
        after = said(changed)
        np.testing.assert_allclose(after[row], before[row], atol=1e-3)
        most = max(most, np.abs(after - before).max())
    assert most > 0.01


def test_texts_without_a_common_word_are_one_sentence():
    corpus = make_corpus()
    corpus.splits["train"] = Dataset.from_dict({"text": list("abcde"), "labels": [0, 1, 0, 1, 0]})
    for teacher in ("linear", "latent"):
        with pytest.raises(ValueError, match="No word occurs in two texts: leave out linear and latent"):
            label_with_teachers(corpus, [teacher])


def test_label_that_is_named_as_the_column_is_refused(unlabelled):
    corpus = replace(make_corpus(), label_names=("text", "image"))
    with pytest.raises(ValueError, match="A label is named 'text'"):
        label_with_teachers(corpus, ["linear"], unlabelled)


def test_passages_end_where_sentences_do():
    text = "One two. Three four five! Six?<br /><br />Seven\neight. Nine"
    assert cut_passages([text], 3) == ["One two. Three four five!", "Six? Seven eight. Nine"]
    assert cut_passages([text], 4) == ["One two. Three four five!", "Six? Seven eight. Nine"]
    assert cut_passages([text], 2) == ["One two.", "Three four five!", "Six? Seven", "eight. Nine"]
    assert cut_passages(["a b c d e f g", "", " ", "好。坏！"], 1) == ["a b c d e f g", "好。", "坏！"]
    assert cut_passages(["a. b.", "b. a."], 1) == ["a.", "b."]


def test_passages_are_taught_in_place_of_texts(tmp_path):
    said = {"Good film.": [0.1, 0.9], "Bad plot.": [0.8, 0.2]}
    file = write_probabilities(tmp_path / "said.jsonl", said, NAMES[SINGLE])
    others = Dataset.from_dict({"text": ["Good film. Bad plot."]})
    taught, note = label_with_teachers(make_corpus(), [file], others, passage_words=2)
    assert taught["text"][:] == [*TEXTS, *said] and note.startswith("2 passages without labels, taught by")
    np.testing.assert_allclose(taught["labels"][12:], list(said.values()), atol=1e-6)
    own, note = label_with_teachers(make_corpus(), ["linear"], passage_words=2)
    assert own["text"][:] == [*TEXTS, *dict.fromkeys(TEXTS)] and note.startswith("6 passages of the training texts")


def test_texts_to_measure_on_are_not_learned_from(tmp_path):
    corpus = make_corpus()
    for split, text in (("validation", "kept apart"), ("test", "kept for last")):
        corpus.splits[split] = Dataset.from_dict({"text": [text], "labels": [1]})
    file = write_probabilities(tmp_path / "said.jsonl", dict.fromkeys(NEW, [0.5, 0.5]), NAMES[SINGLE])
    others = Dataset.from_dict({"text": ["kept apart", *NEW, "kept for last", "kept apart"]})
    taught, note = label_with_teachers(corpus, [file], others)
    assert taught["text"][:] == TEXTS + NEW and note.endswith(
        " 3 texts that also stand in validation or test left out."
    )
    # Where nothing remains, it is as if there were no other texts.
    taught, note = label_with_teachers(corpus, ["linear"], others.select([0]))
    assert taught["text"][:] == TEXTS and "12 training texts are averaged" in note


@pytest.mark.parametrize("teacher", ["linear", "latent"])
def test_fitted_teacher_alone_learns_from_the_labels(unlabelled, teacher):
    taught, _ = label_with_teachers(make_corpus(), [teacher], unlabelled)
    good, bad, unknown = np.array(taught["labels"][:])[12:]
    assert good[1] > 0.5 > bad[1]
    np.testing.assert_allclose(good + bad, 1, atol=0.02)  # the classes are alike but for their words
    assert abs(unknown[1] - 0.5) < 0.02


@pytest.mark.parametrize("teacher", ["linear", "latent"])
def test_fitted_teacher_learns_from_what_those_before_it_say(tmp_path, unlabelled, teacher):
    said = dict.fromkeys(NEW, [0.0, 1.0])
    file = write_probabilities(tmp_path / "said.jsonl", said, NAMES[SINGLE])
    alone = np.array(label_with_teachers(make_corpus(), [teacher], unlabelled)[0]["labels"][:])[12:]
    after = np.array(label_with_teachers(make_corpus(), [file, teacher], unlabelled)[0]["labels"][:])[12:]
    linear = 2 * after - [0.0, 1.0]
    assert linear[2, 1] > alone[2, 1] + 0.05  # that "zeta" is good stands in no labelled text
    before = np.array(label_with_teachers(make_corpus(), [teacher, file], unlabelled)[0]["labels"][:])[12:]
    np.testing.assert_allclose(2 * before - [0.0, 1.0], alone, atol=1e-4)


@pytest.mark.parametrize("teacher", ["linear", "latent"])
@pytest.mark.parametrize("problem_type", [MULTI, "regression"])
def test_fitted_teacher_of_other_targets(problem_type, unlabelled, teacher):
    taught, _ = label_with_teachers(make_corpus(problem_type), [teacher], unlabelled)
    good, bad = np.array(taught["labels"][:])[12:14, 0]
    assert good > bad + 0.05
    averaged, _ = label_with_teachers(make_corpus(problem_type), [teacher])
    assert np.shape(averaged["labels"][:]) == (12, len(NAMES[problem_type]))


def test_what_teachers_said_is_a_teacher_of_other_students(tmp_path, unlabelled):
    file = tmp_path / "new" / "said.parquet"
    unlabelled = concatenate_datasets([unlabelled, Dataset.from_dict({"text": ["good\x85 film", ""]})])
    first, _ = label_with_teachers(make_corpus(), ["linear", "latent"], unlabelled, save_to=file)
    second, _ = label_with_teachers(make_corpus(), [str(file)], unlabelled)
    np.testing.assert_allclose(first["labels"][:], second["labels"][:], atol=1e-6)
    assert len(read_probabilities(str(file), NEW, NAMES[SINGLE], SINGLE)) == 3
