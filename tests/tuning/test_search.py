from concurrent.futures.process import BrokenProcessPool
from types import SimpleNamespace

import pytest
from helpers import tiny_corpus
from optuna.trial import TrialState

from hf_lstm.training import ClassifierTrainingArguments, DataArguments, ModelArguments
from hf_lstm.tuning.limits import Budget, Cost, Limits, TooSlow
from hf_lstm.tuning.search import Search, check_limits, first_parameters
from hf_lstm.tuning.search_space import RECIPES, SMALLEST, Groups, options_of
from hf_lstm.tuning.study import open_study
from hf_lstm.tuning.trials import Candidate

GIVEN = Groups(DataArguments(), ModelArguments(), ClassifierTrainingArguments(""))


class FakeTrials:
    """Trains nothing: the metric of a model depends on its options, and a training takes 10 seconds."""

    def __init__(self, limits=None, parts=1):
        self.given, self.limits, self.now = GIVEN, limits or Limits(), 0.0
        self.parts, self.is_cross_validated = [SimpleNamespace(corpus=tiny_corpus())] * parts, parts > 1
        self.trained, self.kept, self.on_train = [], {}, lambda options, watch: None
        self.work, self.is_kept, self.keep = None, self.kept.__contains__, self.kept.__setitem__

    def propose(self, parameters):
        options = options_of(parameters)
        return Candidate(options, Cost(8.0 if "hidden_size" not in options else 2.0, 1.0))

    def train(self, part, options, watch):
        self.on_train(options, watch)
        value = 0.8 if options.get("cell_type") == "gru" else 0.7
        for epoch in range(1, 11):
            self.now += 1
            watch.report(epoch / 10, {"eval_accuracy": value - 0.3 * ("pooling" in options)})
        self.trained.append(dict(options))
        return SimpleNamespace(value=value)


@pytest.fixture
def make_search(tmp_path):
    def make(trials: FakeTrials, seconds: float = 75) -> Search:
        study = open_study(tmp_path, {}, first_parameters(trials), True)
        return Search(trials, study, "accuracy", True, Budget(seconds, lambda: trials.now))

    return make


def outcomes(search) -> list[str]:
    return [row.outcome for row in search.rows]


def test_recipes_are_trained_until_the_time_is_over(make_search, capsys):
    trials = FakeTrials()
    search = make_search(trials, 38)
    best = search.run()
    # After three trials, 8 of 38 seconds are left, which may be enough for a fourth of 10.
    assert trials.trained == [options_of(recipe) for recipe in RECIPES[:4]]
    assert (best.number, best.value, best.seconds) == (1, 0.8, 10.0)
    assert trials.kept[1].value == 0.8
    assert capsys.readouterr().out.count("trial ") == 4


def test_a_trial_below_the_median_is_pruned(make_search):
    trials = FakeTrials()
    search = make_search(trials)
    search.run()
    # Max pooling, the fifth recipe, is compared with four trials from the third stage on.
    pruned = search.rows[4]
    assert pruned.options["pooling"] == "max" and (pruned.outcome, pruned.seconds) == ("pruned", 3.0)
    assert pruned.value == pytest.approx(0.5)


def test_models_above_a_limit_are_not_trained(make_search):
    trials = FakeTrials(Limits(megabytes=5.0))
    search = make_search(trials, 8)
    search.run()
    assert outcomes(search) == ["too large"] * 5 + ["complete"] and trials.trained == [options_of(RECIPES[5])]
    assert options_of(first_parameters(trials)[-1]) == SMALLEST


def test_limits_that_no_model_meets_are_refused():
    check_limits(FakeTrials(Limits(megabytes=2.0)))
    with pytest.raises(ValueError, match="the smallest one has 2 MB and needs 1 ms for a text"):
        check_limits(FakeTrials(Limits(megabytes=1.9)))


def test_the_first_training_is_shortened_to_fit(make_search):
    trials = FakeTrials()

    def on_train(options, watch):
        if not watch.must_finish:
            raise TooSlow(3, 10)

    trials.on_train = on_train
    search = make_search(trials, 8)
    best = search.run()
    assert best.options == {"num_train_epochs": 3} and trials.trained == [{"num_train_epochs": 3}]


def test_later_trainings_that_do_not_fit_are_tried_again_with_more_time(make_search):
    trials = FakeTrials()

    def on_train(options, watch):
        if options.get("cell_type") == "gru":
            trials.now += 20
            raise TooSlow(3, 10)

    trials.on_train = on_train
    search = make_search(trials, 29)
    search.run()
    assert outcomes(search) == ["complete", "no time"]
    trials.on_train = lambda options, watch: None
    again = make_search(trials, 200)
    again.run()
    assert {"cell_type": "gru"} in trials.trained[1:] and {} not in trials.trained[1:]


