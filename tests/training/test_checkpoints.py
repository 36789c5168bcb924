import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from datasets import Dataset, DatasetDict
from helpers import prepare_training, tiny_corpus, training_arguments
from transformers import TrainerState, pipeline

from hf_lstm.data.corpus import Corpus
from hf_lstm.export import export_onnx
from hf_lstm.inference import format_predictions, load_model_and_tokenizer, predict_logits, predict_texts
from hf_lstm.training.arguments import DataArguments, ModelArguments
from hf_lstm.training.checkpoints import (
    RESUME_FILE,
    check_resumed_data,
    check_resumed_model,
    describe_training_data,
    find_resume_checkpoint,
    is_complete,
    remove_stale_files,
    save_classifier,
)

SINGLE = "single_label_classification"


def test_checkpoint_is_found_and_must_be_requested(tmp_path):
    assert find_resume_checkpoint(training_arguments(tmp_path / "new")) is None
    with pytest.raises(ValueError, match="no checkpoint in"):
        find_resume_checkpoint(training_arguments(tmp_path / "new", resume_from_checkpoint="last"))
    with pytest.raises(ValueError, match="no checkpoint folder"):
        find_resume_checkpoint(training_arguments(tmp_path, resume_from_checkpoint=str(tmp_path / "absent")))
    for step in (2, 10, 11):
        (tmp_path / f"checkpoint-{step}").mkdir()
        # The last one was not finished.
        state = TrainerState().__dict__ if step < 11 else None
        (tmp_path / f"checkpoint-{step}" / "trainer_state.json").write_text(json.dumps(state) if state else "")
    last = str(tmp_path / "checkpoint-10")
    for value in ("last", "true", True):
        assert find_resume_checkpoint(training_arguments(tmp_path, resume_from_checkpoint=value)) == last
    assert find_resume_checkpoint(training_arguments(tmp_path, resume_from_checkpoint=last)) == last
    for value in (None, False, "no"):
        with pytest.raises(ValueError, match="--resume_from_checkpoint last"):
            find_resume_checkpoint(training_arguments(tmp_path, resume_from_checkpoint=value))


def test_checkpoint_without_a_whole_state_is_not_complete(tmp_path):
    assert not is_complete(tmp_path)
    (tmp_path / "trainer_state.json").write_text(json.dumps(TrainerState().__dict__)[:-5])
    assert not is_complete(tmp_path)


def test_half_weights_are_loaded_in_single_precision(tmp_path):
    trainer, _, splits = prepare_training(tmp_path, half_weights=True)
    model = save_classifier(trainer, splits["validation"]).model
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}
    weights = dict(trainer.model.named_parameters())
    for name, value in model.named_parameters():
        assert torch.equal(value, weights[name].half().float())


@pytest.mark.parametrize("half_weights", [False, True])
def test_calibrated_classifier_abstains_alike_on_all_paths(tmp_path, half_weights, monkeypatch):
    monkeypatch.setattr("hf_lstm.evaluation.temperature.MIN_TEXTS", 20)
    trainer, corpus, splits = prepare_training(tmp_path, half_weights=half_weights)
    labels = np.array(splits["validation"]["labels"][:])
    trainer.model.classifier.weight.data *= 300  # much too confident
    before = predict_logits(trainer.model, splits["validation"]["input_ids"][:])
    saved = save_classifier(trainer, splits["validation"], {"good": 0.5, "other": 0.99})
    temperature = saved.calibration["temperature"]
    assert temperature > 2 and len(saved.notes) == 3
    logits = predict_logits(saved.model, splits["validation"]["input_ids"][:])
    np.testing.assert_allclose(logits, before / temperature, atol=2e-2 if half_weights else 1e-5)
    assert saved.calibration["log_loss"][1] < saved.calibration["log_loss"][0] and len(labels) == 20

    model, tokenizer = load_model_and_tokenizer(str(tmp_path))
    assert list(model.config.threshold) == list(saved.model.config.threshold) and model.config.threshold[0] == 1
    texts = corpus.splits["validation"]["text"][:]
    stock = pipeline("text-classification", model=model, tokenizer=tokenizer)(texts)
    limit = float(np.median([row["score"] for row in stock]))
    model.config.threshold = [limit, limit]
    found = format_predictions(predict_texts(model, tokenizer, texts), model.config)
    assert {row["label"] is None for row in found} == {True, False}
    for row, expected in zip(found, stock, strict=True):
        assert row["score"] == pytest.approx(expected["score"], abs=1e-5)
        assert row["label"] == (expected["label"] if row["score"] >= limit else None)


def test_calibration_can_be_disabled_and_old_thresholds_are_reset(tmp_path, monkeypatch):
    monkeypatch.setattr("hf_lstm.evaluation.temperature.MIN_TEXTS", 20)
    trainer, _, splits = prepare_training(tmp_path, calibrate=False)
    trainer.model.classifier.weight.data *= 30
    trainer.model.config.threshold = [0.9, 0.8]  # of a pretrained model
    saved = save_classifier(trainer, splits["validation"])
    assert (saved.calibration, saved.notes, saved.model.config.threshold) == ({}, [], 0.5)
    assert torch.equal(saved.model.classifier.weight, trainer.model.classifier.weight)


def test_records_of_an_earlier_training_are_removed(tmp_path):
    trainer, _, splits = prepare_training(tmp_path)
    tmp_path.mkdir(exist_ok=True)
    for name in ("README.md", "metrics.json", "predictions.png"):
        (tmp_path / name).write_text("of an earlier training")
    save_classifier(trainer, splits["validation"])
    assert not {"README.md", "metrics.json", "predictions.png"} & {path.name for path in tmp_path.iterdir()}


