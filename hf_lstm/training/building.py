"""Build a tokenizer and a model from arguments, new or from a saved model."""

from collections.abc import Iterable, Iterator
from itertools import chain, islice
from typing import Any, Literal, TypeVar, cast, get_args

import numpy as np
import torch
from datasets import Dataset, DatasetDict
from torch import nn
from transformers import PreTrainedTokenizerFast

from ..data import Corpus
from ..inference import load_config, load_tokenizer
from ..knowledge import VectorVocabulary, read_vocabulary, train_vectors
from ..messages import format_count, format_names, show_progress
from ..models import LstmConfig, LstmForCausalLM, LstmForSequenceClassification, LstmPreTrainedModel
from ..teachers import on_first_process
from ..text import TokenizerKind, share_without_spaces, train_tokenizer
from .arguments import BackboneArguments, ModelArguments
from .labels import HEAD_BIAS, HEAD_WEIGHT, copy_head, weight_names

# Config fields that must be those of the saved model, because trained layers cannot be loaded with other values.
LAYER_FIELDS = ("cell_type", "hidden_size", "num_hidden_layers", "bidirectional", "reverse")

# Texts have no words if more than this share of the characters of the first texts are in scripts without spaces.
SCRIPT_TEXTS, MAX_WITHOUT_SPACES = 1_000, 0.3

Model = TypeVar("Model", bound=LstmPreTrainedModel)
Result = TypeVar("Result")


def build_tokenizer(texts: Iterable[str], args: BackboneArguments) -> PreTrainedTokenizerFast:
    """
    Train a tokenizer, or load a saved one.

    Args:
        texts: Texts to train it on.
        args: `tokenizer` is a kind to train or a folder to load. With `pretrained`, the tokenizer of that model is
            loaded. The default `word` becomes `bpe`, with a message, if the texts do not separate words by spaces.

    Returns:
        The tokenizer. In distributed training, all processes get the one of the first process.

    Raises:
        ValueError: An argument would change a saved tokenizer, or there is no such kind or folder.
        OSError: There is no folder or Hub id `pretrained`, or the Hub cannot be reached.
    """
    changed = args.changed_fields() & {"tokenizer", "vocab_size", "lowercase"}
    kinds = get_args(TokenizerKind)
    if args.pretrained is not None:
        _refuse_changes(args.pretrained, changed)
        load_config(args.pretrained)
        return load_tokenizer(args.pretrained)
    if args.tokenizer is not None and args.tokenizer not in kinds:
        _refuse_changes(args.tokenizer, changed - {"tokenizer"})
        try:
            return load_tokenizer(args.tokenizer)
        except (ValueError, OSError):
            raise ValueError(
                f"`tokenizer` must be {', '.join(kinds)} or the folder of a saved tokenizer, got {args.tokenizer!r}."
            ) from None
    kind = cast(TokenizerKind | None, args.tokenizer)
    if kind is None:
        kind, texts = _choose_kind(texts)
    # Other processes might train a different tokenizer: some kinds break ties at random.
    return on_first_process(lambda: train_tokenizer(texts, kind, args.vocab_size, args.lowercase, show_progress()))


def build_vector_vocabulary(
    texts: Iterable[str], args: ModelArguments, trust_remote_code: bool = False
) -> VectorVocabulary:
    """
    Build a tokenizer from texts and the source of `vectors`, with the vectors of its tokens, and print what was found.

    Args:
        texts: The training texts.
        args: `vectors` is a source, `tokenizer` is a kind or `None`, and `embedding_size` the dimension of the vectors.
        trust_remote_code: Run the code of an encoder that has its own model class.

    Returns:
        The vocabulary, the same in all processes of a distributed training.

    Raises:
        ValueError: The source cannot be used.
        OSError: There is no such file, folder or Hub id, or the Hub cannot be reached.
    """
    source, kind = cast(str, args.vector_source), cast(Literal["word", "wordpiece"] | None, args.tokenizer)
    if kind is None and (share := share_without_spaces(islice(texts, SCRIPT_TEXTS))) > MAX_WITHOUT_SPACES:
        raise ValueError(
            f"{share:.0%} of the characters are in scripts without spaces, so that words have no vectors: "
            "remove `vectors`, or use `tokenizer` wordpiece if the source has subwords."
        )
    vocabulary = on_first_process(
        lambda: read_vocabulary(
            source, texts, kind, args.vocab_size, args.lowercase, args.embedding_size, trust_remote_code
        )
    )
    print(*vocabulary.notes, sep="\n")
    return vocabulary


