import pytest
import torch
from datasets import Dataset
from transformers import Trainer, TrainerCallback, TrainingArguments
from transformers.integrations import WandbCallback

from hf_lstm import LstmForSequenceClassification
from hf_lstm.data.batching import ClassifierCollator
from hf_lstm.training.arguments import ClassifierTrainingArguments
from hf_lstm.training.callbacks import EpochLines, ParameterAveraging, add_callbacks, report_results


class Recorder(TrainerCallback):
    """Records the raw weights after every step, before the averaging callback runs."""

    def __init__(self):
        self.weights = []

    def on_step_end(self, args, state, control, model=None, **kwargs):
        self.weights.append(model.classifier.weight.detach().clone())


def rows(count: int = 24) -> Dataset:
    ids = torch.randint(4, 40, (count, 6), generator=torch.Generator().manual_seed(1))
    return Dataset.from_dict({"input_ids": ids.tolist(), "labels": [i % 2 for i in range(count)]})


def train(tiny_config, folder, decay=0.9, resume=None, stop_after=None, **arguments):
    torch.manual_seed(0)
    model = LstmForSequenceClassification(tiny_config(input_dropout=0.2))
    args = TrainingArguments(
        output_dir=str(folder),
        num_train_epochs=3,
        per_device_train_batch_size=8,
        learning_rate=1e-2,
        remove_unused_columns=False,
        disable_tqdm=True,
        use_cpu=True,
        **arguments,
    )
    recorder = Recorder()
    trainer = Trainer(
        model=model, args=args, train_dataset=rows(), eval_dataset=rows(8), data_collator=ClassifierCollator(0)
    )
    trainer.add_callback(recorder)
    trainer.add_callback(ParameterAveraging(decay))
    if stop_after:
        trainer.add_callback(StopAfter(stop_after))
    trainer.train(resume_from_checkpoint=resume)
    return model, recorder.weights


class StopAfter(TrainerCallback):
    def __init__(self, epochs: int):
        self.epochs = epochs

    def on_epoch_end(self, args, state, control, **kwargs):
        control.should_training_stop = state.epoch >= self.epochs


def average_of(weights: list[torch.Tensor], decay: float) -> torch.Tensor:
    average = weights[0]
    for step, weight in enumerate(weights, start=1):
        factor = min(decay, (1 + step) / (10 + step))
        average = factor * average + (1 - factor) * weight
    return average


@pytest.mark.parametrize("strategy", ["no", "epoch", "steps"])
def test_final_weights_are_the_average_over_the_steps(tiny_config, tmp_path, strategy):
    steps = {"eval_steps": 2, "save_steps": 4} if strategy == "steps" else {}
    model, weights = train(tiny_config, tmp_path, eval_strategy=strategy, save_strategy=strategy, **steps)
    assert len(weights) == 9
    torch.testing.assert_close(model.classifier.weight.detach(), average_of(weights, 0.9))
    assert not torch.equal(model.classifier.weight, weights[-1])


def test_averaging_does_not_change_the_raw_weights(tiny_config, tmp_path):
    _, averaged = train(tiny_config, tmp_path / "a", eval_strategy="epoch", save_strategy="epoch")
    # With a decay of almost 0, the average is the raw weights.
    _, plain = train(tiny_config, tmp_path / "b", decay=1e-9, eval_strategy="epoch", save_strategy="epoch")
    for one, other in zip(averaged, plain, strict=True):
        torch.testing.assert_close(one, other, atol=1e-6, rtol=0)


def test_best_checkpoint_is_averaged(tiny_config, tmp_path):
    model, weights = train(
        tiny_config, tmp_path, eval_strategy="epoch", save_strategy="epoch", load_best_model_at_end=True
    )
    candidates = [average_of(weights[:steps], 0.9) for steps in (3, 6, 9)]
    assert any(torch.allclose(model.classifier.weight, candidate, atol=1e-6) for candidate in candidates)


def test_resumed_training_gives_the_same_weights(tiny_config, tmp_path):
    strategies = {"eval_strategy": "epoch", "save_strategy": "epoch"}
    whole, _ = train(tiny_config, tmp_path / "whole", **strategies)
    train(tiny_config, tmp_path / "cut", stop_after=2, **strategies)
    resumed, _ = train(tiny_config, tmp_path / "cut", resume=str(tmp_path / "cut" / "checkpoint-6"), **strategies)
    for name, value in whole.state_dict().items():
        torch.testing.assert_close(resumed.state_dict()[name], value, atol=1e-7, rtol=0)


def test_decay_out_of_range_is_rejected():
    with pytest.raises(ValueError, match="between 0 and 1, got 1.0"):
        ParameterAveraging(1.0)


class NoLogin(WandbCallback):
    """A tracker whose user is not logged in, and whose server does not answer."""

    def __init__(self):
        self._wandb = None

    def setup(self, args, state, model, **kwargs):
        raise ConnectionError("No API key\nconfigured.")

    def on_log(self, args, state, control, model=None, logs=None, **kwargs):
        self.setup(args, state, model)


@pytest.fixture
def tracked(tiny_config, tmp_path) -> Trainer:
    options = {"eval_strategy": "no", "load_best_model_at_end": False, "report_to": "none", "use_cpu": True}
    args = ClassifierTrainingArguments(output_dir=str(tmp_path), **options)
    return Trainer(model=LstmForSequenceClassification(tiny_config()), args=args, callbacks=[NoLogin()])


def test_a_tracker_that_cannot_start_is_reported_in_one_sentence(tracked):
    with pytest.raises(ValueError, match=r"^`report_to` cannot be used: No API key configured\.$"):
        add_callbacks(tracked, EpochLines())


def test_a_finished_training_is_not_lost_when_a_tracker_fails(tracked, capsys):
    tracked.args.report_to = ["wandb"]
    report_results(tracked, {"test_accuracy": 0.5}, [])
    assert capsys.readouterr().out == (
        "Warning: the results could not be sent to the trackers of `report_to` (No API key configured).\n"
    )
