"""Build the language model or the backbone to pretrain from arguments, new or from a saved model."""

from dataclasses import replace

import torch
from transformers import PreTrainedTokenizerFast

from ..language_model import default_sampled_tokens
from ..models import LstmForCausalLM, LstmModel
from ..training import has_layers, load_layers, new_config
from .arguments import PretrainingArguments


def resolve_pretraining_defaults(
    args: PretrainingArguments, device: torch.device, vocab_size: int
) -> PretrainingArguments:
    """
    Replace `sampled_tokens` by its default for the device and the vocabulary if it is `None`.

    Args:
        args: Arguments of the model. They are not modified.
        device: Device of the training.
        vocab_size: Number of tokens in the vocabulary.

    Returns:
        The resolved arguments.
    """
    if args.sampled_tokens is not None:
        return args
    return replace(args, sampled_tokens=default_sampled_tokens(device, vocab_size))


def build_language_model(tokenizer: PreTrainedTokenizerFast, args: PretrainingArguments) -> LstmForCausalLM:
    """
    Create a language model, with new weights or with the layers of a saved model.

    Args:
        tokenizer: Provides the vocabulary.
        args: Arguments of the model, from [`resolve_pretraining_defaults`].

    Returns:
        The language model, with input and output embeddings tied.

    Raises:
        ValueError: A field that a saved model determines is to be changed, or both directions are to be read.
    """
    fields = args.config_fields()
    if fields.get("bidirectional"):
        raise ValueError("A language model reads in one direction: remove `bidirectional`, or use `reverse`.")
    fields["tie_word_embeddings"] = True
    if args.pretrained is None or not has_layers(args.pretrained):
        fields["bidirectional"] = False
    if args.pretrained is not None:
        return load_layers(LstmForCausalLM, args.pretrained, fields)
    return LstmForCausalLM(new_config(tokenizer, fields))


def build_backbone(tokenizer: PreTrainedTokenizerFast, args: PretrainingArguments) -> LstmModel:
    """Create a backbone with new weights, whose embeddings [`start_from_vectors`] replaces by word vectors."""
    return LstmModel(new_config(tokenizer, args.config_fields()))
