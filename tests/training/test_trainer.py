import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from datasets import DatasetDict
from helpers import SIZES, build_classifier, prepare_training, tiny_corpus, training_arguments
from huggingface_hub import ModelCard
from transformers import EvalPrediction

from hf_lstm import LstmConfig, LstmForSequenceClassification
from hf_lstm.data.batching import ClassifierCollator
from hf_lstm.data.corpus import Corpus
from hf_lstm.inference.loading import load_model_and_tokenizer
from hf_lstm.inference.prediction import predict_logits, predict_texts
from hf_lstm.knowledge import train_vectors
from hf_lstm.training.arguments import ModelArguments
from hf_lstm.training.checkpoints import save_classifier
from hf_lstm.training.trainer import _validation_metrics, build_trainer


def test_classifiers_start_from_vectors_and_have_an_adversary(tmp_path, monkeypatch):
    trainer, _, splits = prepare_training(tmp_path, num_train_epochs=None)
    assert (trainer.args.adversarial_size, trainer.args.num_train_epochs) == (0.5, 30) and trainer.adversary is not None
    config, weights = trainer.model.config, trainer.model.get_input_embeddings().weight.detach()
    vectors = train_vectors(splits["train"]["input_ids"][:], config.vocab_size, config.embedding_size)
    good, bad, unknown = trainer.processing_class.convert_tokens_to_ids(["good", "bad", "[UNK]"])
    expected = torch.from_numpy(vectors[[good, bad]]) * config.initializer_range
    torch.testing.assert_close(weights[[good, bad]], expected)
    assert weights[unknown].abs().sum() > 0 and (weights[0] == 0).all()
    monkeypatch.setattr("hf_lstm.training.defaults.LARGE_CORPUS_TOKENS", 100)
    large, _, _ = prepare_training(tmp_path, adversarial_size=0.0)
    assert large.adversary is None and large.model.config.embedding_dropout == 0.3


def test_adversarial_training_adds_the_gradient_of_the_adversarial_batch(tmp_path):
    def gradients(size):
        torch.manual_seed(0)
        trainer, _, splits = prepare_training(tmp_path, adversarial_size=size)
        model = trainer.model
        for dropout in ("embedding_dropout", "input_dropout"):
            setattr(model.config, dropout, 0)
        model.dropout.p = 0
        batch = trainer.data_collator([splits["train"][i] for i in range(4)])
        trainer.create_optimizer()
        trainer.current_gradient_accumulation_steps = 1
        trainer.training_step(model, batch)
        return [parameter.grad for parameter in model.parameters()], model, batch

    plain, model, batch = gradients(0.0)
    model.zero_grad()
    embedded = model.get_input_embeddings()(batch["input_ids"]).detach().requires_grad_()
    mask, labels = batch["attention_mask"], batch["labels"]
    model(inputs_embeds=embedded, attention_mask=mask, labels=labels).loss.backward()
    unit = model.get_input_embeddings().weight.detach().norm(dim=1).mean()
    step = 0.7 * unit * embedded.grad / embedded.grad.norm(dim=(1, 2), keepdim=True)
    model.zero_grad()
    attacked = model.get_input_embeddings()(batch["input_ids"]) + step
    model(inputs_embeds=attacked, attention_mask=mask, labels=labels).loss.backward()
    both, _, _ = gradients(0.7)
    for first, second, parameter in zip(plain, both, model.parameters(), strict=True):
        torch.testing.assert_close(second, first + parameter.grad, atol=1e-6, rtol=1e-4)


def test_collator_pads_and_keeps_only_what_the_model_takes():
    rows = [{"input_ids": [5, 6], "labels": 1, "length": 2}, {"input_ids": [7], "labels": 0, "length": 1}]
    batch = ClassifierCollator(3)(rows)
    assert batch["input_ids"].tolist() == [[5, 6], [7, 3]] and batch["attention_mask"].tolist() == [[1, 1], [1, 0]]
    assert batch["labels"].dtype == torch.int64 and set(batch) == {"input_ids", "attention_mask", "labels"}
    assert ClassifierCollator(0)([{"input_ids": [1], "labels": [0.0, 1.0]}])["labels"].dtype.is_floating_point


