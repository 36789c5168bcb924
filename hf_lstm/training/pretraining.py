"""Train a language model with the stock `Trainer`."""

import math
from pathlib import Path

import torch
from datasets import Dataset, DatasetDict, IterableDatasetDict
from transformers import PreTrainedTokenizerFast, Trainer
from transformers.trainer import TRAINING_ARGS_NAME
from transformers.trainer_callback import ProgressCallback

from ..data import BlockCollator
from ..models import LstmForCausalLM, LstmModel
from ..saving import atomic_folder
from .arguments import LanguageModelTrainingArguments
from .checkpoints import remove_checkpoints, remove_training_records
from .trainer import add_callbacks

# Tokens of the sample that is shown with each evaluation, and from how many likely ones each is drawn.
SAMPLE_TOKENS = 40

SAMPLE_TOP_K = 50

# Rows of a batch in which perplexity is measured.
EVALUATION_ROWS = 32


class SampleLines(ProgressCallback):
    """The stock progress bar, which says how long the rest takes, with perplexity and a sample at each evaluation."""

    def __init__(self, tokenizer: PreTrainedTokenizerFast):
        super().__init__()
        self.tokenizer = tokenizer

    def on_log(self, args, state, control, logs=None, **kwargs):
        pass  # every figure, on a line that nobody reads

    def on_evaluate(self, args, state, control, metrics=None, model=None, **kwargs):
        super().on_evaluate(args, state, control, **kwargs)
        if not state.is_world_process_zero or self.training_bar is None:
            return
        losses = [entry["loss"] for entry in state.log_history if "loss" in entry]
        trained = math.exp(losses[-1]) if losses else float("nan")
        self.training_bar.write(
            f"step {state.global_step:,}   train perplexity {trained:.1f}   "
            f"validation perplexity {math.exp(metrics['eval_loss']):.1f}\n"
            f"  {sample_text(model, self.tokenizer)}"
        )


def sample_text(
    model: LstmForCausalLM, tokenizer: PreTrainedTokenizerFast, max_new_tokens: int = SAMPLE_TOKENS, seed: int = 0
) -> str:
    """
    Lets a language model write.

    Args:
        model: The model; one that reads from the end also writes from there, and the text is turned round.
        tokenizer: Its tokenizer; its first token starts the text.
        max_new_tokens: Length of the text in tokens.
        seed: Of the draws, which leave the random state of a training as it is.
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
    return tokenizer.decode(ids.flip(0) if model.config.reverse else ids, skip_special_tokens=True)


def build_pretrainer(
    model: LstmForCausalLM,
    tokenizer: PreTrainedTokenizerFast,
    splits: DatasetDict | IterableDatasetDict,
    args: LanguageModelTrainingArguments,
) -> Trainer:
    """
    Puts language model, blocks and arguments into the stock Trainer.

    Args:
        model: The language model.
        tokenizer: Saved with every checkpoint.
        splits: `train` and `validation` as [`tokenize_blocks`] returns them.
        args: Arguments of the training.

    Returns:
        The Trainer; it evaluates, shows a sample and saves a checkpoint as `args` say, and keeps the best.

    Raises:
        ValueError: A stream is read, and no number of steps is given.
    """
    if not isinstance(splits["train"], Dataset) and args.max_steps <= 0:
        raise ValueError("A stream has no end that is known: say with max_steps how many steps to train.")
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


@torch.inference_mode()
def measure_perplexity(model: LstmForCausalLM, rows: Dataset) -> float:
    """
    How many tokens a language model hesitates between, on average: the exponential of the mean cross entropy.

    Args:
        model: The model; it is put into evaluation mode.
        rows: With `input_ids`, as [`tokenize_blocks`] returns them; the first token of each is not predicted.

    Returns:
        The perplexity over all predicted tokens, each counting the same.
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


def save_language_model(trainer: Trainer) -> LstmForCausalLM:
    """
    Saves the best language model and its tokenizer as one folder, and loads that folder again.

    Args:
        trainer: After training.

    Returns:
        The loaded model, in full precision.
    """
    folder = Path(trainer.args.output_dir)
    remove_training_records(folder)
    with atomic_folder(folder) as partial:
        trainer.save_model(str(partial), _internal_call=True)
        (partial / TRAINING_ARGS_NAME).unlink(missing_ok=True)
        model = LstmForCausalLM.from_pretrained(partial)
    remove_checkpoints(trainer)
    return model.to(trainer.args.device)


def save_vectors(model: LstmModel, tokenizer: PreTrainedTokenizerFast, folder: str | Path) -> None:
    """
    Saves embeddings and tokenizer, and no layers: a classifier that starts from them makes its own, of any kind.

    Args:
        model: Whose embeddings are trained.
        tokenizer: Its tokenizer.
        folder: Where to.
    """
    remove_training_records(folder)
    embeddings = {name: part for name, part in model.state_dict().items() if name.startswith("embed_tokens")}
    with atomic_folder(Path(folder)) as partial:
        model.save_pretrained(partial, state_dict=embeddings)
        tokenizer.save_pretrained(partial)
