"""Train a classifier from data and options, and write a folder with model, metrics, plots and card."""

import os
import time
from copy import copy
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np
from datasets import DatasetDict
from transformers import PreTrainedTokenizerFast, set_seed

from ..data import Corpus, load_corpus, summarize_tokens, tokenize_corpus, unlabelled_texts
from ..early import check_reads_forward, stop_target
from ..evaluation import precision_targets
from ..hub import TrainedClassifier, check_push, load_classifier
from ..inference import load_config, load_tokenizer
from ..knowledge import open_source
from ..messages import library_progress_bars
from ..models import LstmConfig
from ..saving import full_disk_errors
from ..teachers import SOFT_LABELS_FILE, check_teachers, find_teacher, label_with_teachers
from .arguments import ClassifierTrainingArguments, DataArguments, ModelArguments
from .building import build_model, build_tokenizer, build_vector_vocabulary
from .callbacks import check_trackers
from .checkpoints import (
    TEACHER_CHECKS,
    advise_on_full_disk,
    check_resumed_data,
    check_resumed_model,
    describe_training_data,
    find_resume_checkpoint,
    saved_teacher_checks,
)
from .defaults import resolve_defaults
from .labels import add_rehearsal, drop_suspicious, keep_trained_labels
from .options import announce_replacement, audit_folder, name_dataset, name_of
from .records import TrainingRun, finish_training, precision_of, push_finished
from .trainer import build_trainer

ARGUMENT_GROUPS = (DataArguments, ModelArguments, ClassifierTrainingArguments)


class TokenizedTexts(NamedTuple):
    """
    Texts as a model reads them.

    Args:
        splits: The tokenized splits.
        tokenizer: The tokenizer.
        model: Arguments of the model, with the size of the embeddings if vectors were read.
        vectors: `(vocab_size, embedding_size)`, or `None` if `vectors` has no source.
    """

    splits: DatasetDict
    tokenizer: PreTrainedTokenizerFast
    model: ModelArguments
    vectors: np.ndarray | None


@library_progress_bars()
def run_training(
    data: Any, data_args: DataArguments, model_args: ModelArguments, args: ClassifierTrainingArguments, command: str
) -> TrainedClassifier:
    """
    Train a classifier with given arguments.

    Args:
        data: Hub id, folder, file or data in memory, as in [`load_corpus`]; `data_args.dataset` is not read.
        data_args: Arguments of the data.
        model_args: Arguments of the model.
        args: Arguments of the Trainer. None of the arguments is modified.
        command: The command or Python call, for the model card.

    Returns:
        The trained classifier, as loaded from its folder.

    Raises:
        ValueError: The data or an argument cannot be used; the message names it and what to do.
        OSError: A file or folder does not exist, or the Hub cannot be reached.
    """
    started = time.perf_counter()
    set_seed(args.seed)
    data, trainer_args = resolve_output(data, args)
    checkpoint = find_resume_checkpoint(trainer_args)
    corpus, notes = read_corpus(data, data_args, model_args, trainer_args)
    precision_targets(args.min_precision, corpus.label_names, corpus.problem_type)  # checked before the training
    training_data = describe_training_data(corpus, data_args, model_args, args.seed)
    if checkpoint is not None:
        check_resumed_data(checkpoint, training_data)
    if checkpoint is None and model_args.vector_source is not None:
        # An error comes before the teachers label all texts.
        open_source(model_args.vector_source, data_args.trust_remote_code)
    labelled, training_data[TEACHER_CHECKS] = label_unlabelled(corpus, data_args, trainer_args, notes, checkpoint)
    texts = tokenize_texts(labelled, data_args, model_args, trainer_args, notes, checkpoint)
    resolved = resolve_defaults(texts.splits, corpus.problem_type, texts.model, trainer_args)
    model = build_model(corpus, texts.splits, texts.tokenizer, resolved.model, texts.vectors)
    if checkpoint is not None:
        check_resumed_model(checkpoint, model.config)
    trainer = build_trainer(model, texts.tokenizer, texts.splits, resolved.training, data_args.learns_prefixes)
    trainer.training_data = training_data
    print(
        f"{resolved}\n{model.config.cell_type.upper()} with {model.num_parameters():,} parameters, up to "
        f"{resolved.training.num_train_epochs:g} epochs of {len(texts.splits['train']):,} texts in "
        f"{precision_of(args)}."
    )
    folder = Path(trainer_args.output_dir)
    with full_disk_errors(folder, lambda: advise_on_full_disk(folder)):
        trainer.train(resume_from_checkpoint=checkpoint)
    trainer.accelerator.wait_for_everyone()  # other processes may still be reading the checkpoints
    if not trainer.is_world_process_zero():
        trainer.accelerator.wait_for_everyone()
        return load_classifier(folder)
    seconds = time.perf_counter() - started
    run = TrainingRun(
        *name_dataset(data), command, notes, data_args, resolved, corpus, texts.splits, trainer, {}, seconds
    )
    trained = finish_training(run, texts.tokenizer)
    push_finished(folder, args)
    trainer.accelerator.wait_for_everyone()
    return trained