@pytest.mark.parametrize("problem_type", ["single_label_classification", "multi_label_classification", "regression"])
def test_training_learns_and_saves_one_folder(tmp_path, problem_type):
    keep_last = {"load_best_model_at_end": False, "early_stopping_patience": 0}
    trainer, corpus, splits = prepare_training(
        tmp_path, problem_type, num_train_epochs=40, learning_rate=2e-2, **keep_last
    )
    trainer.train()
    model = save_classifier(trainer, splits["validation"]).model
    names = {path.name for path in tmp_path.iterdir()}
    assert {"config.json", "model.safetensors", "tokenizer.json"} <= names
    assert not any(name.startswith("checkpoint") or name.endswith((".bin", ".pt")) for name in names)

    loaded, tokenizer = load_model_and_tokenizer(str(tmp_path))
    assert loaded.config.threshold == model.config.threshold
    logits = predict_texts(loaded, tokenizer, corpus.splits["train"]["text"][:])
    labels = np.array(corpus.splits["train"]["labels"][:])
    if problem_type == "single_label_classification":
        assert (logits.argmax(1) == labels).mean() > 0.9
    elif problem_type == "multi_label_classification":
        assert ((logits > 0) == labels).mean() > 0.9
    else:
        assert np.square(logits[:, 0] - labels).mean() < labels.var() / 2


@pytest.mark.filterwarnings("error::FutureWarning")
def test_validation_texts_are_sorted_by_length_without_a_warning(tmp_path):
    trainer, _, splits = prepare_training(tmp_path)
    lengths = splits["validation"]["length"][:]
    assert trainer.eval_dataset["length"][:] == sorted(lengths) != lengths


def test_predictions_keep_the_order_of_the_rows(tmp_path):
    trainer, _, splits = prepare_training(tmp_path)
    predicted = trainer.predict(splits["train"])
    np.testing.assert_array_equal(predicted.label_ids, splits["train"]["labels"][:])
    expected = predict_logits(trainer.model, splits["train"]["input_ids"][:])
    np.testing.assert_allclose(predicted.predictions, expected, atol=1e-5)


def test_best_checkpoint_is_chosen_by_the_main_metric(tmp_path):
    for problem_type, metric, greater in (
        ("single_label_classification", "accuracy", True),
        ("multi_label_classification", "f1_macro", True),
        ("regression", "mse", False),
    ):
        trainer, _, _ = prepare_training(tmp_path / problem_type, problem_type)
        assert (trainer.args.metric_for_best_model, trainer.args.greater_is_better) == (metric, greater)


def test_of_equally_good_checkpoints_the_one_with_the_lower_loss_is_kept(tmp_path):
    trainer, _, _ = prepare_training(tmp_path)
    evaluations = [(0.5, 0.9), (0.8, 0.7), (0.8, 0.4), (0.8, 0.5), (0.7, 0.1)]
    best = []
    for step, (accuracy, loss) in enumerate(evaluations, start=1):
        metrics = {"eval_accuracy": accuracy, "eval_loss": loss}
        trainer.state.global_step = step
        trainer.state.log_history.append(metrics | {"step": step})
        trainer._determine_best_metric(metrics, None)
        best.append(trainer.state.best_global_step)
    assert best == [1, 2, 3, 3, 3]