def test_a_later_training_is_shortened_if_half_of_its_epochs_fit(make_search):
    trials = FakeTrials()

    def on_train(options, watch):
        assert not watch.must_finish
        if options.get("cell_type") == "gru" and "num_train_epochs" not in options:
            raise TooSlow(5, 10)
        if options.get("adversarial_size") == 0.0:
            raise TooSlow(5, 10)  # although it is shortened

    trials.on_train = on_train
    search = make_search(trials, 24)
    search.run()
    assert search.rows[2].options == {"cell_type": "gru", "num_train_epochs": 5}
    assert outcomes(search)[:3] == ["complete", "no time", "complete"]
    longer = make_search(trials, 100)
    longer.run()
    assert [row.outcome for row in longer.rows if row.options.get("adversarial_size") == 0.0][0] == "no time"


def test_a_stage_is_reported_once(make_search, recwarn):
    trials = FakeTrials()

    def on_train(options, watch):
        watch.report(0.11, {"eval_accuracy": 0.1})
        watch.report(0.12, {"eval_accuracy": 0.2})

    trials.on_train = on_train
    search = make_search(trials, 8)
    search.run()
    assert search.study.trials[0].intermediate_values[1] == 0.1
    assert not [warning for warning in recwarn if "already reported" in str(warning.message)]


def test_a_resumed_search_reserves_the_time_to_train_the_best_again(make_search):
    trials = FakeTrials()
    make_search(trials, 18).run()
    assert len(trials.trained) == 2
    trials.kept.clear()
    make_search(trials, 19).run()  # 15 seconds are reserved until a better trial of this process is found
    assert len(trials.trained) == 2


def test_cross_validation_trains_on_each_fold(make_search):
    trials = FakeTrials(parts=3)
    search = make_search(trials, 40)
    best = search.run()
    assert len(trials.trained) == 3 and best.seconds == 30 and not trials.kept
    assert search.left == search.budget.left - 15


def test_a_failed_trial_does_not_end_the_search_but_a_failed_first_one_does(make_search):
    trials = FakeTrials()

    def on_train(options, watch):
        if options.get("cell_type") == "gru":
            trials.now += 5
            raise ValueError("The loss is\ninfinite.")

    trials.on_train = on_train
    search = make_search(trials, 18)
    search.run()
    assert outcomes(search)[1] == "failed: The loss is infinite"


def test_an_error_of_the_first_trial_is_raised(make_search):
    trials = FakeTrials()
    trials.on_train = lambda options, watch: (_ for _ in ()).throw(ValueError("Remove the option."))
    with pytest.raises(ValueError, match=r"Remove the option\."):
        make_search(trials).run()


def test_a_failed_trial_does_not_end_the_search_while_the_first_one_runs(make_search):
    trials = FakeTrials()
    trials.on_train = lambda options, watch: (_ for _ in ()).throw(ValueError("The vocabulary is too small."))
    search = make_search(trials)
    first = search.study.ask()
    assert search.run_trial(1).outcome == "failed: The vocabulary is too small"
    search.study.tell(first, state=TrialState.FAIL)
    with pytest.raises(ValueError, match="too small"):
        search.run_trial(2)


def test_ctrl_c_keeps_the_best(make_search, capsys):
    trials = FakeTrials()

    def on_train(options, watch):
        if options:
            raise KeyboardInterrupt

    trials.on_train = on_train
    search = make_search(trials)
    assert search.run().number == 0 and "the same command continues" in capsys.readouterr().out
    assert outcomes(search) == ["complete", "interrupted"]


def test_ctrl_c_before_the_first_result_ends_the_program(make_search):
    trials = FakeTrials()
    trials.on_train = lambda options, watch: (_ for _ in ()).throw(KeyboardInterrupt)
    with pytest.raises(KeyboardInterrupt):
        make_search(trials).run()


def test_a_dead_process_ends_the_search_and_the_best_is_kept(make_search, capsys):
    trials = FakeTrials()

    def on_train(options, watch):
        if options:
            raise BrokenProcessPool

    trials.on_train = on_train
    assert make_search(trials).run().number == 0
    assert "Warning: The search ends because one of its processes was ended" in capsys.readouterr().out


def test_baseline_is_the_mean_of_the_folds(make_search):
    single, folds = make_search(FakeTrials()), make_search(FakeTrials(parts=2))
    assert single.baseline() == pytest.approx(folds.baseline()) and 0.5 < single.baseline() <= 1
