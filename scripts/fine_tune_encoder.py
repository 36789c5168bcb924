"""Fine-tune a sentence encoder with the stock Trainer, as the teacher of a small recurrent classifier.

python scripts/fine_tune_encoder.py --encoder sentence-transformers/all-MiniLM-L6-v2 --dataset labelled.csv \
    --output_dir runs/teacher
hf-lstm train --dataset labelled.csv --unlabelled texts.txt --teacher runs/teacher --half_weights

For some thousand short texts, this takes minutes on two CPU cores.
"""

import argparse
import shutil
from pathlib import Path

import torch
from datasets import DatasetDict, List, Value
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    DataCollatorWithPadding,
    Trainer,
    TrainingArguments,
)
from transformers.trainer_utils import PREFIX_CHECKPOINT_DIR

from hf_lstm.cli import one_line_errors
from hf_lstm.data import load_corpus
from hf_lstm.evaluation import MAIN_METRIC, build_compute_metrics
from hf_lstm.language_model import has_fast_bf16


def parse_args() -> argparse.Namespace:
    """Read the options."""
    description, _, _ = (__doc__ or "").partition("\n")
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--encoder", required=True, help="folder or Hub id of the encoder")
    parser.add_argument("--dataset", required=True, help="labelled texts: Hub id, folder or file")
    parser.add_argument("--output_dir", required=True, help="folder for the classifier")
    parser.add_argument("--label_column", help="column with the labels (default: found by its name)")
    parser.add_argument("--num_train_epochs", type=float, default=3, help="number of epochs (default: 3)")
    parser.add_argument("--learning_rate", type=float, default=1e-4, help="highest learning rate (default: 1e-4)")
    parser.add_argument("--max_length", type=int, default=128, help="maximum number of tokens of a text (default: 128)")
    return parser.parse_args()


def main() -> None:
    """Fine-tune the encoder, keep the epoch with the best validation accuracy or F1, and save it with its tokenizer."""
    args = parse_args()
    corpus = load_corpus(args.dataset, label_column=args.label_column)
    print(*corpus.notes, sep="\n")
    if corpus.problem_type == "regression":
        raise ValueError("The labels are scores. A teacher is a classifier.")
    tokenizer = AutoTokenizer.from_pretrained(args.encoder)
    model = AutoModelForSequenceClassification.from_pretrained(
        args.encoder,
        num_labels=len(corpus.label_names),
        id2label=dict(enumerate(corpus.label_names)),
        label2id={name: i for i, name in enumerate(corpus.label_names)},
        problem_type=corpus.problem_type,
    )
    # The test split is left out, so that it cannot influence anything.
    splits = DatasetDict({split: corpus.splits[split] for split in ("train", "validation")}).map(
        lambda batch: tokenizer(batch["text"], truncation=True, max_length=args.max_length),
        batched=True,
        remove_columns="text",
    )
    if corpus.problem_type == "multi_label_classification":
        splits = splits.cast_column("labels", List(Value("float32")))
    trainer = Trainer(
        model=model,
        args=TrainingArguments(
            args.output_dir,
            num_train_epochs=args.num_train_epochs,
            learning_rate=args.learning_rate,
            warmup_steps=0.1,
            weight_decay=0.01,
            per_device_train_batch_size=32,
            per_device_eval_batch_size=64,
            train_sampling_strategy="group_by_length",
            bf16=has_fast_bf16(),
            use_cpu=not torch.accelerator.is_available(),  # otherwise bfloat16 is refused
            eval_strategy="epoch",
            save_strategy="epoch",
            save_total_limit=1,
            load_best_model_at_end=True,
            metric_for_best_model=MAIN_METRIC[corpus.problem_type],
        ),
        train_dataset=splits["train"],
        eval_dataset=splits["validation"],
        processing_class=tokenizer,
        data_collator=DataCollatorWithPadding(tokenizer),
        compute_metrics=build_compute_metrics(corpus.problem_type, len(corpus.label_names)),
    )
    trainer.train()
    trainer.save_model()
    for checkpoint in Path(args.output_dir).glob(f"{PREFIX_CHECKPOINT_DIR}-*"):
        shutil.rmtree(checkpoint)
    print(
        f"Saved the classifier to {args.output_dir}. Train a small one with: hf-lstm train --teacher {args.output_dir}"
    )


if __name__ == "__main__":
    with one_line_errors():
        main()