def test_gradient_accumulation_scales_the_loss_right(tmp_path):
    """Two half batches give the gradient of the whole one, for every loss."""
    for problem_type in ("single_label_classification", "multi_label_classification", "regression"):
        norms = []
        for batch_size, steps in ((8, 1), (4, 2)):
            torch.manual_seed(0)
            trainer, _, _ = prepare_training(
                tmp_path / f"{problem_type}{steps}",
                problem_type,
                per_device_train_batch_size=batch_size,
                gradient_accumulation_steps=steps,
                max_steps=1,
                train_sampling_strategy="sequential",
                logging_strategy="steps",
                logging_steps=1,
            )
            for dropout in ("embedding_dropout", "input_dropout"):
                setattr(trainer.model.config, dropout, 0)
            trainer.model.dropout.p = 0
            trainer.train()
            norms.append(next(entry["grad_norm"] for entry in trainer.state.log_history if "grad_norm" in entry))
        assert norms[0] == pytest.approx(norms[1], rel=1e-3), problem_type


def test_overfits_32_examples_to_the_last(tmp_path):
    corpus = tiny_corpus()
    rows = corpus.splits["train"].select(range(32))
    corpus = Corpus(DatasetDict(train=rows, validation=rows), corpus.label_names, corpus.problem_type, ())
    no_dropout = {"embedding_dropout": 0.0, "input_dropout": 0.0, "classifier_dropout": 0.0}
    args = training_arguments(tmp_path, num_train_epochs=40, learning_rate=2e-2, early_stopping_patience=0)
    model, tokenizer, splits, args = build_classifier(corpus, ModelArguments(**SIZES, **no_dropout), args)
    trainer = build_trainer(model, tokenizer, splits, args)
    trainer.train()
    assert isinstance(trainer.model, LstmForSequenceClassification)
    assert trainer.evaluate()["eval_accuracy"] == 1.0


TRAIN = """
import os, signal, sys, torch
from helpers import prepare_training
from transformers import TrainerCallback

torch.manual_seed(0)  # of the initial weights
folder, stop, resume = sys.argv[1], int(sys.argv[2]), sys.argv[3] == "resume"

class Kill(TrainerCallback):
    def on_step_end(self, args, state, control, **kwargs):
        if state.global_step == stop:
            os.kill(os.getpid(), signal.SIGKILL)

trainer, _, _ = prepare_training(folder, num_train_epochs=3, save_strategy="steps", save_steps=7, eval_strategy="no",
                        load_best_model_at_end=False, early_stopping_patience=0)
trainer.add_callback(Kill())
trainer.train(resume_from_checkpoint=resume)
trainer.model.save_pretrained(folder + "/final")
"""


def new_process(command: list, folder: Path) -> subprocess.CompletedProcess:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(Path(__file__).parents[1]), *sys.path])}
    command = list(map(str, [sys.executable, *command]))
    return subprocess.run(command, capture_output=True, text=True, timeout=300, env=environment, cwd=folder)


def test_killed_within_an_epoch_and_resumed_ends_with_the_same_weights(tmp_path):
    """Five steps an epoch, a checkpoint at step 7, killed at step 9: with dropout, averaging and shuffling."""
    whole = new_process(["-c", TRAIN, tmp_path / "whole", 0, "start"], tmp_path)
    assert whole.returncode == 0, whole.stderr
    killed = new_process(["-c", TRAIN, tmp_path / "killed", 9, "start"], tmp_path)
    assert killed.returncode == -signal.SIGKILL
    assert [path.name for path in (tmp_path / "killed").glob("checkpoint-*")] == ["checkpoint-7"]
    resumed = new_process(["-c", TRAIN, tmp_path / "killed", 0, "resume"], tmp_path)
    assert resumed.returncode == 0, resumed.stderr
    expected = LstmForSequenceClassification.from_pretrained(tmp_path / "whole" / "final").state_dict()
    weights = LstmForSequenceClassification.from_pretrained(tmp_path / "killed" / "final").state_dict()
    for name, value in expected.items():
        torch.testing.assert_close(weights[name], value, atol=1e-7, rtol=0)


EVALUATE = """
import json, sys, torch
from helpers import prepare_training

torch.manual_seed(0)
trainer, _, splits = prepare_training(sys.argv[1], per_device_eval_batch_size=3)
figures = trainer.evaluate(splits["train"])
if trainer.is_world_process_zero():
    figures = {name: figures[name] for name in ("eval_loss", "eval_accuracy", "eval_f1_macro", "eval_roc_auc")}
    json.dump(figures, open(sys.argv[1] + "/figures.json", "w"))
trainer.train()
trainer.accelerator.end_training()
"""


