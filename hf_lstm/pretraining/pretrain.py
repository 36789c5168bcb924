"""Pretrain a backbone: from texts and options to a folder that a classifier starts from."""

import json
import math
import time
from collections.abc import Iterable
from copy import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from datasets import Dataset, DatasetDict, IterableDataset, IterableDatasetDict
from safetensors.torch import load_file
from transformers import PreTrainedTokenizerFast, set_seed

from ..data import load_texts, tokenize_blocks
from ..evaluation import describe_machine, plot_learning_curve
from ..hub import METRICS_FILE, save_metrics
from ..inference import load_tokenizer
from ..language_model import PackedCorpus, TokenTexts
from ..messages import library_progress_bars
from ..models import LstmForCausalLM, LstmModel
from ..training import (
    announce_replacement,
    arguments_from_call,
    build_tokenizer,
    check_trackers,
    find_resume_checkpoint,
    name_of,
    precision_of,
    start_from_vectors,
)
from .arguments import (
    LanguageModelTrainingArguments,
    PretrainingArguments,
    PretrainingDataArguments,
    check_combination,
)
from .building import build_backbone, build_language_model, resolve_pretraining_defaults
from .trainer import (
    build_pretrainer,
    measure_perplexity,
    pretrain_streams,
    sample_text,
    save_language_model,
    save_vectors,
    stream_precision,
    wait_for_all_processes,
)

PRETRAINING_GROUPS = (PretrainingDataArguments, PretrainingArguments, LanguageModelTrainingArguments)

# Number of texts of a stream that a tokenizer is trained on.
VOCABULARY_TEXTS = 200_000

# A language model or a backbone with its tokenizer and the record of its training.
Pretrained = tuple[LstmForCausalLM | LstmModel, PreTrainedTokenizerFast, dict[str, Any]]


@dataclass(frozen=True)
class PretrainedModel:
    """
    A pretrained backbone, as returned by [`pretrain`].

    Args:
        folder: Folder that a classifier starts from, with `train_classifier(pretrained=folder)`.
        model: The language model, or for word vectors the backbone with trained embeddings.
        tokenizer: Its tokenizer.
        metrics: Content of `metrics.json`, such as `perplexity`.
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
    command, (data_args, model_args, args) = arguments_from_call(
        PRETRAINING_GROUPS, data, output_dir, options, "pretrain"
    )
    if data is not None and data_args.packed is not None:
        raise TypeError("pretrain() got both `data` and `packed`; remove one of them.")
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
        data: Data as in [`pretrain`]; `data_args.dataset` is not read.
        data_args: Arguments of the texts.
        model_args: Arguments of the model.
        args: Arguments of the Trainer. None of the arguments is modified.
        command: The command or Python call, for the record.

    Returns:
        The pretrained model, the same in all processes of a distributed training.

    Raises:
        ValueError: The texts or an argument cannot be used; the message names it and what to do.
        OSError: A file or folder does not exist, or the Hub cannot be reached.
    """
    started = time.perf_counter()
    check_combination(data_args, model_args, args)
    check_trackers(args)
    set_seed(args.seed)
    args = copy(args)
    args.output_dir = args.output_dir or f"runs/{name_of(data_args.packed or data)}-{model_args.objective}"
    announce_replacement(args.output_dir)
    if data_args.carry_state:
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
    wait_for_all_processes()
    if args.process_index != 0:
        record = json.loads((folder / METRICS_FILE).read_text(encoding="utf-8"))
    return PretrainedModel(folder, model, tokenizer, record)


def load_blocks(
    data: Any,
    data_args: PretrainingDataArguments,
    model_args: PretrainingArguments,
    args: LanguageModelTrainingArguments,
    checkpoint: str | None,
) -> tuple[DatasetDict | IterableDatasetDict, PreTrainedTokenizerFast, list[str]]:
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


def pretrain_vectors(
    data: Any,
    data_args: PretrainingDataArguments,
    model_args: PretrainingArguments,
    args: LanguageModelTrainingArguments,
) -> Pretrained:
    """Train word vectors and save them. Return the model, its tokenizer and the record."""
    blocks, tokenizer, notes = load_blocks(data, data_args, model_args, args, None)
    model = build_backbone(tokenizer, model_args)
    if args.process_index == 0:
        start_from_vectors(model, blocks["train"])
        save_vectors(model, tokenizer, args.output_dir)
    wait_for_all_processes()
    saved = load_file(Path(args.output_dir) / "model.safetensors")
    model.load_state_dict(saved, strict=False)  # the layers are not saved, and no process has trained them
    return model, tokenizer, {"notes": notes}