def describe(corpus=None, seed=42, **options):
    data = {name: options.pop(name) for name in ("max_length", "teacher", "augment", "prefixes") if name in options}
    return describe_training_data(corpus or tiny_corpus(), DataArguments(**data), ModelArguments(**options), seed)


def changed_corpus(**columns) -> Corpus:
    """The tiny corpus with other values in the first training rows."""
    corpus = tiny_corpus()
    table = corpus.splits["train"].to_dict()
    for name, values in columns.items():
        table[name][: len(values)] = values
    splits = DatasetDict(corpus.splits | {"train": Dataset.from_dict(table, corpus.splits["train"].features)})
    return replace(corpus, splits=splits)


def test_resuming_with_the_same_data_is_accepted(tmp_path):
    (tmp_path / RESUME_FILE).write_text(json.dumps(describe(vocab_size=9, teacher=["linear"])))
    check_resumed_data(tmp_path, describe(vocab_size=9, teacher=["linear"], hidden_size=3))


@pytest.mark.parametrize("texts", [{"augment": 2}, {"prefixes": True}])
def test_the_seed_of_random_texts_is_compared(tmp_path, texts):
    (tmp_path / RESUME_FILE).write_text(json.dumps(describe(teacher=["linear"], **texts)))
    with pytest.raises(ValueError, match="seed was 42 and is now 7"):
        check_resumed_data(tmp_path, describe(teacher=["linear"], **texts, seed=7))


def swapped() -> Corpus:
    """The same label ids with swapped names."""
    return replace(tiny_corpus(), label_names=("good", "other"))


def shorter() -> Corpus:
    """One training row fewer."""
    splits = tiny_corpus().splits
    return replace(tiny_corpus(), splits=DatasetDict(splits | {"train": splits["train"].select(range(39))}))


@pytest.mark.parametrize(
    ("current", "sentence"),
    [
        (describe(swapped()), "the labels were other, good and are now good, other"),
        (describe(tiny_corpus("regression")), "problem type was single_label_classification and is now regression"),
        (describe(changed_corpus(text=["another text"])), "the texts, their labels or their order are different"),
        (describe(changed_corpus(labels=[1, 0, 1, 0])), "the texts, their labels or their order are different"),
        (describe(shorter()), "40 training rows and 20 validation rows and now has 39 training rows"),
        (describe(max_length=5, vocab_size=7), "max_length was 1000 and is now 5; vocab_size was 30000 and is now 7"),
    ],
)
def test_resuming_with_other_data_is_refused(tmp_path, current, sentence):
    (tmp_path / RESUME_FILE).write_text(json.dumps(describe()))
    with pytest.raises(ValueError, match=f"cannot be resumed from {tmp_path}: .*{sentence}.* --output_dir"):
        check_resumed_data(tmp_path, current)


def test_resuming_with_another_model_is_refused(tmp_path, tiny_config):
    labels = {"id2label": {0: "other", 1: "good"}, "label2id": {"other": 0, "good": 1}, "problem_type": SINGLE}
    tiny_config(**labels, class_weights=[1, 2]).save_pretrained(tmp_path)
    check_resumed_model(tmp_path, tiny_config(**labels, class_weights=(1, 2)))
    with pytest.raises(ValueError, match="hidden_size was 5 and is now 7; class_weights was .* and is now None"):
        check_resumed_model(tmp_path, tiny_config(**labels, hidden_size=7))
    # A checkpoint of the stock Trainer has no description, but label names.
    check_resumed_data(tmp_path, describe())
    with pytest.raises(ValueError, match="the labels were other, good and are now good, other"):
        check_resumed_data(tmp_path, describe(swapped()))


def test_checkpoints_describe_their_data_and_the_final_folder_does_not(tmp_path):
    trainer, corpus, _ = prepare_training(tmp_path, num_train_epochs=1)
    trainer.training_data = describe(corpus)
    trainer.train()
    assert json.loads((tmp_path / "checkpoint-5" / RESUME_FILE).read_text()) == describe(corpus)
    trainer.save_model()
    assert not (tmp_path / RESUME_FILE).exists()


def test_files_of_an_earlier_model_are_removed(tmp_path, capsys):
    trainer, corpus, splits = prepare_training(tmp_path)
    save_classifier(trainer, splits["validation"])
    export_onnx(
        trainer.model, trainer.processing_class, tmp_path / "onnx", corpus.splits["train"]["text"][:], int8=True
    )
    exported = {f"onnx/{path.name}" for path in (tmp_path / "onnx").iterdir()}
    code = (tmp_path / "modeling_lstm.py").read_text()
    stale = {"model-00001-of-00002.safetensors": "", "model.safetensors.index.json": "", "old_lstm.py": code}
    mine = {"my_lstm.py": "import torch", "notes.txt": "", "onnx/notes.txt": "", "onnx_mine/model.onnx": ""}
    (tmp_path / "onnx_mine").mkdir()
    for name, content in (stale | mine).items():
        (tmp_path / name).write_text(content)
    capsys.readouterr()
    trainer, _, splits = prepare_training(tmp_path)
    save_classifier(trainer, splits["validation"])
    printed = f"Removed files of an earlier model from {tmp_path}: {', '.join(sorted({*stale, *exported}))}."
    assert printed in capsys.readouterr().out
    left = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    assert not left & {*stale, *exported} and mine.keys() <= left
    assert {"model.safetensors", "modeling_lstm.py"} <= left
    (tmp_path / "onnx" / "model.onnx").write_text("of another program")
    assert remove_stale_files(tmp_path, left) == [] and (tmp_path / "onnx" / "model.onnx").exists()