def test_two_processes_evaluate_as_one(tmp_path):
    """On 40 rows in batches of 3, so that the last batch is not full and one process gets one batch fewer."""
    (tmp_path / "figures.py").write_text(EVALUATE)
    figures = []
    for name, launcher in (
        ("one", []),
        ("two", ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", 2]),
    ):
        (tmp_path / name).mkdir()
        done = new_process([*launcher, tmp_path / "figures.py", tmp_path / name], tmp_path)
        assert done.returncode == 0, done.stderr
        figures.append(json.loads((tmp_path / name / "figures.json").read_text()))
    assert figures[0] == pytest.approx(figures[1], abs=1e-6)
    torch.manual_seed(0)
    trainer, _, splits = prepare_training(tmp_path / "alone")
    with torch.no_grad():
        losses = [
            trainer.model.eval()(torch.tensor([row["input_ids"]]), labels=torch.tensor([row["labels"]])).loss.item()
            for row in splits["train"]
        ]
    assert figures[0]["eval_loss"] == pytest.approx(np.mean(losses), abs=1e-5)


ROWS = """
import json, sys
from helpers import prepare_training

trainer, _, _ = prepare_training(sys.argv[1], per_device_train_batch_size=int(sys.argv[2]))
loader, epochs = trainer.get_train_dataloader(), []
for epoch in range(2):
    loader.set_epoch(epoch)
    epochs.append([row for batch in loader.batch_sampler for row in batch])
json.dump(epochs, open(f"{sys.argv[1]}/rows-{trainer.args.process_index}.json", "w"))
trainer.accelerator.end_training()
"""


@pytest.mark.slow
@pytest.mark.parametrize(("batch_size", "repeated"), [(5, 0), (8, 8)])
def test_two_processes_train_on_different_rows(tmp_path, batch_size, repeated):
    """40 rows are 8 batches of 5, or 5 batches of 8: an odd number, so that one batch is used twice."""
    (tmp_path / "rows.py").write_text(ROWS)
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", 2]
    done = new_process([*launcher, tmp_path / "rows.py", tmp_path, batch_size], tmp_path)
    assert done.returncode == 0, done.stderr
    first, second = (json.loads((tmp_path / f"rows-{rank}.json").read_text()) for rank in (0, 1))
    for epoch in range(2):
        assert len(first[epoch]) == len(second[epoch]) == (40 + repeated) // 2
        assert set(first[epoch]) | set(second[epoch]) == set(range(40))
    assert first[0] != first[1]


def test_batches_of_one_step_have_similar_lengths(tmp_path, monkeypatch):
    trainer, _, splits = prepare_training(tmp_path, per_device_train_batch_size=5)
    monkeypatch.setattr(type(trainer.args), "world_size", 2)
    rows = splits["train"].select(range(40)).remove_columns("length").add_column("length", list(range(40)))
    steps = np.array(list(trainer._get_train_sampler(rows))).reshape(-1, 10)  # (steps, rows of both processes)
    assert (np.ptp(steps, axis=1) == 9).all()


STEP = """
import sys
import torch
from helpers import prepare_training
from torch.distributed.algorithms.ddp_comm_hooks.default_hooks import allreduce_hook

torch.manual_seed(0)
trainer, _, splits = prepare_training(sys.argv[1], adversarial_size=0.7)
trainer.model.config.embedding_dropout = trainer.model.config.input_dropout = trainer.model.dropout.p = 0
trainer.create_optimizer()
model = trainer.accelerator.prepare(trainer.model)
exchanged = 0
def count(state, bucket):
    global exchanged
    exchanged += bucket.buffer().numel()
    return allreduce_hook(state, bucket)
rank, processes = trainer.args.process_index, trainer.args.world_size
if processes == 2:
    model.register_comm_hook(None, count)
trainer.current_gradient_accumulation_steps = 1
batches = [trainer.data_collator([splits["train"][4 * batch + i] for i in range(4)]) for batch in (0, 1)]
for batch in batches if processes == 1 else [batches[rank]]:
    trainer.training_step(model, batch)
torch.save([parameter.grad for parameter in model.parameters()] + [exchanged], f"{sys.argv[1]}/{processes}-{rank}.pt")
trainer.accelerator.end_training()
"""


@pytest.mark.slow
def test_two_processes_exchange_the_sum_of_both_gradients_of_a_batch_once(tmp_path):
    (tmp_path / "step.py").write_text(STEP)
    for launcher in ([], ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", 2]):
        done = new_process([*launcher, tmp_path / "step.py", tmp_path], tmp_path)
        assert done.returncode == 0, done.stderr
    *alone, _ = torch.load(tmp_path / "1-0.pt")
    for rank in (0, 1):
        *gradients, exchanged = torch.load(tmp_path / f"2-{rank}.pt")
        assert exchanged == sum(gradient.numel() for gradient in gradients)
        for gradient, of_both_batches in zip(gradients, alone, strict=True):
            torch.testing.assert_close(gradient, of_both_batches / 2, atol=1e-6, rtol=1e-4)


def test_pushed_by_the_trainer_is_a_card_and_no_pickle(tmp_path):
    trainer, _, _ = prepare_training(tmp_path)
    trainer.hub_model_id = "owner/name"
    trainer.save_model()
    trainer.create_model_card(model_name="name", language="fr")
    assert ModelCard.load(tmp_path / "README.md").data.language == "fr"
    assert "owner/name" in (tmp_path / "README.md").read_text()
    (tmp_path / "README.md").write_text("written by hand")
    trainer.create_model_card(model_name="name")
    assert (tmp_path / "README.md").read_text() == "written by hand"
    assert not list(tmp_path.glob("*.bin"))


@pytest.mark.parametrize(
    ("given", "metric", "greater"),
    [("loss", "loss", False), ("eval_loss", "loss", False), ("eval_f1_macro", "f1_macro", True)],
)
def test_any_metric_can_choose_the_checkpoint(tmp_path, capsys, given, metric, greater):
    trainer, _, _ = prepare_training(tmp_path, metric_for_best_model=given)
    trainer.train()
    history = [entry[f"eval_{metric}"] for entry in trainer.state.log_history if "eval_loss" in entry]
    assert trainer.state.best_metric == (max(history) if greater else min(history))
    assert capsys.readouterr().out.count("validation loss") == len(history)


def test_the_lowest_error_chooses_the_checkpoint_of_a_regression(tmp_path):
    trainer, _, _ = prepare_training(tmp_path, "regression", metric_for_best_model="mae", num_train_epochs=4)
    trainer.train()
    errors = {entry["step"]: entry["eval_mae"] for entry in trainer.state.log_history if "eval_loss" in entry}
    assert len(set(errors.values())) > 1 and trainer.state.best_global_step == min(errors, key=errors.get)


def test_last_weights_are_kept_without_a_best_checkpoint(tmp_path, capsys):
    trainer, _, _ = prepare_training(tmp_path, load_best_model_at_end=False)
    trainer.train()
    assert trainer.state.global_step == trainer.state.max_steps
    assert "accuracy" in capsys.readouterr().out


def test_validation_metrics_ignore_hidden_states():
    config = LstmConfig(problem_type="multi_label_classification", num_labels=2)
    logits = np.array([[2.0, -1.0], [-2.0, 1.0], [1.0, 0.5]])
    labels = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    hidden = np.zeros((3, 4, 5))
    metrics = _validation_metrics(EvalPrediction(predictions=(logits, hidden), label_ids=labels), config)
    assert metrics == _validation_metrics(EvalPrediction(predictions=logits, label_ids=labels), config)
    assert metrics["f1_macro"] == 1  # a threshold of one half separates both labels


def test_a_diverged_training_is_one_error_and_keeps_the_earlier_model(tmp_path):
    (tmp_path / "model.safetensors").write_text("of an earlier training")
    trainer, _, _ = prepare_training(tmp_path, learning_rate=1e38, warmup_steps=0)
    sentence = r"The training loss is infinite or not a number after step \d \(epoch \d.\d\d\): train again with a "
    with pytest.raises(ValueError, match=sentence + r"--learning_rate below 1e\+38\. .* keeps its checkpoints"):
        trainer.train()
    assert (tmp_path / "model.safetensors").read_text() == "of an earlier training"


def test_weights_that_are_not_finite_are_not_saved(tmp_path):
    trainer, _, splits = prepare_training(tmp_path)
    (tmp_path / "metrics.json").write_text("of an earlier training")
    trainer.model.classifier.bias.data[0] = float("nan")
    with pytest.raises(ValueError, match="A weight is infinite or not a number after step 0"):
        save_classifier(trainer, splits["validation"])
    assert [path.name for path in tmp_path.iterdir()] == ["metrics.json"]


STRATEGIES = ("no", "steps", "epoch")
ACCEPTED = (
    [{"eval_strategy": evaluate, "save_strategy": save} for evaluate in STRATEGIES for save in (*STRATEGIES, "best")]
    + [{"load_best_model_at_end": False, "eval_strategy": "no"}, {"early_stopping_patience": 0}]
    + [{"eval_strategy": "steps", "save_strategy": "steps", "eval_steps": 2, "save_steps": 4}, {"eval_delay": 9}]
    + [{"logging_strategy": strategy} for strategy in STRATEGIES]
    + [{"lr_scheduler_type": name} for name in ("linear", "cosine", "cosine_with_restarts", "polynomial")]
    + [{"lr_scheduler_type": name} for name in ("constant", "constant_with_warmup", "inverse_sqrt")]
    + [{"lr_scheduler_type": name} for name in ("reduce_lr_on_plateau", "greedy")]
    + [{"lr_scheduler_type": "warmup_stable_decay", "lr_scheduler_kwargs": {"num_decay_steps": 3}}]
    + [{"lr_scheduler_type": f"cosine_{name}", "lr_scheduler_kwargs": {"min_lr": 1e-4}}
       for name in ("with_min_lr", "warmup_with_min_lr")]
    + [{"lr_scheduler_type": "cosine", "gradual_unfreezing": True, "layer_decay": 0.5}]
    + [{"train_sampling_strategy": name} for name in ("random", "sequential", "group_by_length", "batch_rebalance")]
    + [{"dataloader_drop_last": True}, {"dataloader_drop_last": True, "train_sampling_strategy": "batch_rebalance"}]
    + [{"save_total_limit": limit} for limit in (None, 0, 3)]
    + [{"warmup_steps": steps} for steps in (0, 0.5, 3)]
    + [{"report_to": "none"}, {"average_decay": 0.0}, {"max_steps": 3}, {"num_train_epochs": 0.5}]
    + [{"save_only_model": True}, {"gradient_accumulation_steps": 3}, {"eval_accumulation_steps": 1}]
    + [{"max_grad_norm": 0.0}, {"optim": "adafactor"}, {"eval_on_start": True}, {"auto_find_batch_size": True}]
    + [{"prediction_loss_only": True, "metric_for_best_model": "loss"}, {"logging_nan_inf_filter": False}]
)  # fmt: skip


@pytest.mark.parametrize("options", ACCEPTED, ids=str)
def test_options_of_the_trainer_are_accepted(tmp_path, options):
    trainer, _, splits = prepare_training(tmp_path, **options)
    trainer.train()
    model = save_classifier(trainer, splits["validation"]).model
    assert trainer.state.global_step == trainer.state.max_steps > 0
    evaluations = [entry for entry in trainer.state.log_history if "eval_loss" in entry]
    assert bool(evaluations) is (options.get("eval_strategy") != "no" and "eval_delay" not in options)
    # Without a best checkpoint, the last weights are kept.
    expected = trainer.model.state_dict()
    assert all(torch.equal(value, expected[name]) for name, value in model.state_dict().items())
    assert not list(tmp_path.glob("checkpoint-*"))


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"load_best_model_at_end": True, "eval_strategy": "no"}, "requires `eval_strategy` to be epoch or steps"),
        ({"early_stopping_patience": -1}, "`early_stopping_patience` must be at least 0, got -1"),
        ({"num_train_epochs": 0}, "`num_train_epochs` must be above 0, got 0"),
        ({"lr_scheduler_type": "warmup_stable_decay"}, "other `lr_scheduler_kwargs` than None .*'num_decay_steps'"),
        (
            {"lr_scheduler_type": "cosine_with_min_lr"},
            "min_lr or min_lr_rate should be set through",
        ),
        ({"lr_scheduler_type": "greedy", "gradual_unfreezing": True}, "cannot be used with .* greedy: use linear"),
        ({"metric_for_best_model": "nope"}, "must be one of loss, accuracy, .*, got 'nope'"),
        ({"prediction_loss_only": True}, "is 'accuracy', but the evaluation has only loss"),
        ({"dataloader_drop_last": True, "per_device_train_batch_size": 64}, "40 training rows, and a batch has 64"),
        ({"average_decay": 1.0}, "`average_decay` must be between 0 and 1"),
    ],
    ids=str,
)
def test_options_of_the_trainer_are_refused_in_one_sentence(tmp_path, options, sentence):
    with pytest.raises(ValueError, match=sentence):
        prepare_training(tmp_path, **options)[0].train()


