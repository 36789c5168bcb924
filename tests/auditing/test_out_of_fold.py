import numpy as np
import pytest
from helpers import TINY_TRAINING

from hf_lstm.auditing.out_of_fold import OutOfFold
from hf_lstm.data import load_given_splits
from hf_lstm.training import ARGUMENT_GROUPS, build_arguments


def prepare(data, folder, models=("recurrent",), folds=2, **options):
    corpus, _ = load_given_splits(data)
    groups = build_arguments(ARGUMENT_GROUPS, {**TINY_TRAINING, "output_dir": str(folder), **options}, "test")
    return OutOfFold(corpus, models, folds, *groups)


@pytest.fixture
def trained_on(monkeypatch):
    """Replace the training of a fold: the rows of each call are recorded, and the probabilities are constant."""
    calls = []

    def train(self, fitted, held_out):
        calls.append((set(fitted.tolist()), held_out.tolist()))
        return np.tile([0.75, 0.25], (len(held_out), 1))

    monkeypatch.setattr(OutOfFold, "_train_fold", train)
    return calls


def test_each_row_is_predicted_once_without_being_trained_on(planted, tmp_path, trained_on):
    predicted = prepare(planted, tmp_path, folds=3).predict()
    assert predicted.shape == (119, 2) and (predicted == [0.75, 0.25]).all()
    assert sorted(row for _, rows in trained_on for row in rows) == list(range(119))
    for fitted, held_out in trained_on:
        assert not fitted & set(held_out) and len(fitted) + len(held_out) == 119


def test_folds_have_the_class_proportions(planted, tmp_path, trained_on):
    outer = prepare(planted, tmp_path)
    outer.predict()
    shares = [outer.labels[rows].mean() for _, rows in trained_on]
    assert shares == pytest.approx([outer.labels.mean()] * 2, abs=0.02)


def test_an_interrupted_audit_continues_with_the_next_fold(planted, tmp_path, trained_on, monkeypatch, capsys):
    train, calls = OutOfFold._train_fold, []

    def fail_at_second(self, fitted, held_out):
        calls.append(None)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return train(self, fitted, held_out)

    monkeypatch.setattr(OutOfFold, "_train_fold", fail_at_second)
    with pytest.raises(KeyboardInterrupt):
        prepare(planted, tmp_path).predict()
    capsys.readouterr()
    assert prepare(planted, tmp_path).predict().shape == (119, 2)
    assert len(calls) == 3
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith("recurrent, fold 1 of 2: accuracy") and first.endswith("(read from an earlier run).")
    assert second.startswith("recurrent, fold 2 of 2: accuracy") and second.endswith("s).")


def test_models_are_averaged_and_may_be_added_later(planted, tmp_path, trained_on):
    prepare(planted, tmp_path).predict()
    linear = prepare(planted, tmp_path / "linear", ["linear"]).predict()
    both = prepare(planted, tmp_path, ["recurrent", "linear"]).predict()
    assert both == pytest.approx((linear + [0.75, 0.25]) / 2) and len(trained_on) == 2


@pytest.mark.parametrize("change", [{"folds": 3}, {"hidden_size": 16}, {"seed": 1}, {}])
def test_other_data_or_options_are_predicted_again(planted, tmp_path, trained_on, change):
    prepare(planted, tmp_path).predict()
    if not change:
        planted.loc[7, "label"] = "good"
    prepare(planted, tmp_path, **change).predict()
    folds = change.get("folds", 2)
    assert len(trained_on) == 2 + folds
    assert len(list(tmp_path.glob("*.npy"))) == folds  # those of the first audit are removed


def test_options_of_the_recurrent_classifier_do_not_affect_others(planted, tmp_path, capsys):
    prepare(planted, tmp_path, ["linear"]).predict()
    prepare(planted, tmp_path, ["linear"], hidden_size=16).predict()
    assert capsys.readouterr().out.count("read from an earlier run") == 1
    prepare(planted, tmp_path, ["linear"], folds=3).predict()  # the folds are also those of the linear model
    assert capsys.readouterr().out.count("read from an earlier run") == 0


def test_too_few_rows(planted, tmp_path):
    planted.loc[20, "label"] = "rare"
    with pytest.raises(ValueError, match="at least 2 training rows of each class, but rare has fewer"):
        prepare(planted, tmp_path).predict()
    with pytest.raises(ValueError, match="in 5 folds requires at least 10 training rows, got 4"):
        prepare(planted[:4], tmp_path, folds=5).predict()
    assert not any(tmp_path.iterdir())


def test_a_fold_is_trained_as_the_arguments_say(planted, tmp_path):
    outer = prepare(planted, tmp_path, num_train_epochs=15)
    predicted = outer.predict()
    assert predicted.sum(1) == pytest.approx(np.ones(119))
    assert (predicted.argmax(1) == outer.labels)[4:].mean() > 0.9  # the first four labels are wrong
    assert sorted(path.suffix for path in tmp_path.iterdir() if path.is_file()) == [".npy", ".npy"]
    assert not list(tmp_path.glob("_partial-*"))  # no checkpoint is left
