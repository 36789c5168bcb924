"""Pretrain a backbone: from texts and options to a folder that a classifier starts from."""

import math
import time
from collections.abc import Iterable
from copy import copy
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from datasets import Dataset, IterableDataset
from transformers import PreTrainedTokenizerFast, set_seed

from ..data import load_texts, tokenize_blocks
from ..evaluation import describe_machine, plot_learning_curve
from ..hub import save_metrics
from ..inference import load_tokenizer
from ..language_model import PackedCorpus, TokenTexts
from ..messages import library_progress_bars
from ..models import LstmForCausalLM, LstmModel
from ..training import (
    build_arguments,
    build_tokenizer,
    find_resume_checkpoint,
    format_call,
    name_of,
    start_from_vectors,
)
from .arguments import LanguageModelTrainingArguments, PretrainingArguments, PretrainingDataArguments
from .building import build_backbone, build_language_model
from .trainer import (
    build_pretrainer,
    measure_perplexity,
    pretrain_streams,
    sample_text,
    save_language_model,
    save_vectors,
)

PRETRAINING_GROUPS = (PretrainingDataArguments, PretrainingArguments, LanguageModelTrainingArguments)

# Number of texts of a stream that a tokenizer is trained on.
VOCABULARY_TEXTS = 200_000


@dataclass(frozen=True)
class PretrainedModel:
    """
    A pretrained backbone, as returned by [`pretrain`].

    Args:
        folder: Folder that a classifier starts from, with `train_classifier(pretrained=folder)`.
        model: The language model, or for word vectors the backbone with trained embeddings.
        tokenizer: Its tokenizer.
        metrics: What `metrics.json` records, such as `perplexity`.
    """

    folder: Path
    model: LstmForCausalLM | LstmModel
    tokenizer: PreTrainedTokenizerFast
    metrics: dict[str, Any]


def pretrain(data: Any = None, *, output_dir: str | Path | None = None, **options: Any) -> PretrainedModel:
    """
    Train a language model or word vectors on texts. Labels and the test split are not read.

    Args:
        data: Texts, as in [`train_classifier`]; each line of a txt file is a text.
        output_dir: Folder to write to (default: `runs/`, the name of the data and the objective).
        options: All options of `hf-lstm pretrain` by name, such as `objective="vectors"`.

    Returns:
        The pretrained model.

    Raises:
        TypeError: An option does not exist; the message suggests the closest one.
        ValueError: The texts or an option cannot be used; the message names it and what to do.
        OSError: A file or folder does not exist, or the Hub cannot be reached.
    """
    command = format_call("pretrain", data, options)
    if output_dir is not None:
        options = options | {"output_dir": str(output_dir)}
    if data is not None and options.get("dataset") is not None:
        raise TypeError("pretrain() got both `data` and `dataset`; remove one of them.")
    data_args, model_args, args = build_arguments(PRETRAINING_GROUPS, options, "pretrain")
    return run_pretraining(data_args.dataset if data is None else data, data_args, model_args, args, command)


@library_progress_bars()
def run_pretraining(
    data: Any,
    data_args: PretrainingDataArguments,
    model_args: PretrainingArguments,
    args: LanguageModelTrainingArguments,
    command: str,
) -> PretrainedModel:
    """
    Pretrain with arguments of the command line or of [`pretrain`].

    Args:
        data: As in [`pretrain`]; it takes the place of `data_args.dataset`.
        data_args, model_args, args: The arguments. They are not modified.
        command: The command or Python call, for the record.
    """
    started = time.perf_counter()
    set_seed(args.seed)
    args = copy(args)
    args.output_dir = args.output_dir or f"runs/{name_of(data_args.packed or data)}-{model_args.objective}"
    if args.push_to_hub:
        raise ValueError("Only classifiers are pushed to the Hub: remove `push_to_hub`.")
    if model_args.objective == "vectors" and (data_args.carry_state or model_args.pretrained):
        raise ValueError("`--objective vectors` cannot be combined with `--pretrained`, `--carry_state` or `--packed`.")
    if data_args.carry_state:
        if args.device.type == "cuda" and model_args.sampled_tokens is None:
            # A GPU computes the full softmax fast, and with it a model learns more from as many tokens.
            model_args = replace(model_args, sampled_tokens=0)
        trained = pretrain_on_streams(data, data_args, model_args, args)
    elif model_args.objective == "vectors":
        trained = pretrain_vectors(data, data_args, model_args, args)
    else:
        trained = train_language_model(data, data_args, model_args, args)
    model, tokenizer, record = trained
    folder = Path(args.output_dir)
    if args.process_index == 0:
        training = {"command": command, "seed": args.seed} | record.pop("training", {})
        training.setdefault("seconds", round(time.perf_counter() - started, 1))
        dataset = str(data) if isinstance(data, str | Path) else name_of(data)
        record |= {"name": folder.name, "dataset": data_args.packed or dataset}
        record |= {"machine": describe_machine(), "training": training}
        save_metrics(record, folder)
        if "perplexity" in record:
            print(f"Validation perplexity {record['perplexity']:.1f}. Sample: {record['sample']}")
        print(f"Trained in {training['seconds']:.0f} s and saved to {folder}.")
    return PretrainedModel(folder, model, tokenizer, record)


