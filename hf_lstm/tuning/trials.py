"""Build and train the models of a search."""

import io
import json
import os
import shutil
import time
from contextlib import redirect_stdout
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save_file
from transformers import TrainerState, set_seed

from ..data import Corpus
from ..evaluation import latency_ms
from ..saving import PARTIAL
from ..training import (
    ClassifierTrainer,
    ResolvedArguments,
    TokenizedTexts,
    build_model,
    build_trainer,
    resolve_defaults,
)
from .limits import BYTES, HALF_BYTES, Cost, Limits, Watch
from .processes import is_worker
from .search_space import Groups, options_of
from .shared_texts import SharedTexts, validation_corpora


@dataclass(frozen=True)
class Candidate:
    """
    Options to try.

    Args:
        options: The options that differ from those of the user, as in the command that repeats the trial.
        cost: Cost of the model.
    """

    options: dict[str, Any]
    cost: Cost


@dataclass(frozen=True)
class Trained:
    """
    A finished training of a search.

    Args:
        trainer: The Trainer, which holds the best model.
        resolved: Its arguments.
        texts: The texts.
        notes: Notes on the texts.
        value: Validation metric of the model.
        seconds: Its time.
    """

    trainer: ClassifierTrainer
    resolved: ResolvedArguments
    texts: TokenizedTexts
    notes: list[str]
    value: float
    seconds: float


