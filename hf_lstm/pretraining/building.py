"""Build the language model or the backbone to pretrain from arguments, new or from a saved model."""

from transformers import PreTrainedTokenizerFast

from ..models import LstmForCausalLM, LstmModel
from ..training import has_layers, load_layers, new_config
from .arguments import PretrainingArguments

# Size of the sampled softmax: enough for a gradient close to that of the whole vocabulary.
SAMPLED_TOKENS = 2_048


def build_language_model(tokenizer: PreTrainedTokenizerFast, args: PretrainingArguments) -> LstmForCausalLM:
    """
    Create a language model, with new weights or with the layers of a saved model.

    Args:
        tokenizer: Provides the vocabulary.
        args: Arguments of the model.

    Returns:
        The language model, with input and output embeddings tied.

    Raises:
        ValueError: A field that a saved model determines is to be changed, or both directions are to be read.
    """
    fields = args.config_fields()
    if fields.get("bidirectional"):
        raise ValueError("A language model reads in one direction: remove `bidirectional`, or use `reverse`.")
    if args.sampled_tokens is None:
        fields["sampled_tokens"] = SAMPLED_TOKENS if len(tokenizer) > 2 * SAMPLED_TOKENS else 0
    fields["tie_word_embeddings"] = True
    if args.pretrained is None or not has_layers(args.pretrained):
        fields["bidirectional"] = False
    if args.pretrained is not None:
        return load_layers(LstmForCausalLM, args.pretrained, fields)
    return LstmForCausalLM(new_config(tokenizer, fields))


def build_backbone(tokenizer: PreTrainedTokenizerFast, args: PretrainingArguments) -> LstmModel:
    """Create a backbone with new weights, whose embeddings [`start_from_vectors`] replaces by word vectors."""
    return LstmModel(new_config(tokenizer, args.config_fields()))