def load_blocks(
    data: Any, data_args: PretrainingDataArguments, model_args: PretrainingArguments, args, checkpoint: str | None
):
    """Load the texts, load or train the tokenizer, and cut the texts into blocks of token ids."""
    with args.main_process_first():
        texts, notes = load_texts(
            data,
            config_name=data_args.dataset_config,
            text_column=data_args.text_column,
            validation_texts=data_args.validation_texts,
            streaming=data_args.streaming,
        )
    print(*notes, sep="\n")
    if checkpoint:
        tokenizer = load_tokenizer(checkpoint)
    else:
        tokenizer = build_tokenizer(vocabulary_texts(texts["train"]), model_args)
    with args.main_process_first():
        return tokenize_blocks(texts, tokenizer, data_args.block_size), tokenizer, list(notes)


def pretrain_vectors(data: Any, data_args, model_args, args):
    """Train word vectors and save them. Return the model, its tokenizer and the record."""
    blocks, tokenizer, notes = load_blocks(data, data_args, model_args, args, None)
    model = build_backbone(tokenizer, model_args)
    if args.process_index == 0:
        start_from_vectors(model, blocks["train"])
        save_vectors(model, tokenizer, args.output_dir)
    return model, tokenizer, {"notes": notes}


def train_language_model(data: Any, data_args, model_args, args):
    """Train a language model with the stock Trainer and save it. Return it, its tokenizer and the record."""
    checkpoint = find_resume_checkpoint(args)
    blocks, tokenizer, notes = load_blocks(data, data_args, model_args, args, checkpoint)
    model = build_language_model(tokenizer, model_args)
    trainer = build_pretrainer(model, tokenizer, blocks, args)
    print(f"{model.config.cell_type.upper()} language model with {model.num_parameters():,} parameters.")
    trainer.train(resume_from_checkpoint=checkpoint)
    trainer.accelerator.wait_for_everyone()  # other processes may still be reading the checkpoints
    if not trainer.is_world_process_zero():
        return model, tokenizer, {}
    model = save_language_model(trainer)
    history = [
        entry | {"eval_perplexity": math.exp(entry["eval_loss"])} if "eval_loss" in entry else entry
        for entry in trainer.state.log_history
    ]
    plot_learning_curve(history, "perplexity", Path(args.output_dir) / "learning_curve.png")
    record = {
        "notes": notes,
        "perplexity": measure_perplexity(model, blocks["validation"]),
        "sample": sample_text(model, tokenizer),
        "training": {"epochs": trainer.state.epoch, "steps": trainer.state.global_step},
    }
    return model, tokenizer, record


def pretrain_on_streams(data: Any, data_args, model_args, args):
    """Train a language model on continuous streams in the fast loop. Return it, its tokenizer and the record."""
    if data_args.packed is not None:
        corpus = PackedCorpus.read(data_args.packed)
        tokenizer, (learned, held_out) = corpus.tokenizer(), corpus.language_model_texts()
        texts = {"train": corpus.texts.select(learned), "validation": corpus.texts.select(held_out)}
        notes = [f"{len(learned):,} texts of {data_args.packed} to learn from, {len(held_out):,} to validate on."]
    else:
        splits, found = load_texts(
            data,
            config_name=data_args.dataset_config,
            text_column=data_args.text_column,
            validation_texts=data_args.validation_texts,
        )
        notes, tokenizer = list(found), build_tokenizer(splits["train"]["text"], model_args)
        texts = {split: TokenTexts.tokenize(rows["text"], tokenizer) for split, rows in splits.items()}
    print(*notes, sep="\n")
    model = build_language_model(tokenizer, model_args)
    print(f"{model.config.cell_type.upper()} language model with {model.num_parameters():,} parameters.")
    model, figures = pretrain_streams(model, tokenizer, texts, args, data_args.block_size)
    record = {"notes": notes, "perplexity": figures.pop("perplexity"), "sample": sample_text(model, tokenizer)}
    return model, tokenizer, record | {"training": figures}


def vocabulary_texts(texts: Dataset | IterableDataset) -> Iterable[str]:
    """Return the texts that a tokenizer is trained on: all texts, or the first ones of a stream."""
    return texts["text"] if isinstance(texts, Dataset) else (row["text"] for row in texts.take(VOCABULARY_TEXTS))
