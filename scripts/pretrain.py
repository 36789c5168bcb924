"""Learn from texts without labels, for a classifier to start from.

python scripts/pretrain.py --dataset reviews.txt                        # a language model
python scripts/pretrain.py --dataset reviews.txt --reverse true         # one that reads from the end
python scripts/pretrain.py --dataset reviews.txt --objective vectors    # word vectors, in a minute
python scripts/train.py --dataset labelled.csv --pretrained runs/reviews-language_model
"""

import math
import sys
import time
from collections.abc import Iterable
from pathlib import Path

sys.path.pop(0)  # this folder: its evaluate.py would hide the library `evaluate`

from datasets import Dataset, IterableDataset
from hf_lstm.cli.arguments import command_line, parse_arguments, run
from transformers import AutoTokenizer, set_seed

from hf_lstm.data.batching import tokenize_blocks
from hf_lstm.data.unlabelled import load_texts
from hf_lstm.evaluation.cost import describe_machine
from hf_lstm.evaluation.plots import plot_learning_curve
from hf_lstm.hub.model_card import save_metrics
from hf_lstm.training.arguments import LanguageModelTrainingArguments, PretrainingArguments, PretrainingDataArguments
from hf_lstm.training.building import build_pretraining_model, build_tokenizer, start_from_vectors
from hf_lstm.training.checkpoints import find_resume_checkpoint
from hf_lstm.training.pretraining import (
    build_pretrainer,
    measure_perplexity,
    sample_text,
    save_language_model,
    save_vectors,
)

# Texts of a stream that a tokenizer is trained on.
VOCABULARY_TEXTS = 200_000


def main() -> None:
    groups = (PretrainingDataArguments, PretrainingArguments, LanguageModelTrainingArguments)
    data_args, model_args, args = parse_arguments(groups, __doc__)
    started = time.perf_counter()
    set_seed(args.seed)
    name = Path(data_args.dataset).stem if data_args.dataset else "sample_reviews"
    args.output_dir = args.output_dir or f"runs/{name}-{model_args.objective}"
    checkpoint = find_resume_checkpoint(args)
    if args.push_to_hub:
        raise ValueError("A classifier is pushed, not what it starts from: leave out push_to_hub.")

    with args.main_process_first():
        texts, notes = load_texts(
            data_args.dataset,
            config_name=data_args.dataset_config,
            text_column=data_args.text_column,
            validation_texts=data_args.validation_texts,
            streaming=data_args.streaming,
        )
    print(*notes, sep="\n")
    if checkpoint:
        tokenizer = AutoTokenizer.from_pretrained(checkpoint)
    else:
        tokenizer = build_tokenizer(vocabulary_texts(texts["train"]), model_args)
    with args.main_process_first():
        blocks = tokenize_blocks(texts, tokenizer, data_args.block_size)
    model = build_pretraining_model(tokenizer, model_args)
    folder = Path(args.output_dir)
    metrics = {
        "name": folder.name,
        "dataset": data_args.dataset or "hf_lstm sample reviews",
        "notes": notes,
        "training": {"command": command_line(args.hub_token), "seed": args.seed},
        "machine": describe_machine(),
    }
    if model_args.objective == "vectors":
        if args.process_index:
            return
        start_from_vectors(model, blocks["train"])
        save_vectors(model, tokenizer, folder)
    else:
        trainer = build_pretrainer(model, tokenizer, blocks, args)
        print(f"{model.config.cell_type.upper()} language model with {model.num_parameters():,} parameters")
        trainer.train(resume_from_checkpoint=checkpoint)
        trainer.accelerator.wait_for_everyone()  # before the checkpoints go, which others may still be reading
        if not trainer.is_world_process_zero():
            return
        model = save_language_model(trainer)
        metrics["perplexity"] = measure_perplexity(model, blocks["validation"])
        metrics["sample"] = sample_text(model, tokenizer)
        metrics["training"] |= {"epochs": trainer.state.epoch, "steps": trainer.state.global_step}
        history = [
            entry | {"eval_perplexity": math.exp(entry["eval_loss"])} if "eval_loss" in entry else entry
            for entry in trainer.state.log_history
        ]
        plot_learning_curve(history, "perplexity", folder / "learning_curve.png")
        print(f"Validation perplexity {metrics['perplexity']:.1f}. It writes: {metrics['sample']}")
    metrics["training"]["seconds"] = round(time.perf_counter() - started, 1)
    save_metrics(metrics, folder)
    print(f"Done in {metrics['training']['seconds']:.0f} s and saved to {folder}. Now try:")
    print(f"  python scripts/train.py --pretrained {folder} --dataset LABELLED")


def vocabulary_texts(texts: Dataset | IterableDataset) -> Iterable[str]:
    """The texts that a tokenizer is trained on: all, or of a stream the first."""
    return texts["text"] if isinstance(texts, Dataset) else (row["text"] for row in texts.take(VOCABULARY_TEXTS))


if __name__ == "__main__":
    run(main)