def resolve_output(data: Any, args: ClassifierTrainingArguments) -> tuple[Any, ClassifierTrainingArguments]:
    """
    Choose the output folder, and check the repository to push to and the trackers, before anything is trained.

    A printed line says that the folder has an earlier model, which will be replaced.

    Args:
        data: Data as in [`run_training`].
        args: Arguments of the Trainer.

    Returns:
        The data with `~/` replaced by the home folder, and a copy of the arguments with an `output_dir`, which do not
        push: the finished folder is pushed, not its checkpoints.

    Raises:
        ValueError: The repository cannot be pushed to, or a tracker of `report_to` cannot be used.
        OSError: The Hub cannot be reached.
    """
    if isinstance(data, str | Path):
        data = type(data)(os.path.expanduser(data))
    check_trackers(args)
    trainer_args = copy(args)
    trainer_args.output_dir = args.output_dir or f"runs/{name_of(data)}"
    trainer_args.push_to_hub = False
    announce_replacement(trainer_args.output_dir)
    if args.push_to_hub:
        check_push(args.hub_model_id or Path(trainer_args.output_dir).name, args.hub_token)
    return data, trainer_args


def tokenize_texts(
    labelled: DatasetDict,
    data_args: DataArguments,
    model_args: ModelArguments,
    args: ClassifierTrainingArguments,
    notes: list[str],
    checkpoint: str | None = None,
) -> TokenizedTexts:
    """
    Build the tokenizer from the training texts, and tokenize all splits.

    Args:
        labelled: The splits, with the texts that teachers labelled.
        data_args: Arguments of the data.
        model_args: Arguments of the tokenizer.
        args: Arguments of the Trainer. In distributed training, the first process tokenizes first.
        notes: Notes of the training; printed notes on vectors, lengths and unknown tokens are added.
        checkpoint: Folder from which the training is resumed; its tokenizer is used.
    """
    tokenizer, model_args, vectors = load_or_build_vocabulary(
        checkpoint, labelled, model_args, notes, data_args.trust_remote_code
    )
    with args.main_process_first():
        splits = tokenize_corpus(labelled, tokenizer, max_length=data_args.max_length)
    kind_is_free = checkpoint is None and model_args.pretrained is None and model_args.vector_source is None
    summary = summarize_tokens(labelled, splits, tokenizer, data_args.max_length, kind_is_free)
    print(*summary, sep="\n")
    notes += summary
    return TokenizedTexts(splits, tokenizer, model_args, vectors)


def read_corpus(
    data: Any, data_args: DataArguments, model_args: ModelArguments, args: ClassifierTrainingArguments
) -> tuple[Corpus, list[str]]:
    """
    Load the corpus with the labels of the model to start from, and with earlier data if there is any.

    Args:
        data: Data as in [`run_training`].
        data_args: Arguments of the data.
        model_args: Arguments of the model; `pretrained` may have labels to keep.
        args: Arguments of the Trainer. In distributed training, the first process reads and the others use its cache.

    Returns:
        The corpus, and the printed notes on what was inferred, added, split off or dropped.
    """
    if data_args.rehearse is not None and model_args.pretrained is None:
        raise ValueError("`--rehearse` requires `--pretrained`.")
    if data_args.audit_dir is not None and not data_args.drop_suspicious:
        raise ValueError("`--audit_dir` requires `--drop_suspicious`.")
    if data_args.prefixes or args.stop_false_alarms is not None:
        config = LstmConfig if model_args.pretrained is None else load_config(model_args.pretrained)
        check_reads_forward(config, model_args.bidirectional, model_args.reverse)

    def load(source: Any, config_name: str | None, problem_type: str | None) -> Corpus:
        return load_corpus(
            source,
            config_name=config_name,
            text_column=data_args.text_column,
            label_column=data_args.label_column,
            label_separator=data_args.label_separator,
            problem_type=problem_type,
            separator=data_args.separator,
            encoding=data_args.encoding,
            validation_fraction=data_args.validation_fraction,
            # Rows of one new class can be added to earlier ones.
            min_classes=2 if data_args.rehearse is None else 1,
        )

    with args.main_process_first():
        corpus = load(data, data_args.dataset_config, data_args.problem_type)
        if data_args.drop_suspicious:
            corpus = drop_suspicious(corpus, data_args.drop_suspicious, data_args.audit_dir or audit_folder(data))
        if data_args.rehearse is not None:
            earlier = load(data_args.rehearse, None, corpus.problem_type)
            corpus = add_rehearsal(corpus, earlier, str(model_args.pretrained), data_args.rehearse)
    if model_args.pretrained is not None:
        corpus = keep_trained_labels(corpus, model_args.pretrained, model_args.drop_missing_labels)
    stop_target(args.stop_false_alarms, corpus.label_names, corpus.problem_type)  # checked before the training
    notes = list(corpus.notes)
    if corpus.problem_type == "multi_label_classification":
        notes.append("The threshold of each label is chosen on the validation split, so its metrics are optimistic.")
    print(*notes, sep="\n")
    return corpus, notes


