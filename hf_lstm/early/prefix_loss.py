"""Train on prefixes: the loss of a classifier at a random token of each text."""

import torch

from ..models import POOLINGS, LstmConfig, LstmForSequenceClassification

# Share of the prefixes in the loss, chosen by the validation accuracy on whole texts and on prefixes.
PREFIX_WEIGHT = 0.5


def check_reads_forward(
    config: LstmConfig | type[LstmConfig], bidirectional: bool | None, reverse: bool | None
) -> None:
    """
    Raise an error unless a model can decide before the end of a text.

    Args:
        config: Config of the model to start from, or the class with the defaults.
        bidirectional: Option of the training; `None` for the value of the config.
        reverse: The same for the direction.

    Raises:
        ValueError: The model reads texts from their end.
    """
    if config.bidirectional if bidirectional is None else bidirectional:
        raise ValueError("Early decisions require a model that reads in one direction: add --no_bidirectional.")
    if config.reverse if reverse is None else reverse:
        raise ValueError("Early decisions require a model that reads forward: add --no_reverse.")


def random_prefixes(attention_mask: torch.Tensor) -> torch.Tensor:
    """
    Choose a random prefix of each text; each length has the same probability.

    Args:
        attention_mask: `(batch, seq)`, padding is on the right. The first token of each text is `[CLS]`.

    Returns:
        Mask of the tokens of the prefixes, `(batch, seq)`: at least `[CLS]` and one more, if the text has one.
    """
    lengths = attention_mask.sum(1)  # (batch,)
    choices = (lengths - 1).clamp(min=1)
    shares = torch.rand(len(lengths), device=lengths.device)
    # The product may be rounded up to the number of choices.
    kept = torch.minimum(2 + (shares * choices).long(), lengths)
    steps = torch.arange(attention_mask.shape[1], device=lengths.device)
    return (steps < kept[:, None]).to(attention_mask.dtype)


def prefix_loss(
    model: LstmForSequenceClassification, outputs: torch.Tensor, prefixes: torch.Tensor, labels: torch.Tensor
) -> torch.Tensor:
    """
    Compute the loss of the prefixes of a batch from the outputs for the whole texts.

    The outputs of a model that reads forward do not depend on later tokens, so that the prefixes are not read again.

    Args:
        model: A model that reads forward.
        outputs: `(batch, seq, hidden_size)`, the outputs of its last layer.
        prefixes: Mask of the tokens of each prefix, `(batch, seq)`, from [`random_prefixes`].
        labels: Labels of the texts, see [`sequence_classification_loss`].

    Returns:
        The mean loss, a scalar.
    """
    ends = (prefixes.sum(1) - 1).clamp(min=0)  # (batch,)
    last = outputs[torch.arange(len(ends), device=ends.device), ends]  # (batch, hidden_size)
    pooling = POOLINGS[model.config.pooling].start(last).update(outputs, prefixes, last)
    logits = model.classifier(model.dropout(pooling.vector().to(outputs.dtype)))  # (batch, num_labels)
    return model.loss_function(labels=labels, pooled_logits=logits, config=model.config)
