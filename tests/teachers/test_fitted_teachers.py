import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression, Ridge

from hf_lstm.teachers import fitted_teachers
from hf_lstm.teachers.fitted_teachers import EncoderTeacher, Task

SINGLE, MULTI = "single_label_classification", "multi_label_classification"
TEXTS = [f"{word} {i}" for i in range(30) for word in ("good", "bad", "odd")]


def vector_of(text: str) -> list[float]:
    word, number = text.split()
    noise = np.random.default_rng(int(number)).normal(size=2) / 3
    return [*np.eye(3)[["good", "bad", "odd"].index(word)], *noise]


@pytest.fixture
def embedded(monkeypatch) -> list[str]:
    """The texts that were given to an encoder whose vectors are known."""
    texts: list[str] = []

    def embed(encoder, batch):
        assert encoder == ("me/encoder", True)
        texts.extend(batch)
        return np.array([vector_of(text) for text in batch], np.float32)

    monkeypatch.setattr(fitted_teachers, "load_encoder", lambda *arguments: arguments)
    monkeypatch.setattr(fitted_teachers, "embed_texts", embed)
    return texts


def scaled(texts):
    vectors = np.array([vector_of(text) for text in texts])
    return 10 * vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def test_probabilities_are_those_of_a_regression_on_the_vectors(embedded, monkeypatch):
    monkeypatch.setattr(fitted_teachers, "REGULARIZATIONS", (0.3,))
    classes = np.array([int(text.startswith("good")) for text in TEXTS])
    task = Task(("bad", "good"), SINGLE, TEXTS, np.eye(2)[classes], ["good 90", "odd 91"])
    teacher = EncoderTeacher("me/encoder", trust_remote_code=True)
    own = LogisticRegression(C=0.3, max_iter=300).fit(scaled(TEXTS), classes)
    np.testing.assert_allclose(teacher.predict(task, ()), own.predict_proba(scaled(task.unlabelled)), atol=1e-3)
    assert teacher.name == "encoder:me/encoder" and embedded == [*TEXTS, *task.unlabelled]
    teacher.predict(task, ())
    assert embedded == [*TEXTS, *task.unlabelled, *task.unlabelled]  # the training texts are encoded once


def test_an_encoder_is_loaded_once_and_equal_training_texts_are_encoded_once(embedded, monkeypatch):
    loaded = []
    monkeypatch.setattr(fitted_teachers, "load_encoder", lambda *names: loaded.append(names) or names)
    teacher = EncoderTeacher("me/encoder", trust_remote_code=True)
    targets = np.eye(2)[[int(text.startswith("good")) for text in TEXTS]]
    for new in (["good 90"], ["odd 91"]):
        teacher.predict(Task(("bad", "good"), SINGLE, list(TEXTS), targets, new), ())  # another list of the same texts
    assert embedded == [*TEXTS, "good 90", "odd 91"] and len(loaded) == 1
    teacher.predict(Task(("bad", "good"), SINGLE, TEXTS[::-1], targets[::-1], ["good 92"]), ())
    assert embedded[-len(TEXTS) - 1 :] == [*TEXTS[::-1], "good 92"]


def test_the_regularization_with_the_lowest_loss_is_chosen(embedded):
    classes = np.array([int(text.startswith("good")) for text in TEXTS])
    noisy = np.where(np.random.default_rng(0).random(len(TEXTS)) < 0.3, 1 - classes, classes)
    chosen = []
    for labels in (classes, noisy):
        task = Task(("bad", "good"), SINGLE, TEXTS, np.eye(2)[labels], [])
        model = fitted_teachers._regularized_model(scaled(TEXTS), task)
        chosen.append(model.inverse_regularization)
    assert chosen[0] > chosen[1]  # wrong labels need more regularization


@pytest.mark.parametrize("problem_type", [SINGLE, MULTI, "regression"])
def test_a_training_text_is_predicted_without_its_label(embedded, problem_type, monkeypatch):
    monkeypatch.setattr(fitted_teachers, "REGULARIZATIONS", (0.3,))  # all labels influence the choice of one
    targets = np.eye(3)[[["good", "bad", "odd"].index(text.split()[0]) for text in TEXTS]]
    names = ["good", "bad", "odd"]
    if problem_type == "regression":
        targets, names = targets[:, :1] * 5, ["stars"]
    teacher = EncoderTeacher("me/encoder", trust_remote_code=True)
    before = teacher.predict(Task(names, problem_type, TEXTS, targets, None), ())
    assert before.shape == targets.shape and np.corrcoef(before.ravel(), targets.ravel())[0, 1] > 0.9
    changed = targets.copy()
    changed[7] = targets[6]
    after = teacher.predict(Task(names, problem_type, TEXTS, changed, None), ())
    np.testing.assert_allclose(after[7], before[7], atol=1e-4)
    assert np.abs(after - before).max() > 1e-3


def test_scores_are_those_of_a_ridge_regression(embedded):
    scores = np.array([[float(len(text))] for text in TEXTS])
    task = Task(("length",), "regression", TEXTS, scores, ["good 90"])
    own = Ridge().fit(scaled(TEXTS), scores[:, 0]).predict(scaled(["good 90"]))
    predicted = EncoderTeacher("me/encoder", trust_remote_code=True).predict(task, ())
    np.testing.assert_allclose(predicted[:, 0], own, rtol=1e-3)