def label_unlabelled(
    corpus: Corpus,
    data_args: DataArguments,
    args: ClassifierTrainingArguments,
    notes: list[str],
    checkpoint: str | None = None,
) -> tuple[DatasetDict, list[str]]:
    """
    Check the teachers, if there are any, and label the training texts or other texts with them.

    Args:
        corpus: The labelled texts.
        data_args: Arguments of the data, which name the teachers.
        args: Arguments of the Trainer, with the folder in which the soft labels are saved and the seed.
        notes: Notes of the training; notes on the unlabelled texts and the teachers are added.
        checkpoint: Folder from which the training is resumed: the soft labels are then read from the file that it
            wrote, and the teachers are not used again.

    Returns:
        The splits of the corpus, and the results of the check. With teachers, `train` has soft labels and contains the
        unlabelled texts, changed texts and prefixes, too.
    """
    if not data_args.teacher:
        return corpus.splits, []
    labels = cast(dict[str, str] | None, data_args.teacher_labels)
    teachers = [find_teacher(teacher, labels, data_args.trust_remote_code) for teacher in data_args.teacher]
    unlabelled, read = unlabelled_texts(
        corpus, data_args.unlabelled, data_args.text_column, data_args.separator, data_args.encoding
    )
    print(*read, sep="\n", end="\n" if read else "")
    written = Path(args.output_dir) / SOFT_LABELS_FILE
    path = written if checkpoint is None else Path(checkpoint).parent / SOFT_LABELS_FILE
    if checkpoint is not None and path.is_file():
        checks = saved_teacher_checks(checkpoint)
        names = ", ".join(teacher.name for teacher in teachers)
        read.append(f"{path} has the soft labels of the interrupted training, from {names}.")
        print(*checks, read[-1], sep="\n")
        teachers = [find_teacher(path)]
        # The checkpoint may be in the folder of another training.
        save_to = None if path.resolve() == written.resolve() else written
    else:
        checks, save_to = check_teachers(corpus, teachers), written
    train, note = label_with_teachers(
        corpus,
        teachers,
        unlabelled,
        data_args.passage_words,
        save_to,
        data_args.augment,
        args.seed,
        data_args.prefixes,
    )
    print(note)
    notes += [*read, *checks, note]
    return DatasetDict(corpus.splits | {"train": train}), checks


def load_or_build_vocabulary(
    checkpoint: str | None,
    labelled: DatasetDict,
    model_args: ModelArguments,
    notes: list[str],
    trust_remote_code: bool,
) -> tuple[PreTrainedTokenizerFast, ModelArguments, np.ndarray | None]:
    """
    Return the tokenizer, and the initial embeddings if `vectors` has a source.

    Args:
        checkpoint: Folder of the checkpoint whose tokenizer is loaded, or `None` for a new training.
        labelled: Splits with the column `text`; the vocabulary is that of `train`.
        model_args: Arguments of the model.
        notes: Notes of the training; notes on the vectors are added.
        trust_remote_code: Run the code of an encoder that has its own model class.

    Returns:
        The tokenizer, the arguments with the size of the embeddings, and `(vocab_size, embedding_size)` or `None`.
    """
    source = model_args.vector_source
    if checkpoint is not None:
        if source is not None:
            notes.append(f"The embeddings of the interrupted training started from the vectors of {source}.")
            print(notes[-1])
            size = model_args.embedding_size or load_config(checkpoint).embedding_size
            model_args = replace(model_args, embedding_size=size)
        return load_tokenizer(checkpoint), model_args, None
    if source is None:
        return build_tokenizer(labelled["train"]["text"], model_args), model_args, None
    vocabulary = build_vector_vocabulary(labelled["train"]["text"], model_args, trust_remote_code)
    notes += vocabulary.notes
    return vocabulary.tokenizer, replace(model_args, embedding_size=vocabulary.vectors.shape[1]), vocabulary.vectors