def _choose_kind(texts: Iterable[str]) -> tuple[TokenizerKind, Iterable[str]]:
    """Return `bpe` and print a message if the first texts have no words, otherwise `word`; and all of the texts."""
    if isinstance(texts, Iterator):  # it can be read only once
        first = list(islice(texts, SCRIPT_TEXTS))
        texts = chain(first, texts)
    else:
        first = list(islice(texts, SCRIPT_TEXTS))
    share = share_without_spaces(text for text in first if isinstance(text, str))
    if share <= MAX_WITHOUT_SPACES:
        return "word", texts
    reason = f"{share:.0%} of the characters are in scripts without spaces between words"
    print(f"{reason}: the tokenizer is bpe, not word.")
    return "bpe", texts


def _refuse_changes(source: str, names: set[str]) -> None:
    """Raise an error if arguments for a new tokenizer were set, although the one of `source` is loaded."""
    if names:
        raise ValueError(f"{source} has its own vocabulary: remove {', '.join(sorted(names))}.")


def build_model(
    corpus: Corpus,
    splits: DatasetDict,
    tokenizer: PreTrainedTokenizerFast,
    args: ModelArguments,
    vectors: np.ndarray | None = None,
) -> LstmForSequenceClassification:
    """
    Create a classifier, with new weights or with the layers of a saved model.

    Args:
        corpus: Provides the labels and the class weights.
        splits: The tokenized corpus. Its `train` split initialises the embeddings if `vectors` is `cooccurrence`.
        tokenizer: Provides the size of the vocabulary and the special tokens.
        args: Resolved arguments of the model.
        vectors: `(vocab_size, embedding_size)`, the initial embeddings of the tokens, from [`build_vector_vocabulary`].

    Returns:
        The classifier.

    Raises:
        ValueError: An argument contradicts the saved model, or class weights are set for a regression.
        OSError: There is no folder or Hub id `pretrained`, or the Hub cannot be reached.
    """
    fields = args.config_fields() | {
        "id2label": dict(enumerate(corpus.label_names)),
        "label2id": {name: i for i, name in enumerate(corpus.label_names)},
        "problem_type": corpus.problem_type,
        "class_weights": balanced_weights(corpus) if args.class_weights else None,
    }
    if args.pretrained is not None:
        model = load_layers(LstmForSequenceClassification, args.pretrained, fields)
    else:
        model = LstmForSequenceClassification(new_config(tokenizer, fields))
        if vectors is not None:
            set_embeddings(model, vectors)
        elif args.vectors == "cooccurrence":
            start_from_vectors(model, splits["train"])
    if corpus.problem_type == "regression" and not (args.pretrained and _keeps_scores(model, args.pretrained)):
        start_at_scores(model, splits["train"])
    return model


def new_config(tokenizer: PreTrainedTokenizerFast, fields: dict[str, Any]) -> LstmConfig:
    """Return the configuration of a new model with the vocabulary of a tokenizer and other config fields."""
    return LstmConfig(
        vocab_size=len(tokenizer),
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        **fields,
    )


def load_layers(kind: type[Model], source: str, fields: dict[str, Any]) -> Model:
    """
    Load a saved model with other config fields, and print which of its weights are new.

    Args:
        kind: Class of the model to return. It may differ from the class of the saved model.
        source: Folder or Hub id of the saved model.
        fields: Config fields that replace those of the saved model.

    Returns:
        The model, in fp32.

    Raises:
        ValueError: A field that the saved weights determine is to be changed.
    """
    saved = load_config(source)
    fixed = ["embedding_size", *(LAYER_FIELDS if has_layers(source) else ())]
    if changed := [name for name in fixed if fields.get(name, getattr(saved, name)) != getattr(saved, name)]:
        raise ValueError(f"The trained model {source} has its own layers: remove {', '.join(changed)}.")
    if kind is LstmForCausalLM and saved.bidirectional and "bidirectional" in fixed:
        raise ValueError(f"{source} is bidirectional, but a language model requires a unidirectional model.")
    config = LstmConfig.from_pretrained(source, **fields)
    # Weights that are saved in half precision are loaded in full precision: half is not enough for training.
    loaded_pair = kind.from_pretrained(
        source,
        config=config,
        use_safetensors=True,
        ignore_mismatched_sizes=True,
        dtype=torch.float32,
        output_loading_info=True,
    )
    # The annotation of the library does not know the pair that `output_loading_info` returns.
    model, loading = cast(tuple[Model, dict[str, Any]], loaded_pair)
    new = {*loading["missing_keys"], *(key for key, *_ in loading["mismatched_keys"])}
    if isinstance(model, LstmForSequenceClassification):
        new = new - {HEAD_WEIGHT, HEAD_BIAS} | _load_head(model, source, saved, HEAD_WEIGHT in new)
        if saved.stop_rule is not None:
            print(f"The stop rule of {source} is not kept: it was fitted to the weights before this training.")
    loaded = len(model.state_dict()) - len(new & model.state_dict().keys())
    tensors = format_count(loaded, "weight tensor")
    print(f"Loaded {tensors} from {source}; initialised: {', '.join(sorted(new)) or 'none'}.")
    return model


