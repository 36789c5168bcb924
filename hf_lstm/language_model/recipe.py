"""Language model, classifier and teacher probabilities from a packed corpus within a time budget."""

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from transformers import set_seed

from ..models import LstmConfig, LstmForCausalLM, LstmForSequenceClassification
from .budget import Budget, ModelSize, fit_to_budget
from .classifier import HEAD_DROPOUT, FineTuningSettings, LabelledTexts, fine_tune, predict_probabilities
from .loop import LoopSettings, default_sampled_tokens, stream_perplexity, train_on_streams
from .packed import PackedCorpus
from .precision import choose_precision
from .results import REPORT_FILE, accuracy_of_split, save_half, save_probabilities, save_report

# AWD-LSTM with the dropouts of ULMFiT. 1,152 units instead of 1,150: multiples of 8 are needed for tensor cores.
PUBLISHED_SIZE = ModelSize(embedding_size=400, hidden_size=1152, num_hidden_layers=3)

DROPOUTS: dict[str, Any] = {
    "embedding_dropout": 0.05,
    "input_dropout": 0.25,
    "hidden_dropout": 0.15,
    "weight_dropout": 0.2,
}

# Share of the budget after which the language model is trained, and after which the classifier is.
LANGUAGE_MODEL_SHARE, CLASSIFIER_SHARE = 0.6, 0.9

# Share of the budget that has to be left to train the reverse direction, too.
REVERSE_SHARE = 0.2

# Smallest number of blocks in an epoch: a small corpus is read in fewer streams.
MIN_BLOCKS = 50


@dataclass(frozen=True)
class RecipeSettings:
    """
    Arguments of the recipe.

    Args:
        minutes: Time budget.
        output_dir: Folder for the results.
        size: Size of the model, reduced where the budget is too small for it.
        precision: "auto", "bf16", "fp16" or "fp32".
        seed: Seed of weights, dropouts and orders.
        device: Device to train on; by default a GPU if there is one.
    """

    minutes: float
    output_dir: str
    size: ModelSize = PUBLISHED_SIZE
    precision: str = "auto"
    seed: int = 42
    device: str | None = None


