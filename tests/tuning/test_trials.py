import time

import pytest
from helpers import SIZES, tiny_corpus

from hf_lstm.training import ClassifierTrainingArguments, DataArguments, ModelArguments
from hf_lstm.tuning.limits import Limits, TooSlow, Watch
from hf_lstm.tuning.search_space import Groups
from hf_lstm.tuning.trials import Trials


@pytest.fixture
def make_trials(tmp_path):
    def make(limits=None, **options) -> Trials:
        fields = {"num_train_epochs": 2.0, "bf16": False, "disable_tqdm": True, "per_device_train_batch_size": 8}
        args = ClassifierTrainingArguments(str(tmp_path / "run"), **fields | options)
        given = Groups(DataArguments(), ModelArguments(**SIZES), args)
        return Trials(tiny_corpus(), [], given, limits or Limits(), tmp_path / "work")

    return make


def never_ends() -> Watch:
    return Watch(lambda *_: None, 1e6, time.perf_counter, must_finish=True)


def test_cost_is_that_of_the_saved_weights(make_trials, tmp_path):
    trials = make_trials()
    candidate = trials.propose({"cell_type": "gru", "hidden_size": None})
    trained = trials.train(trials.whole, candidate.options, never_ends())
    trained.trainer.model.save_pretrained(tmp_path / "saved")
    saved = (tmp_path / "saved" / "model.safetensors").stat().st_size
    assert candidate.options == {"cell_type": "gru"}
    assert candidate.cost.megabytes * 1e6 == pytest.approx(saved, rel=0.25)  # the file has a header of its own
    assert candidate.cost.megabytes * 1e6 == 4 * trained.trainer.model.num_parameters()
    assert 0 < candidate.cost.latency_ms < 1e4


def test_weights_are_halved_only_if_they_are_too_large(make_trials):
    large = make_trials().propose({}).cost.megabytes
    halved = make_trials(Limits(megabytes=0.75 * large)).propose({})
    assert halved.options == {"half_weights": True} and halved.cost.megabytes == pytest.approx(large / 2)
    assert make_trials(Limits(megabytes=1.01 * large)).propose({}).options == {}


def test_epochs_are_relative_to_the_default(make_trials):
    trials = make_trials(num_train_epochs=None)
    assert trials.propose({"num_train_epochs": 0.5}).options == {"num_train_epochs": 15}
    assert trials.propose({"num_train_epochs": None}).options == {}


def test_training_again_gives_the_same_model_and_leaves_no_checkpoint(make_trials, tmp_path, capsys):
    trials = make_trials()
    first, second = (trials.train(trials.whole, {"cell_type": "gru"}, never_ends()) for _ in range(2))
    weights = second.trainer.model.state_dict()
    assert all((weight == weights[name]).all() for name, weight in first.trainer.model.state_dict().items())
    assert (
        first.value
        == second.value
        == max(entry["eval_accuracy"] for entry in first.trainer.state.log_history if "eval_accuracy" in entry)
    )
    assert not list(tmp_path.rglob("checkpoint*")) and capsys.readouterr().out == ""


def test_a_kept_training_is_restored_if_its_tokenizer_can_be_trained_again(make_trials, tmp_path):
    trials = make_trials()
    (tmp_path / "work").mkdir(exist_ok=True)
    assert trials.restore(3, {}) is None and not trials.is_kept(3)
    trained = trials.train(trials.whole, {"cell_type": "gru"}, never_ends())
    trials.keep(3, trained)
    restored = trials.restore(3, {"cell_type": "gru"})
    weights = trained.trainer.model.state_dict()
    assert all((weight == weights[name]).all() for name, weight in restored.trainer.model.state_dict().items())
    assert restored.trainer.state.log_history == trained.trainer.state.log_history
    assert (restored.value, restored.notes) == (trained.value, trained.notes) and trials.is_kept(3)
    saved = tmp_path / "work" / "trial-3" / "tokenizer.json"
    saved.write_text(saved.read_text().replace('"good"', '"other"'))
    assert trials.restore(3, {"cell_type": "gru"}) is None


def test_a_stopped_training_is_noted_and_a_slow_one_is_ended(make_trials):
    ticks = iter(range(0, 10_000, 100))
    trials = make_trials()
    stopped = trials.train(trials.whole, {}, Watch(lambda *_: None, 1, lambda: next(ticks), must_finish=True))
    assert stopped.notes[-1] == "The training was stopped after 1 epochs, because the time was over."
    with pytest.raises(TooSlow):
        trials.train(trials.whole, {"num_train_epochs": 20.0}, Watch(lambda *_: None, 1, lambda: next(ticks), False))
