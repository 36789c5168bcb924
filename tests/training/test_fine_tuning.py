import copy

import pytest
import torch
from helpers import prepare_training, tiny_corpus, training_arguments
from transformers import TrainerCallback

from hf_lstm.data.batching import tokenize_corpus
from hf_lstm.training.arguments import ModelArguments
from hf_lstm.training.building import build_model, build_tokenizer
from hf_lstm.training.defaults import resolve_defaults
from hf_lstm.training.fine_tuning import split_groups
from hf_lstm.training.trainer import build_trainer

# From the head to the embeddings.
PARTS = ("classifier", "model.layers.1", "model.layers.0", "model.embed_tokens")


def depth_of(name: str) -> int:
    return next(depth for depth, part in enumerate(PARTS) if name.startswith(part))


def make_trainer(folder, **fields):
    corpus = tiny_corpus()  # 40 training texts: 5 batches of 8
    torch.manual_seed(0)
    sizes = {"embedding_size": 6, "hidden_size": 5, "num_hidden_layers": 2, "bidirectional": False}
    model_args = ModelArguments(**sizes, embedding_dropout=0.1)
    tokenizer = build_tokenizer(corpus.splits["train"]["text"], model_args)
    splits = tokenize_corpus(corpus.splits, tokenizer)
    plain = {"load_best_model_at_end": False, "early_stopping_patience": 0, "average_decay": 0.0}
    args = training_arguments(
        folder, **plain | {"num_train_epochs": 5, "learning_rate": 1e-2, "warmup_steps": 0} | fields
    )
    resolved = resolve_defaults(splits, corpus.problem_type, model_args, args)
    return build_trainer(build_model(corpus, splits, tokenizer, resolved.model), tokenizer, splits, resolved.training)


class Recorder(TrainerCallback):
    """Records the weights at the start and after each step, and stops the training after step `stop`."""

    def __init__(self, model, stop: int | None = None):
        self.model, self.stop = model, stop
        self.weights = [copy.deepcopy(model.state_dict())]

    def on_step_end(self, args, state, control, **kwargs):
        self.weights.append(copy.deepcopy(self.model.state_dict()))
        control.should_training_stop = control.should_training_stop or state.global_step == self.stop


def unfreeze(folder, **fields) -> list[dict]:
    """Train with gradual unfreezing. Return the weights at the start and after each step."""
    trainer = make_trainer(folder, gradual_unfreezing=True, save_strategy="no", **fields)
    recorder = Recorder(trainer.model)
    trainer.add_callback(recorder)
    trainer.train()
    return recorder.weights


def changed_parts(before: dict, after: dict) -> set[int]:
    return {depth_of(name) for name, value in before.items() if not torch.equal(value, after[name])}


def test_learning_rate_decreases_by_layer(tmp_path):
    trainer = make_trainer(tmp_path, layer_decay=0.5, weight_decay=0.2)
    optimizer = trainer.create_optimizer()
    names = {parameter: name for name, parameter in trainer.model.named_parameters()}
    rates, decays = {}, {}
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            assert names[parameter] not in rates
            rates[names[parameter]], decays[names[parameter]] = group["lr"], group["weight_decay"]
    assert rates == pytest.approx({name: 1e-2 * 0.5 ** depth_of(name) for name in names.values()})
    assert decays == {name: 0.0 if "bias" in name else 0.2 for name in names.values()}
    scheduler = trainer.create_scheduler(20, optimizer)
    optimizer.step()
    scheduler.step()
    for group in optimizer.param_groups:
        depth = depth_of(names[group["params"][0]])
        assert group["lr"] == pytest.approx(1e-2 * 0.5**depth * 19 / 20)


def test_split_groups_keep_the_other_options():
    first, second, third = (torch.nn.Parameter(torch.zeros(1)) for _ in range(3))
    optimizer = torch.optim.AdamW(
        [{"params": [first, third], "weight_decay": 0.3}, {"params": [second], "betas": (0.5, 0.6)}], lr=1.0
    )
    split_groups(optimizer, [[first, second], [third]], learning_rate=2.0, layer_decay=0.1)
    found = [(group["params"], group["lr"], group["weight_decay"], group["betas"]) for group in optimizer.param_groups]
    assert found == [
        ([first], 2.0, 0.3, (0.9, 0.999)),
        ([third], 0.2, 0.3, (0.9, 0.999)),
        ([second], 2.0, 0.01, (0.5, 0.6)),
    ]