class Recipe:
    """
    One run of the recipe.

    Args:
        corpus: The packed corpus.
        settings: Arguments.
        report: Receives the progress lines.
        started: Value of `time.monotonic()` from which the time budget counts (default: now).

    Raises:
        ValueError: The output folder holds the results of another run, the budget is not positive, or the device does
            not support the precision.
    """

    def __init__(
        self,
        corpus: PackedCorpus,
        settings: RecipeSettings,
        report: Callable[[str], None] = print,
        started: float | None = None,
    ):
        if settings.minutes <= 0:
            raise ValueError(f"minutes must be positive, got {settings.minutes}.")
        self.folder = Path(settings.output_dir)
        if (self.folder / REPORT_FILE).exists():
            raise ValueError(f"{self.folder} holds the results of another run: name another output_dir.")
        self.budget = Budget(60 * settings.minutes, started)
        self.corpus, self.settings, self.report = corpus, settings, report
        self.device = torch.device(settings.device or ("cuda" if torch.cuda.is_available() else "cpu"))
        self.dtype = choose_precision(self.device, settings.precision)
        self.tokenizer = corpus.tokenizer()
        self.sampled_tokens = default_sampled_tokens(self.device, len(self.tokenizer))
        learned, validation = corpus.language_model_texts()
        self.learned, self.validation = corpus.texts.select(learned), corpus.texts.select(validation)
        most = len(self.learned.tokens) // (MIN_BLOCKS * LoopSettings.block_size)
        batch_size = max(1, min(LoopSettings.batch_size, most))
        self.loop = LoopSettings(batch_size=batch_size, seed=settings.seed)
        self.size = settings.size
        self.probabilities: dict[str, np.ndarray] = {}
        self.results: dict[str, Any] = {
            "corpus": corpus.name,
            "texts": len(corpus.texts),
            "minutes": settings.minutes,
            "device": torch.cuda.get_device_name(self.device) if self.device.type == "cuda" else "cpu",
            "precision": str(self.dtype).removeprefix("torch."),
            "sampled_tokens": self.sampled_tokens,
            "versions": {"torch": torch.__version__, "transformers": transformers.__version__},
            "settings": asdict(settings) | {"loop": asdict(self.loop)},
            "reduced": [],
            "test_accuracy": None,
        }

    def run(self) -> dict[str, Any]:
        """
        Train both directions, or the forward one where the time is not enough, and write everything.

        Returns:
            The report.
        """
        self.train_direction("forward", LANGUAGE_MODEL_SHARE, CLASSIFIER_SHARE)
        self.keep_probabilities("forward")
        if self.budget.remaining() >= REVERSE_SHARE * self.budget.seconds:
            used = self.budget.elapsed() / self.budget.seconds
            left = 1 - used
            self.train_direction("reverse", used + LANGUAGE_MODEL_SHARE * left, used + CLASSIFIER_SHARE * left)
            self.keep_best_direction()
        else:
            self.report(f"No time for the reverse direction: {max(0, self.budget.remaining()):.0f} s left.")
        # The test split is read here once, when nothing is chosen any more.
        self.results["test_accuracy"] = accuracy_of_split(self.probabilities["kept"], self.corpus, "test")
        self.save()
        return self.results

    def save(self) -> None:
        self.results["seconds"] = round(self.budget.elapsed(), 1)
        save_report(self.results, self.folder)

    def build(self, size: ModelSize, reverse: bool) -> LstmForCausalLM:
        """Return a new language model on the device."""
        set_seed(self.settings.seed)
        config = LstmConfig(
            vocab_size=len(self.tokenizer),
            pad_token_id=self.tokenizer.pad_token_id,
            bos_token_id=self.tokenizer.bos_token_id,
            eos_token_id=self.tokenizer.eos_token_id,
            bidirectional=False,
            reverse=reverse,
            tie_word_embeddings=True,
            sampled_tokens=self.sampled_tokens,
            **asdict(size),
            **DROPOUTS,
        )
        model = LstmForCausalLM(config)
        model.to(self.device)  # type: ignore[arg-type]
        return model

    def train_direction(self, name: str, language_model_share: float, classifier_share: float) -> None:
        """Train the language model and the classifier of one direction and write both."""
        reverse = name == "reverse"
        results: dict[str, Any] = {}
        self.results[name] = results
        deadline = self.budget.deadline(language_model_share)
        fit = fit_to_budget(
            lambda size: self.build(size, reverse),
            self.size,
            self.learned,
            self.loop,
            self.dtype,
            self.budget,
            deadline - time.monotonic(),
        )
        self.size = fit.size
        self.results["reduced"] += fit.reduced
        for sentence in fit.reduced:
            self.report(sentence)
        model = self.build(self.size, reverse)
        parameters = model.num_parameters()
        softmax = f"a sample of {self.sampled_tokens:,} tokens" if self.sampled_tokens else "all tokens"
        self.report(
            f"{name} language model: {self.size}, {parameters:,} parameters, {fit.total_steps:,} steps in "
            f"{self.results['precision']}, softmax over {softmax}."
        )
        done = train_on_streams(
            model, self.learned, self.loop, fit.total_steps, self.dtype, deadline=deadline, report=self.report
        )
        perplexity = stream_perplexity(model, self.validation, self.loop, self.dtype)
        self.report(f"{name} language model: validation perplexity {perplexity:.2f}.")
        results |= {"size": asdict(self.size), "parameters": parameters, "perplexity": perplexity}
        results["language_model"] = {key: value for key, value in asdict(done).items() if key != "losses"}
        save_half(model, self.tokenizer, self.folder / f"{name}-language_model")
        self.save()
        del model
        self.train_classifier(name, self.budget.deadline(classifier_share))

    def train_classifier(self, name: str, deadline: float) -> None:
        """Fine-tune the classifier of one direction, write it, and predict all texts."""
        model = LstmForSequenceClassification.from_pretrained(
            self.folder / f"{name}-language_model",
            dtype=torch.float32,
            pooling="concat",
            classifier_dropout=HEAD_DROPOUT,
            id2label=dict(enumerate(self.corpus.label_names)),
            label2id={label: i for i, label in enumerate(self.corpus.label_names)},
            problem_type="single_label_classification",
            tie_word_embeddings=False,
        )
        model.to(self.device)  # type: ignore[arg-type]
        settings = FineTuningSettings(seed=self.settings.seed)
        train = self.labelled(self.corpus.indices("train", learned_only=True))
        validation = self.labelled(self.corpus.indices("validation"))
        done = fine_tune(model, train, validation, settings, self.dtype, deadline, self.report)
        self.results[name]["classifier"] = asdict(done)
        largest = save_half(model, self.tokenizer, self.folder / f"{name}-classifier")
        self.results[name]["largest_file_bytes"] = largest
        self.save()
        # Predict with the weights as saved (fp16).
        model.load_state_dict({key: value.half() for key, value in model.state_dict().items()})
        self.probabilities[name] = predict_probabilities(
            model, self.corpus.texts, settings.evaluation_tokens, self.dtype
        )

    def labelled(self, texts: np.ndarray) -> LabelledTexts:
        return LabelledTexts(self.corpus.texts.select(texts), self.corpus.labels[texts])

    def keep_probabilities(self, name: str) -> None:
        """Write probabilities as the teacher file."""
        self.probabilities["kept"] = self.probabilities[name]
        found = accuracy_of_split(self.probabilities["kept"], self.corpus, "validation")
        self.results |= {"kept": name, "validation_accuracy": found}
        save_probabilities(self.probabilities["kept"], self.corpus, self.folder)
        self.save()
        self.report(f"Teacher probabilities ({name}): validation accuracy {found:.4f}.")

    def keep_best_direction(self) -> None:
        """Keep the direction, or the mean of both, that is best on the validation texts."""
        self.probabilities["mean"] = (self.probabilities["forward"] + self.probabilities["reverse"]) / 2
        found = {
            name: accuracy_of_split(self.probabilities[name], self.corpus, "validation")
            for name in ("mean", "forward", "reverse")
        }
        self.results["validation_accuracies"] = found
        self.keep_probabilities(max(found, key=lambda name: found[name] or 0.0))


def run_recipe(packed: str, settings: RecipeSettings, report: Callable[[str], None] = print) -> dict[str, Any]:
    """
    Train a language model and a classifier on it within a time budget and write a teacher file.

    Args:
        packed: File of a packed corpus.
        settings: Arguments.
        report: Receives the progress lines.

    Returns:
        The report, which is also written.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The corpus lacks a split, or as in [`Recipe`].
    """
    started = time.monotonic()
    corpus = PackedCorpus.read(packed)
    for split in ("train", "validation"):
        if not len(corpus.indices(split)):
            raise ValueError(f"{packed} has no {split} texts; pack a corpus with labelled training texts.")
    report(f"Read {len(corpus.texts):,} texts with {len(corpus.texts.tokens):,} tokens from {packed}.")
    return Recipe(corpus, settings, report, started).run()