class Trials:
    """
    Everything that the trials of a search share.

    Args:
        corpus: The labelled texts.
        notes: Notes on them.
        given: The arguments of the user, with an output folder.
        limits: Limits of the models.
        work: Existing temporary folder for models, checkpoints and soft labels.
    """

    def __init__(self, corpus: Corpus, notes: list[str], given: Groups, limits: Limits, work: Path):
        self.given, self.limits, self.work = given, limits, work
        self.whole = SharedTexts(corpus, notes, work / "whole")
        corpora = validation_corpora(corpus, given.training.seed)
        if len(corpora) == 1:
            self.parts = [self.whole]
        else:
            self.parts = [SharedTexts(part, [], work / f"fold{number}") for number, part in enumerate(corpora)]
        texts = sorted(corpus.splits["validation"]["text"][:], key=len)
        self.median_text = texts[len(texts) // 2]

    @property
    def is_cross_validated(self) -> bool:
        """Whether a trial trains several models, none of which is the final one."""
        return len(self.parts) > 1

    def propose(self, parameters: dict[str, Any]) -> Candidate:
        """
        Build the model of a trial without training it.

        Args:
            parameters: Value of each open choice.

        Returns:
            The options, and the cost of the model. The weights are saved in half precision if they are too large
            otherwise.
        """
        options = options_of(parameters)
        epochs = options.pop("num_train_epochs", None)
        resolved, texts, _ = self.resolve(self.whole, options)
        args = replace(resolved.model, vectors="none")  # the same size, without the time to compute vectors
        model = build_model(self.whole.corpus, texts.splits, texts.tokenizer, args)
        if epochs is not None:
            options["num_train_epochs"] = max(1, round(epochs * (resolved.training.num_train_epochs or 1)))
        parameters_count = model.num_parameters()
        is_half = resolved.training.half_weights
        if not is_half and self.limits.needs_half_weights(parameters_count):
            is_half = options["half_weights"] = True
        megabytes = parameters_count * (HALF_BYTES if is_half else BYTES) / 1e6
        return Candidate(options, Cost(megabytes, latency_ms(model, texts.tokenizer, self.median_text)))

    def train(self, shared: SharedTexts, options: dict[str, Any], watch: Watch) -> Trained:
        """
        Train a model exactly as `hf-lstm train` does with the same options, without printed lines.

        Args:
            shared: The texts to train and to validate on.
            options: The options that differ from those of the user.
            watch: Callback that ends a training early.

        Returns:
            The finished training.

        Raises:
            TooSlow: The training does not fit in its time.
            ValueError: An option cannot be used, or the loss is infinite.
        """
        started = time.perf_counter()
        resolved, texts, notes = self.resolve(shared, options)
        checkpoints = self.work / f"checkpoints-{os.getpid()}"
        resolved.training.output_dir = str(checkpoints)
        if is_worker():
            resolved.training.disable_tqdm = True  # the bars of several processes would overwrite each other
        try:
            with redirect_stdout(io.StringIO()):
                # As at the start of a training: reading and tokenizing draw no random numbers.
                set_seed(resolved.training.seed)
                trainer = self._build_trainer(shared, options, resolved, texts)
                trainer.add_callback(watch)
                trainer.train()
        finally:
            shutil.rmtree(checkpoints, ignore_errors=True)
        if watch.was_stopped:
            notes.append(f"The training was stopped after {trainer.state.epoch:.0f} epochs, because the time was over.")
        seconds = time.perf_counter() - started
        return Trained(trainer, resolved, texts, notes, _validation_value(trainer), seconds)

    def keep(self, number: int, trained: Trained) -> None:
        """
        Store the model of a trial, so that [`restore`] gives it in any process.

        Args:
            number: Number of the trial.
            trained: Its training.
        """
        trainer = trained.trainer
        folder = self._kept_folder(number)
        partial = folder.with_name(PARTIAL + folder.name)
        partial.mkdir()
        save_file(trainer.model.state_dict(), partial / "weights.safetensors")
        trainer.state.save_to_json(str(partial / "state.json"))
        record = {"notes": trained.notes, "value": trained.value, "seconds": trained.seconds}
        (partial / "record.json").write_text(json.dumps(record), encoding="utf-8")
        (partial / "tokenizer.json").write_text(trained.texts.tokenizer.backend_tokenizer.to_str(), encoding="utf-8")
        partial.rename(folder)

    def is_kept(self, number: int) -> bool:
        """Return whether the model of a trial was stored."""
        return self._kept_folder(number).exists()

    def restore(self, number: int, options: dict[str, Any]) -> Trained | None:
        """
        Return a training as [`train`] returned it.

        Args:
            number: Number of the trial.
            options: Its options.

        Returns:
            The training, or `None` if it is not kept, or if its tokenizer is of a kind that is a different one whenever
            it is trained.
        """
        folder = self._kept_folder(number)
        if not folder.exists():
            return None
        resolved, texts, _ = self.resolve(self.whole, options)
        if (folder / "tokenizer.json").read_text(encoding="utf-8") != texts.tokenizer.backend_tokenizer.to_str():
            return None
        with redirect_stdout(io.StringIO()):
            trainer = self._build_trainer(self.whole, options, resolved, texts)
        trainer.model.load_state_dict(load_file(folder / "weights.safetensors"))
        trainer.state = TrainerState.load_from_json(str(folder / "state.json"))
        record = json.loads((folder / "record.json").read_text(encoding="utf-8"))
        return Trained(trainer, resolved, texts, **record)

    def _kept_folder(self, number: int) -> Path:
        return self.work / f"trial-{number}"

    def _build_trainer(
        self, shared: SharedTexts, options: dict[str, Any], resolved: ResolvedArguments, texts: TokenizedTexts
    ) -> ClassifierTrainer:
        model = build_model(shared.corpus, texts.splits, texts.tokenizer, resolved.model, texts.vectors)
        prefixes = self.given.changed(options).data.learns_prefixes
        return build_trainer(model, texts.tokenizer, texts.splits, resolved.training, prefixes)

    def resolve(
        self, shared: SharedTexts, options: dict[str, Any]
    ) -> tuple[ResolvedArguments, TokenizedTexts, list[str]]:
        """
        Prepare the texts and resolve the defaults of a trial.

        Args:
            shared: The texts to train and to validate on.
            options: The options that differ from those of the user.

        Returns:
            The arguments without open defaults, the tokenized texts, and the notes on them.
        """
        groups = self.given.changed(options)
        with redirect_stdout(io.StringIO()):
            texts, notes = shared.tokenized(groups)
        problem_type = shared.corpus.problem_type
        return resolve_defaults(texts.splits, problem_type, texts.model, groups.training), texts, notes


def _validation_value(trainer: ClassifierTrainer) -> float:
    """Return the validation metric of the model that a Trainer holds."""
    metric = f"eval_{trainer.args.metric_for_best_model}"
    if trainer.args.load_best_model_at_end and trainer.state.best_metric is not None:
        return trainer.state.best_metric
    return [entry[metric] for entry in trainer.state.log_history if metric in entry][-1]
