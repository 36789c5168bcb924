"""The Hugging Face workflow by hand, as a user writes it: config, model, tokenizer, stock `Trainer`, `pipeline`."""

import evaluate
import numpy as np
import pytest
from helpers import tiny_corpus
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    DataCollatorWithPadding,
    Trainer,
    TrainingArguments,
    pipeline,
)

from hf_lstm import LstmConfig, LstmForSequenceClassification, train_tokenizer
from hf_lstm.evaluation.metrics import build_compute_metrics


def train(model, tokenizer, splits, folder, **options):
    tokenized = splits.map(lambda batch: tokenizer(batch["text"]), batched=True)
    arguments = {"num_train_epochs": 15, "learning_rate": 3e-3, "per_device_train_batch_size": 4}
    trainer = Trainer(
        model=model,
        args=TrainingArguments(folder, save_strategy="no", disable_tqdm=True, **(arguments | options)),
        train_dataset=tokenized["train"],
        eval_dataset=tokenized["validation"],
        processing_class=tokenizer,
        data_collator=DataCollatorWithPadding(tokenizer),
        compute_metrics=build_compute_metrics("single_label_classification", model.config.num_labels),
    )
    trainer.train()
    trainer.save_model()
    return trainer


@pytest.fixture
def splits():
    """Texts with the label `good` if the word occurs in them."""
    return tiny_corpus().splits


def test_train_save_load_and_predict(splits, tmp_path):
    tokenizer = train_tokenizer(splits["train"]["text"], vocab_size=60, show_progress=False)
    config = LstmConfig(vocab_size=len(tokenizer), id2label={0: "other", 1: "good"}, label2id={"other": 0, "good": 1})
    trainer = train(LstmForSequenceClassification(config), tokenizer, splits, tmp_path)
    assert trainer.model.config.problem_type == "single_label_classification"  # inferred from integer labels
    assert trainer.evaluate()["eval_accuracy"] > 0.9

    model, loaded = (
        AutoModelForSequenceClassification.from_pretrained(tmp_path),
        AutoTokenizer.from_pretrained(tmp_path),
    )
    classify = pipeline("text-classification", model=model, tokenizer=loaded)
    assert [row["label"] for row in classify(["the good film", "the bad plot"])] == ["good", "other"]

    evaluator = evaluate.evaluator("text-classification")
    measured = evaluator.compute(
        model_or_pipeline=model,
        tokenizer=loaded,
        data=splits["validation"],
        metric=evaluate.combine([Accuracy()]),
        input_column="text",
        label_column="labels",
        label_mapping={"other": 0, "good": 1},
    )
    assert measured["accuracy"] == pytest.approx(trainer.evaluate()["eval_accuracy"])


class Accuracy(evaluate.Metric):
    """A metric that needs no Hub."""

    def _info(self):
        from datasets import Features, Value

        features = Features({"predictions": Value("int64"), "references": Value("int64")})
        return evaluate.MetricInfo(description="accuracy", citation="", features=features)

    def _compute(self, predictions, references):
        return {"accuracy": float(np.mean(np.array(predictions) == np.array(references)))}


def test_fine_tune_with_other_labels(splits, tmp_path):
    tokenizer = train_tokenizer(splits["train"]["text"], vocab_size=60, show_progress=False)
    LstmForSequenceClassification(LstmConfig(vocab_size=len(tokenizer))).save_pretrained(tmp_path / "first")
    model = AutoModelForSequenceClassification.from_pretrained(
        tmp_path / "first",
        num_labels=2,
        problem_type="multi_label_classification",
        id2label={0: "good", 1: "short"},
        label2id={"good": 0, "short": 1},
    )
    multi = tiny_corpus("multi_label_classification").splits
    tokenized = multi.map(lambda batch: tokenizer(batch["text"]), batched=True)
    trainer = Trainer(
        model=model,
        args=TrainingArguments(tmp_path / "second", num_train_epochs=20, learning_rate=3e-3, disable_tqdm=True),
        train_dataset=tokenized["train"],
        data_collator=DataCollatorWithPadding(tokenizer),
    )
    trainer.train()
    predicted = trainer.predict(tokenized["train"])
    assert ((predicted.predictions > 0) == predicted.label_ids).mean() > 0.9


def test_more_labels_need_ignore_mismatched_sizes(tmp_path):
    LstmForSequenceClassification(LstmConfig(vocab_size=20)).save_pretrained(tmp_path)
    with pytest.raises(RuntimeError, match="ignore_mismatched_sizes"):
        AutoModelForSequenceClassification.from_pretrained(tmp_path, num_labels=3)
    model = AutoModelForSequenceClassification.from_pretrained(tmp_path, num_labels=3, ignore_mismatched_sizes=True)
    assert model.classifier.out_features == 3