def train_language_model(
    data: Any,
    data_args: PretrainingDataArguments,
    model_args: PretrainingArguments,
    args: LanguageModelTrainingArguments,
) -> Pretrained:
    """Train a language model with the stock Trainer and save it. Return it, its tokenizer and the record."""
    checkpoint = find_resume_checkpoint(args)
    blocks, tokenizer, notes = load_blocks(data, data_args, model_args, args, checkpoint)
    model_args = resolve_pretraining_defaults(model_args, args.device, len(tokenizer))
    model = build_language_model(tokenizer, model_args)
    trainer = build_pretrainer(model, tokenizer, blocks, args)
    print(describe_training(model, precision_of(args)))
    trainer.train(resume_from_checkpoint=checkpoint)
    trainer.accelerator.wait_for_everyone()  # other processes may still be reading the checkpoints
    if trainer.is_world_process_zero():
        save_language_model(trainer)
    trainer.accelerator.wait_for_everyone()
    model = LstmForCausalLM.from_pretrained(args.output_dir)
    model.to(args.device)  # type: ignore[arg-type]  # transformers wraps `to` without its signature
    if not trainer.is_world_process_zero():
        return model, tokenizer, {}
    history = [
        entry | {"eval_perplexity": math.exp(entry["eval_loss"])} if "eval_loss" in entry else entry
        for entry in trainer.state.log_history
    ]
    plot_learning_curve(history, "perplexity", Path(args.output_dir) / "learning_curve.png")
    training = {"epochs": trainer.state.epoch, "steps": trainer.state.global_step, "precision": precision_of(args)}
    record = {
        "notes": notes,
        "perplexity": measure_perplexity(model, blocks["validation"]),
        "sample": sample_text(model, tokenizer),
        "training": training | {"sampled_tokens": model.config.sampled_tokens},
    }
    return model, tokenizer, record


def pretrain_on_streams(
    data: Any,
    data_args: PretrainingDataArguments,
    model_args: PretrainingArguments,
    args: LanguageModelTrainingArguments,
) -> Pretrained:
    """Train a language model on continuous streams in the fast loop. Return it, its tokenizer and the record."""
    if data_args.packed is not None:
        corpus = PackedCorpus.read(data_args.packed)
        tokenizer, (learned, held_out) = corpus.tokenizer(), corpus.language_model_texts()
        check_vocabulary(data_args.packed, tokenizer, model_args.pretrained)
        texts = {"train": corpus.texts.select(learned), "validation": corpus.texts.select(held_out)}
        notes = [f"Read {data_args.packed}: {len(learned):,} training texts, {len(held_out):,} validation texts."]
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
    model = build_language_model(tokenizer, resolve_pretraining_defaults(model_args, args.device, len(tokenizer)))
    dtype = stream_precision(args)
    precision = str(dtype).removeprefix("torch.")
    print(describe_training(model, precision))
    model, figures = pretrain_streams(model, tokenizer, texts, args, data_args.block_size, dtype)
    record = {"notes": notes, "perplexity": figures.pop("perplexity"), "sample": sample_text(model, tokenizer)}
    training = figures | {"precision": precision, "sampled_tokens": model.config.sampled_tokens}
    return model, tokenizer, record | {"training": training}


def check_vocabulary(packed: str, tokenizer: PreTrainedTokenizerFast, pretrained: str | None) -> None:
    """Raise an error if the token ids of a packed corpus are not those of the model to start from."""
    if pretrained is not None and load_tokenizer(pretrained).get_vocab() != tokenizer.get_vocab():
        raise ValueError(
            f"{packed} and {pretrained} have different vocabularies: remove `--pretrained`, or use `--dataset`."
        )


def describe_training(model: LstmForCausalLM, precision: str) -> str:
    """Return a line with the cell, the size, the precision and the softmax of a training."""
    sampled = model.config.sampled_tokens
    softmax = f"a sample of {sampled:,} tokens" if sampled else "all tokens"
    return (
        f"{model.config.cell_type.upper()} language model with {model.num_parameters():,} parameters, in {precision}, "
        f"softmax over {softmax}."
    )


def vocabulary_texts(texts: Dataset | IterableDataset) -> Iterable[str]:
    """Return the texts that a tokenizer is trained on: all texts, or the first ones of a stream."""
    return texts["text"] if isinstance(texts, Dataset) else (row["text"] for row in texts.take(VOCABULARY_TEXTS))
