import optuna
import pytest
from optuna.trial import TrialState

from hf_lstm.tuning.study import INTERRUPTED, STUDY_FILE, TrialRow, best_row, open_study, record_trial, study_rows

CHOICES = {"cell_type": (None, "gru"), "pooling": (None, "max")}
RECIPES = [{"cell_type": None, "pooling": None}, {"cell_type": "gru", "pooling": None}]


def row(number=0, outcome="complete", value=0.5, megabytes=1.0) -> TrialRow:
    return TrialRow(number, {}, outcome, value, megabytes, 1.0, 2.0)


def ask(study):
    trial = study.ask()
    return trial, {name: trial.suggest_categorical(name, values) for name, values in CHOICES.items()}


def test_recipes_come_first_and_a_study_is_resumed(tmp_path):
    study = open_study(tmp_path, {"rows": 5}, RECIPES, True)
    trial, parameters = ask(study)
    assert parameters == RECIPES[0]
    record_trial(study, trial, row())
    ask(study)  # its process is killed
    again = open_study(tmp_path, {"rows": 5}, RECIPES, True)
    assert study_rows(again) == [row()]
    assert again.trials[1].state == TrialState.FAIL
    assert ask(again)[1] == RECIPES[1]
    assert again.direction == optuna.study.StudyDirection.MAXIMIZE


def test_interrupted_trials_are_started_again(tmp_path):
    study = open_study(tmp_path, {}, RECIPES, False)
    trial, _ = ask(study)
    record_trial(study, trial, row(outcome=INTERRUPTED, value=None))
    again = open_study(tmp_path, {}, RECIPES, False)
    assert [ask(again)[1], ask(again)[1]] == [RECIPES[1], RECIPES[0]]


def test_other_data_are_refused(tmp_path):
    open_study(tmp_path, {"rows": 5, "options": {"a": (1,)}}, RECIPES, True)
    open_study(tmp_path, {"rows": 5, "options": {"a": [1]}}, RECIPES, True)
    with pytest.raises(ValueError, match=rf"\(different: rows\).*delete .*{STUDY_FILE}"):
        open_study(tmp_path, {"rows": 6, "options": {"a": [1]}}, RECIPES, True)


def test_the_best_trial_is_the_smallest_of_the_best():
    rows = [row(0, value=0.8), row(1, value=0.9, megabytes=3), row(2, value=0.9, megabytes=2), row(3, "pruned", 0.95)]
    assert best_row(rows, True).number == 2
    assert best_row(rows, False).number == 0
    assert best_row(rows[3:], True) is None
    assert best_row([row(3), row(2)], True).number == 2  # the third trial may finish first
