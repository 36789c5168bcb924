import sys

import pandas as pd
import pytest
from helpers import TINY_TRAINING

from hf_lstm import audit, train_classifier

FILES = ("label_errors.csv", "near_duplicates.csv", "overlapping_classes.csv", "audit.html")


def test_planted_errors_come_first(planted, tmp_path):
    planted.loc[len(planted)] = [f"Number 9  {planted.loc[9, 'text'].removesuffix(' number 9')}", "good"]
    result = audit(planted, output_dir=tmp_path / "out", models="linear", folds=5, seed=1)
    assert set(result.label_errors["row"][:5]) == {1, 2, 3, 4, 121}  # also the copy of row 10 with the other label
    assert 61 not in result.label_errors["row"].tolist() and len(result.label_errors) == 120
    assert result.label_errors["likely_error"][:4].all()
    assert result.near_duplicates[["row_a", "row_b", "similarity"]].values.tolist()[0] == [10, 121, 1]
    assert result.overlapping_classes[["class_a", "class_b"]].values.tolist() == [["bad", "good"]]
    assert all((result.folder / name).is_file() for name in FILES)
    saved = pd.read_csv(result.folder / "label_errors.csv")
    pd.testing.assert_frame_equal(saved, result.label_errors, check_dtype=False)
    page = (result.folder / "audit.html").read_text(encoding="utf-8")
    assert all(sentence in page for sentence in result.summary) and "Audited 120 training rows" in page
    assert "Each was predicted by the model linear, trained without it (5 folds)." in result.summary[0]


def test_the_training_split_only_and_recurrent_models(planted, tmp_path, capsys):
    data = {"train": planted, "validation": planted[:9]}
    result = audit(data, output_dir=tmp_path, models=["recurrent", "linear"], folds=2, **TINY_TRAINING)
    assert len(result.label_errors) == 119
    assert "by the mean of the models recurrent, linear, trained without it (2 folds)." in result.summary[0]
    printed = capsys.readouterr().out
    assert all(part in printed for part in ("recurrent, fold 1 of 2: accuracy", "linear: accuracy", "Skipped 1 row"))


def test_multi_label_data(tmp_path):
    rows = [{"text": f"{'great ' * (i % 2)}{'long ' * (i % 3 == 0)}film {i}", "label": []} for i in range(90)]
    for i, row in enumerate(rows):
        row["label"] = ["good"] * (i % 2) + ["long"] * (i % 3 == 0)
    rows[5]["label"] = ["long"]
    result = audit(rows, output_dir=tmp_path, models=["linear"])
    first = result.label_errors.loc[0]
    assert (first["row"], first["label"], first["suggested_label"]) == (6, "long", "good")
    assert result.overlapping_classes.empty and "not computed" in result.summary[-1]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"teacher": "linear"}, "does not have the option --teacher"),
        ({"drop_suspicious": 3}, "does not have the option --drop_suspicious"),
        ({"folds": 1}, "`folds` must be at least 2, got 1"),
        ({"models": ["linear", "linear"]}, "different models"),
        ({"problem_type": "regression"}, "requires classes"),
    ],
)
def test_what_cannot_be_used(planted, tmp_path, options, message):
    if "problem_type" in options:
        planted["label"] = range(len(planted))
    with pytest.raises(ValueError, match=message):
        audit(planted, output_dir=tmp_path, **options)


def test_missing_cleanlab_is_reported_before_training(planted, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "cleanlab", None)
    with pytest.raises(ImportError, match="An audit requires cleanlab"):
        audit(planted, output_dir=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_training_without_the_suspicious_rows(planted, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    planted.to_csv("films.csv", index=False)
    assert str(audit("films.csv", models="linear").folder) == "runs/films-audit"
    capsys.readouterr()
    trained = train_classifier("films.csv", drop_suspicious=4, baseline=False, **TINY_TRAINING)
    printed = capsys.readouterr().out
    dropped = int(printed.split("Dropped ")[1].split()[0])
    assert f"of {95 - dropped} texts" in printed  # 119 rows, of which 12 become validation and 12 test rows
    others = 4 - dropped
    assert (f"{others} more of the first 4 are validation or test rows" in printed) == (others > 0)
    assert "Dropped" in (trained.folder / "README.md").read_text(encoding="utf-8")


def test_options_without_effect_are_refused(planted, tmp_path):
    with pytest.raises(ValueError, match="--hidden_size is an option of the recurrent classifier: add --models rec"):
        audit(planted, output_dir=tmp_path, hidden_size=8)
    with pytest.raises(ValueError, match="does not have the option --min_precision"):
        audit(planted, output_dir=tmp_path, min_precision=["good=0.9"])
    with pytest.raises(ValueError, match="does not have the option --prefixes"):
        audit(planted, output_dir=tmp_path, prefixes=True)
