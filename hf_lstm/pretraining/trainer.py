"""Train a language model, with the stock `Trainer` or on continuous streams."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset, DatasetDict, IterableDatasetDict
from tqdm.auto import tqdm
from transformers import PreTrainedTokenizerFast, Trainer, TrainerCallback
from transformers.trainer import TRAINING_ARGS_NAME

from ..data import BlockCollator
from ..language_model import LoopSettings, TokenTexts, choose_precision, stream_perplexity, train_on_streams
from ..models import LstmForCausalLM, LstmModel
from ..saving import atomic_folder
from ..training import add_callbacks, remove_checkpoints, remove_training_records
from .arguments import LanguageModelTrainingArguments

# Length in tokens of the sample that is shown at each evaluation.
SAMPLE_TOKENS = 40

# Each token of a sample is drawn from this many likely ones.
SAMPLE_TOP_K = 50

# Rows of a batch in which perplexity is measured.
EVALUATION_ROWS = 32


class SampleLines(TrainerCallback):
    """Print perplexities and a generated text after each evaluation."""

    def __init__(self, tokenizer: PreTrainedTokenizerFast):
        self.tokenizer = tokenizer

    def on_evaluate(self, args, state, control, metrics=None, model=None, **kwargs):
        if not state.is_world_process_zero:
            return
        losses = [entry["loss"] for entry in state.log_history if "loss" in entry]
        trained = math.exp(losses[-1]) if losses else float("nan")
        tqdm.write(
            f"step {state.global_step:,}   train perplexity {trained:.1f}   "
            f"validation perplexity {math.exp(metrics['eval_loss']):.1f}\n"
            f"  {sample_text(model, self.tokenizer)}"
        )


def sample_text(
    model: LstmForCausalLM, tokenizer: PreTrainedTokenizerFast, max_new_tokens: int = SAMPLE_TOKENS, seed: int = 0
) -> str:
    """
    Generate a text with a language model.

    Args:
        model: The model. A reverse model generates from the end; its tokens are put into reading order.
        tokenizer: Its tokenizer; its first token starts the text.
        max_new_tokens: Length of the text in tokens.
        seed: Seed of the draws. The random state of a running training is not changed.

    Returns:
        The text.
    """
    was_training = model.training
    model.eval()
    start = torch.tensor([[tokenizer.bos_token_id]], device=model.device)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        ids = model.generate(
            start,
            attention_mask=torch.ones_like(start),
            max_new_tokens=max_new_tokens,
            do_sample=True,
            top_k=SAMPLE_TOP_K,
            pad_token_id=tokenizer.pad_token_id,
            eos_token_id=tokenizer.bos_token_id,  # where the next text begins
        )[0, 1:]
    model.train(was_training)
    text = tokenizer.decode(ids.flip(0) if model.config.reverse else ids, skip_special_tokens=True)
    return str(text).strip()


def build_pretrainer(
    model: LstmForCausalLM,
    tokenizer: PreTrainedTokenizerFast,
    splits: DatasetDict | IterableDatasetDict,
    args: LanguageModelTrainingArguments,
) -> Trainer:
    """
    Build the stock `Trainer` for a language model; each block starts from a state of zeros.

    Args:
        model: The language model.
        tokenizer: Saved with every checkpoint.
        splits: `train` and `validation` as [`tokenize_blocks`] returns them.
        args: Arguments of the training.

    Returns:
        The Trainer. It evaluates, shows a sample and saves a checkpoint at the intervals of `args`, and keeps the best.

    Raises:
        ValueError: The training split is a stream and `args.max_steps` is not set.
    """
    if not isinstance(splits["train"], Dataset) and args.max_steps <= 0:
        raise ValueError("The length of a stream is not known: set max_steps to the number of steps to train.")
    trainer = Trainer(
        model=model,
        args=args,
        train_dataset=splits["train"],
        eval_dataset=splits["validation"],
        processing_class=tokenizer,
        data_collator=BlockCollator(tokenizer.pad_token_id),
    )
    add_callbacks(trainer, SampleLines(tokenizer))
    return trainer


def pretrain_streams(
    model: LstmForCausalLM,
    tokenizer: PreTrainedTokenizerFast,
    texts: Mapping[str, TokenTexts],
    args: LanguageModelTrainingArguments,
    block_size: int,
    dtype: torch.dtype,
) -> tuple[LstmForCausalLM, dict[str, Any]]:
    """
    Train a language model on continuous streams, carry the state from block to block, and save it.

    The loop is a plain PyTorch loop that does not wait for a GPU. Of `args` it uses the batch size, the epochs or
    `max_steps`, the learning rate, AdamW's betas and weight decay, `max_grad_norm`, the precision, the seed and the
    output folder. It saves no checkpoints; [`check_combination`] refuses the other options of the `Trainer`.

    Args:
        model: The language model, in fp32.
        tokenizer: Saved with the model.
        texts: `train` and `validation`.
        args: Arguments of the training.
        block_size: Number of tokens through which gradients flow.
        dtype: Precision of the computation, from [`stream_precision`].

    Returns:
        The trained model, and a record with `perplexity` on the validation texts, `epochs`, `steps`, `seconds` and
        `tokens_per_second`.
    """
    settings = LoopSettings(
        batch_size=args.per_device_train_batch_size,
        block_size=block_size,
        learning_rate=args.learning_rate,
        weight_decay=args.weight_decay,
        betas=(args.adam_beta1, args.adam_beta2),
        max_grad_norm=args.max_grad_norm,
        seed=args.seed,
    )
    device = args.device
    steps = args.max_steps if args.max_steps > 0 else epoch_steps(texts["train"], settings, args.num_train_epochs)
    model.to(device)  # type: ignore[arg-type]
    done = train_on_streams(model, texts["train"], settings, steps, dtype)
    folder = Path(args.output_dir or "")
    remove_training_records(folder)
    with atomic_folder(folder) as partial:
        model.save_pretrained(partial)
        tokenizer.save_pretrained(partial)
    record = {
        "perplexity": stream_perplexity(model, texts["validation"], settings, dtype),
        "epochs": done.epochs,
        "steps": done.steps,
        "seconds": done.seconds,
        "tokens_per_second": done.tokens_per_second,
    }
    return model, record


def stream_precision(args: LanguageModelTrainingArguments) -> torch.dtype:
    """
    Return the precision of a training on streams: the fastest of the device, or the one that was set.

    Args:
        args: Arguments of the training, with `bf16` and `fp16`.

    Raises:
        ValueError: The device does not support the precision that was set.
    """
    if args.chooses_precision:
        return choose_precision(args.device)
    return choose_precision(args.device, "bf16" if args.bf16 else "fp16" if args.fp16 else "fp32")


def epoch_steps(texts: TokenTexts, settings: LoopSettings, epochs: float) -> int:
    """Return the number of blocks in some epochs, at least 1."""
    per_epoch = -(-((len(texts.tokens) - 1) // settings.batch_size) // settings.block_size)
    return max(1, round(per_epoch * epochs))


@torch.inference_mode()
def measure_perplexity(model: LstmForCausalLM, rows: Dataset) -> float:
    """
    Return the exponential of the mean cross entropy of a language model, over rows that start from zeros.

    Args:
        model: The model; it is put into evaluation mode.
        rows: With `input_ids`, as [`tokenize_blocks`] returns them; the first token of each is not predicted.

    Returns:
        The perplexity over all predicted tokens, with equal weights.
    """
    model.eval()
    collate = BlockCollator(model.config.pad_token_id or 0)
    total = count = 0
    for batch in rows.iter(EVALUATION_ROWS):
        inputs = collate([{"input_ids": ids} for ids in batch["input_ids"]])
        predicted = sum(len(ids) - 1 for ids in batch["input_ids"])
        loss = model(**{name: tensor.to(model.device) for name, tensor in inputs.items()}).loss
        total, count = total + loss.item() * predicted, count + predicted
    return math.exp(total / count)


def wait_for_all_processes() -> None:
    """Wait until all processes of a distributed training, if it is one, have come to this point."""
    if torch.distributed.is_initialized():
        torch.distributed.barrier()


def save_language_model(trainer: Trainer) -> None:
    """
    Save the best language model and its tokenizer as one folder, and remove the checkpoints.

    Args:
        trainer: The Trainer after training.
    """
    folder = Path(trainer.args.output_dir or "")
    remove_training_records(folder)
    with atomic_folder(folder) as partial:
        trainer.save_model(str(partial), _internal_call=True)
        (partial / TRAINING_ARGS_NAME).unlink(missing_ok=True)
    remove_checkpoints(trainer)


def save_vectors(model: LstmModel, tokenizer: PreTrainedTokenizerFast, folder: str | Path) -> None:
    """
    Save embeddings and tokenizer without layers: a classifier that starts from them creates new layers of any cell.

    Args:
        model: The model with trained embeddings.
        tokenizer: Its tokenizer.
        folder: Where to save them.
    """
    remove_training_records(folder)
    embeddings = {name: part for name, part in model.state_dict().items() if name.startswith("embed_tokens")}
    with atomic_folder(Path(folder)) as partial:
        model.save_pretrained(partial, state_dict=embeddings)
        tokenizer.save_pretrained(partial)
