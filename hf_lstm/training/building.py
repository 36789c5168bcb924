"""Build the tokenizer and the model that arguments describe, new or from a saved model."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from datasets import ClassLabel, Dataset, DatasetDict
from safetensors import safe_open
from sklearn.utils.class_weight import compute_class_weight
from torch import nn
from transformers import PreTrainedTokenizerFast
from transformers.utils import SAFE_WEIGHTS_NAME, cached_file

from ..data import Corpus
from ..inference import load_config, load_tokenizer
from ..knowledge import train_vectors
from ..models import LstmConfig, LstmForCausalLM, LstmForSequenceClassification, LstmModel, LstmPreTrainedModel
from ..text import train_tokenizer
from .arguments import BackboneArguments, ModelArguments, PretrainingArguments

# Training texts with this many tokens say enough of which words are alike, and too much of single words, such as names:
# new models then start from vectors, drop more words, and are attacked.
LARGE_CORPUS_TOKENS = 1_000_000

# Fields of the config that trained layers have fixed: other values would silently start them anew.
LAYER_FIELDS = ("cell_type", "hidden_size", "num_hidden_layers", "bidirectional", "reverse")

# Random tokens among which a language model seeks the next one: enough for the gradient of the whole vocabulary's.
SAMPLED_TOKENS = 2_048


def build_tokenizer(texts: Iterable[str], args: BackboneArguments) -> PreTrainedTokenizerFast:
    """
    Trains a tokenizer, or loads that of the model to start from.

    Args:
        texts: To train it on.
        args: Which of the two, and what kind of tokenizer.

    Raises:
        ValueError: The model to start from is none of this package, or was asked to have another vocabulary.
    """
    if args.pretrained is not None:
        new = [name for name in ("tokenizer", "vocab_size", "lowercase") if name in args.changed_fields()]
        if new:
            raise ValueError(f"{args.pretrained} brings its own vocabulary: leave out {', '.join(new)}.")
        load_config(args.pretrained)
        return load_tokenizer(args.pretrained)
    tokenizer = train_tokenizer(texts, args.tokenizer, args.vocab_size, args.lowercase)
    if torch.distributed.is_initialized():
        # Some kinds come out differently each time: all processes take that of the first.
        shared = [tokenizer]
        torch.distributed.broadcast_object_list(shared)
        tokenizer = shared[0]
    return tokenizer


def is_large_corpus(splits: DatasetDict) -> bool:
    """Whether the tokenised training texts are many enough for what a large corpus gets."""
    return sum(splits["train"]["length"]) >= LARGE_CORPUS_TOKENS


def build_model(
    corpus: Corpus, splits: DatasetDict, tokenizer: PreTrainedTokenizerFast, args: ModelArguments
) -> LstmForSequenceClassification:
    """
    Makes a classifier, new or on the layers of a saved model.

    Args:
        corpus: Gives the labels and the class weights.
        splits: The corpus as [`tokenize_corpus`] returns it; a new model's embeddings may start from it.
        tokenizer: Gives the vocabulary.
        args: What to make or load.

    Returns:
        The model.

    Raises:
        ValueError: A field of the model to start from cannot be changed any more.
    """
    fields = args.config_fields() | {
        "id2label": dict(enumerate(corpus.label_names)),
        "label2id": {name: i for i, name in enumerate(corpus.label_names)},
        "problem_type": corpus.problem_type,
        "class_weights": balanced_weights(corpus) if args.class_weights else None,
    }
    # What teachers say is smooth already; among several labels a text, smoothing would outweigh the rare ones.
    fields.setdefault("label_smoothing", 0.1 if isinstance(splits["train"].features["labels"], ClassLabel) else 0.0)
    large = is_large_corpus(splits)
    if large:
        fields.setdefault("embedding_dropout", 0.3)
    if args.pretrained is not None:
        if args.vectors:
            raise ValueError(f"{args.pretrained} brings its own embeddings: leave out vectors.")
        return _load_layers(LstmForSequenceClassification, args.pretrained, fields)
    model = LstmForSequenceClassification(_new_config(tokenizer, fields))
    if large if args.vectors is None else args.vectors:
        start_from_vectors(model, splits["train"])
    return model


def build_pretraining_model(
    tokenizer: PreTrainedTokenizerFast, args: PretrainingArguments
) -> LstmForCausalLM | LstmModel:
    """
    Makes a language model, new or on the layers of a saved model, or, for vectors, a backbone that is not trained.

    Args:
        tokenizer: Gives the vocabulary.
        args: What to make or load.

    Raises:
        ValueError: A field of the model to start from cannot be changed any more, or a field makes no sense here.
    """
    fields = args.config_fields()
    if args.objective == "vectors":
        if args.pretrained is not None:
            raise ValueError("Vectors start from nothing: leave out pretrained.")
        return LstmModel(_new_config(tokenizer, fields))
    if fields.get("bidirectional"):
        raise ValueError("A language model reads in one direction, forward or in reverse: leave out bidirectional.")
    if args.sampled_tokens is None:
        fields["sampled_tokens"] = SAMPLED_TOKENS if len(tokenizer) > 2 * SAMPLED_TOKENS else 0
    fields["tie_word_embeddings"] = True
    if args.pretrained is None or not _has_layers(args.pretrained):
        fields["bidirectional"] = False
    if args.pretrained is not None:
        return _load_layers(LstmForCausalLM, args.pretrained, fields)
    return LstmForCausalLM(_new_config(tokenizer, fields))


def _new_config(tokenizer: PreTrainedTokenizerFast, fields: dict[str, Any]) -> LstmConfig:
    return LstmConfig(
        vocab_size=len(tokenizer),
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        **fields,
    )


def _load_layers(kind: type[LstmPreTrainedModel], source: str, fields: dict[str, Any]) -> LstmPreTrainedModel:
    """A model on what a saved one has learned; what that lacks, and a head of other labels, starts anew."""
    saved = load_config(source)
    fixed = ["embedding_size", *(LAYER_FIELDS if _has_layers(source) else ())]
    if changed := [name for name in fixed if fields.get(name, getattr(saved, name)) != getattr(saved, name)]:
        raise ValueError(f"The trained model {source} has its own layers: leave out {', '.join(changed)}.")
    if kind is LstmForCausalLM and saved.bidirectional and "bidirectional" in fixed:
        raise ValueError(f"{source} reads in both directions: a language model starts from one that reads in one.")
    config = LstmConfig.from_pretrained(source, **fields)
    # The weights may be saved in half precision, in which nothing is trained.
    model, loading = kind.from_pretrained(
        source,
        config=config,
        use_safetensors=True,
        ignore_mismatched_sizes=True,
        dtype=torch.float32,
        output_loading_info=True,
    )
    new = {*loading["missing_keys"], *(key for key, *_ in loading["mismatched_keys"])}
    is_regression = saved.problem_type == config.problem_type == "regression"  # whose scores have no names to differ
    same_labels = is_regression or (saved.id2label, saved.problem_type) == (config.id2label, config.problem_type)
    if kind is LstmForSequenceClassification and "classifier.weight" not in new and not same_labels:
        # Of as many labels it would fit, and say the wrong ones.
        nn.init.normal_(model.classifier.weight, std=config.initializer_range)
        nn.init.zeros_(model.classifier.bias)
    return model


def _has_layers(source: str) -> bool:
    """Whether a saved model has trained layers, and not embeddings alone."""
    with safe_open(cached_file(source, SAFE_WEIGHTS_NAME), framework="pt") as weights:
        return any("layers." in name for name in weights.keys())  # noqa: SIM118


def start_from_vectors(model: LstmPreTrainedModel, rows: Dataset) -> None:
    """
    Gives the embeddings of the tokens that occur the vectors of [`train_vectors`].

    They get the scale of the random embeddings, which the other tokens keep.

    Args:
        model: With new embeddings.
        rows: With `input_ids`.
    """
    config = model.config
    ids = (ids for batch in rows.iter(1_000) for ids in batch["input_ids"])
    vectors = torch.from_numpy(train_vectors(ids, config.vocab_size, config.embedding_size))
    vectors = vectors * config.initializer_range
    occurred = vectors.abs().sum(1, keepdim=True) > 0  # (vocab_size, 1)
    embeddings = model.get_input_embeddings().weight
    with torch.no_grad():
        embeddings.copy_(torch.where(occurred, vectors, embeddings))


def balanced_weights(corpus: Corpus) -> list[float]:
    """
    Weights under which every label counts the same: inverse frequency of a class, or negatives per positive of a label.

    Raises:
        ValueError: In a regression, which has no classes.
    """
    if corpus.problem_type == "regression":
        raise ValueError("class_weights need classes, and this corpus has scores: leave them out.")
    labels = np.array(corpus.splits["train"]["labels"])
    if corpus.problem_type == "single_label_classification":
        return compute_class_weight("balanced", classes=np.arange(len(corpus.label_names)), y=labels).tolist()
    positives = np.maximum(labels.sum(0), 1)
    return ((len(labels) - positives) / positives).tolist()