def test_every_validation_row_counts_when_the_last_training_batch_is_dropped(tmp_path):
    """40 training rows in batches of 16 are two batches; 20 validation rows in batches of 64 are one."""
    trainer, _, _ = prepare_training(tmp_path, dataloader_drop_last=True, per_device_train_batch_size=16)
    assert (len(trainer.get_train_dataloader()), len(trainer.get_eval_dataloader())) == (2, 1)
    assert trainer.evaluate()["eval_accuracy"] >= 0
    assert trainer.args.dataloader_drop_last


def test_prefixes_are_a_half_of_the_training_loss_only(tmp_path, monkeypatch):
    args = ModelArguments(**SIZES, bidirectional=False, input_dropout=0, classifier_dropout=0, embedding_dropout=0)
    given = training_arguments(tmp_path, adversarial_size=0)
    model, tokenizer, splits, resolved = build_classifier(tiny_corpus(), args, given)
    trainer = build_trainer(model, tokenizer, splits, resolved, prefixes=True)
    batch = ClassifierCollator(0)([{"input_ids": [2, 5, 6, 7], "labels": 1}, {"input_ids": [2, 8, 5], "labels": 0}])
    kept = torch.tensor([[1, 1, 1, 0], [1, 1, 0, 0]])
    monkeypatch.setattr("hf_lstm.training.trainer.random_prefixes", lambda mask: kept)
    whole = model.train()(**batch).loss
    prefix = model(input_ids=batch["input_ids"], attention_mask=kept, labels=batch["labels"]).loss
    loss, outputs = trainer.compute_loss(model, dict(batch), return_outputs=True)
    torch.testing.assert_close(loss, (whole + prefix) / 2)
    assert outputs.logits.shape == (2, 2)
    torch.testing.assert_close(trainer.compute_loss(model.eval(), dict(batch)), whole)


def test_training_on_prefixes_learns(tmp_path):
    args = ModelArguments(**SIZES, bidirectional=False)
    given = training_arguments(tmp_path, num_train_epochs=30, learning_rate=2e-2)
    model, tokenizer, splits, resolved = build_classifier(tiny_corpus(), args, given)
    trainer = build_trainer(model, tokenizer, splits, resolved, prefixes=True)
    trainer.train()
    assert trainer.evaluate()["eval_accuracy"] > 0.8