def test_optimizer_is_the_stock_one_by_default(tmp_path):
    trainer, _, _ = prepare_training(tmp_path)
    assert [group["lr"] for group in trainer.create_optimizer().param_groups] == [3e-3, 3e-3]


@pytest.mark.parametrize("layer_decay", [1.0, 0.5])
def test_each_epoch_unfreezes_one_layer(tmp_path, layer_decay):
    weights = unfreeze(tmp_path, layer_decay=layer_decay)
    assert len(weights) == 1 + 25
    for step in range(25):
        moved = changed_parts(weights[step], weights[step + 1])
        assert moved == set(range(min(4, 1 + step // 5))), step


def test_epochs_are_counted_correctly_with_gradient_accumulation(tmp_path):
    weights = unfreeze(tmp_path, gradient_accumulation_steps=2, num_train_epochs=4)
    assert len(weights) == 1 + 4 * 3  # 5 batches are 3 steps
    for step in range(12):
        assert changed_parts(weights[step], weights[step + 1]) == set(range(1 + step // 3)), step


def test_default_number_of_epochs_unfreezes_all_layers(tmp_path, monkeypatch):
    monkeypatch.setattr("hf_lstm.training.defaults.default_epochs", lambda *args, **kwargs: 2)
    for gradual, epochs in ((True, 4), (False, 2)):
        trainer = make_trainer(tmp_path, gradual_unfreezing=gradual, num_train_epochs=None)
        assert trainer.args.num_train_epochs == epochs


def test_max_steps_does_not_change_the_length_of_an_epoch(tmp_path):
    weights = unfreeze(tmp_path, max_steps=10, num_train_epochs=5)
    assert changed_parts(weights[0], weights[5]) == {0}
    assert changed_parts(weights[5], weights[10]) == {0, 1}


def test_weight_decay_does_not_change_frozen_layers(tmp_path):
    trainer = make_trainer(tmp_path, gradual_unfreezing=True, weight_decay=0.9, save_strategy="no")
    recorder = Recorder(trainer.model, stop=4)
    trainer.add_callback(recorder)
    trainer.train()
    assert changed_parts(recorder.weights[0], recorder.weights[-1]) == {0}


@pytest.mark.parametrize("average_decay", [0.0, 0.9])
def test_resumed_training_gives_the_same_weights(tmp_path, average_decay):
    def train(folder, stop=None, resume=None):
        saves = {"save_strategy": "steps", "save_steps": 7, "eval_strategy": "no", "save_total_limit": None}
        fields = {"gradual_unfreezing": True, "layer_decay": 0.7, "num_train_epochs": 3, "average_decay": average_decay}
        trainer = make_trainer(folder, **fields, **saves)
        recorder = Recorder(trainer.model, stop)
        trainer.add_callback(recorder)
        trainer.train(resume_from_checkpoint=resume)
        return trainer.model, recorder

    whole, _ = train(tmp_path / "whole")
    train(tmp_path / "stopped", stop=9)
    model, recorder = train(tmp_path / "stopped", resume=str(tmp_path / "stopped" / "checkpoint-7"))
    assert len(recorder.weights) == 1 + 15 - 7
    for name, value in whole.state_dict().items():
        torch.testing.assert_close(model.state_dict()[name], value, atol=1e-7, rtol=0)


def test_gradual_unfreezing_requires_a_schedule_of_steps(tmp_path):
    trainer = make_trainer(tmp_path, gradual_unfreezing=True, lr_scheduler_type="reduce_lr_on_plateau")
    with pytest.raises(ValueError, match="cannot be used with `lr_scheduler_type` reduce_lr_on_plateau"):
        trainer.create_optimizer_and_scheduler(num_training_steps=10)