def _load_head(model: LstmForSequenceClassification, source: str, saved: LstmConfig, is_new: bool) -> set[str]:
    """Match the rows of the head with the labels, and return what was initialised."""
    config = model.config
    if not is_new and (saved.id2label, saved.problem_type) == (config.id2label, config.problem_type):
        return set()
    # Even with as many labels, the rows may belong to other labels.
    copied = copy_head(model, source)
    if not copied:
        return {HEAD_WEIGHT, HEAD_BIAS}
    rows = model.classifier.out_features
    return {f"{rows - copied:,} of {rows:,} rows of the head"} if copied < rows else set()


def _keeps_scores(model: LstmForSequenceClassification, source: str) -> bool:
    """Return whether the head of a regression is that of a saved regression, which predicts scores already."""
    saved, config = load_config(source), model.config
    same = (saved.num_labels, saved.pooling) == (config.num_labels, config.pooling)
    return saved.problem_type == "regression" and same


def has_layers(source: str) -> bool:
    """Return whether a saved model has recurrent layers, and not only embeddings."""
    return any("layers." in name for name in weight_names(source))


def start_from_vectors(model: LstmPreTrainedModel, rows: Dataset) -> None:
    """
    Initialise the embeddings of the tokens that occur in the texts with the vectors of [`train_vectors`].

    Args:
        model: Model with new embeddings, which are changed in place by [`set_embeddings`].
        rows: Tokenized texts, with `input_ids`.
    """
    config = model.config
    ids = (ids for batch in rows.iter(1_000) for ids in batch["input_ids"])
    set_embeddings(model, train_vectors(ids, config.vocab_size, config.embedding_size))


def set_embeddings(model: LstmPreTrainedModel, vectors: np.ndarray) -> None:
    """
    Initialise the embeddings with vectors, scaled to the standard deviation of random embeddings.

    Args:
        model: Model with new embeddings, which are changed in place.
        vectors: `(vocab_size, embedding_size)`, with a mean square of 1. A token whose vector is zero keeps its random
            embedding.
    """
    scaled = torch.from_numpy(vectors) * model.config.initializer_range  # (vocab_size, embedding_size)
    has_vector = scaled.abs().sum(1, keepdim=True) > 0  # (vocab_size, 1)
    embeddings = cast(nn.Embedding, model.get_input_embeddings()).weight
    with torch.no_grad():
        embeddings.copy_(torch.where(has_vector, scaled, embeddings))


def start_at_scores(model: LstmForSequenceClassification, rows: Dataset) -> None:
    """
    Let the predictions of a new head start at the mean of the scores of a regression, on the scale of their deviation.

    Otherwise, a model would need very many steps to reach scores such as percentages.

    Args:
        model: Model with a new head, which is changed in place.
        rows: Rows with `labels`, each a score or a list of scores.
    """
    scores = torch.tensor(rows["labels"][:], dtype=torch.float64).view(len(rows), -1)  # (rows, num_labels)
    mean, deviation = scores.mean(0), scores.std(0, correction=0)
    with torch.no_grad():
        model.classifier.bias.copy_(mean)
        model.classifier.weight *= torch.where(deviation > 0, deviation, 1.0)[:, None]  # (num_labels, features)


def balanced_weights(corpus: Corpus) -> list[float]:
    """
    Return weights that give all classes the same influence on the loss.

    Args:
        corpus: The labelled texts; the `train` split is counted.

    Returns:
        For single-label classification, the inverse frequency of each class, with a mean of 1 over the texts. For
        multi-label classification, the number of negatives per positive of each label.

    A class without training rows, or a label that all or none of the training rows have, gets weight 1, with a message.

    Raises:
        ValueError: The corpus is a regression, which has no classes.
    """
    if corpus.problem_type == "regression":
        raise ValueError("`class_weights` cannot be used for a regression: remove it.")
    labels = np.array(corpus.splits["train"]["labels"])
    if corpus.problem_type == "single_label_classification":
        counts = np.bincount(labels, minlength=len(corpus.label_names))  # (num_labels,)
        usable = counts > 0
        inverse = len(labels) / (usable.sum() * np.maximum(counts, 1))
        reason = "have no training rows"
    else:
        counts = labels.sum(0)  # (num_labels,)
        usable = (counts > 0) & (counts < len(labels))
        inverse = (len(labels) - counts) / np.maximum(counts, 1)
        reason = "are in none or in all of the training rows"
    if not usable.all():
        names = [name for name, known in zip(corpus.label_names, usable, strict=True) if not known]
        print(f"{format_count(len(names), 'label')} {reason} and get class weight 1: {format_names(names)}.")
    return np.where(usable, inverse, 1.0).tolist()
