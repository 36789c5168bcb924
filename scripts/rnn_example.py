"""Recurrent networks from one step to a trained classifier: `python scripts/rnn_example.py`.

Read it from top to bottom beside what it prints. What a hidden state is (1), the shapes of `nn.RNN`, `nn.GRU` and
`nn.LSTM` (2), a classifier in plain PyTorch and the trap of padding (3), the same classifier as
`LstmForSequenceClassification` (4): these parts check what they state, so a statement that did not hold would stop the
script. The last one trains the three cells in a plain loop and measures how far back they remember (5).
"""

import argparse
import math
import textwrap
import time
from pathlib import Path

import numpy as np
import torch
from datasets import DatasetDict
from matplotlib.figure import Figure
from torch import nn
from torch.testing import assert_close
from tqdm.auto import tqdm
from transformers import get_cosine_schedule_with_warmup

from hf_lstm import LstmConfig, LstmForSequenceClassification
from hf_lstm.cli.arguments import run
from hf_lstm.data.batching import pad_batch
from hf_lstm.data.sample_reviews import build_sample_reviews
from hf_lstm.inference.prediction import predict_logits
from hf_lstm.text.tokenization import train_tokenizer

CELLS = {"rnn": nn.RNN, "gru": nn.GRU, "lstm": nn.LSTM}

# Sizes of parts 1 to 4: all different, so that a shape says what each of its axes is.
BATCH, SEQ, INPUT, HIDDEN = 3, 5, 4, 6

# First distance of each group of part 5, in words.
DISTANCES = (0, 5, 15, 30, 60)


def main() -> None:
    parser = argparse.ArgumentParser(description="Recurrent networks, explained, checked and trained.")
    parser.add_argument("--epochs", type=int, default=15, help="Epochs for each of the three cells of part 5.")
    parser.add_argument("--train_texts", type=int, default=8000, help="Reviews they are trained on.")
    parser.add_argument("--plot", default="runs/rnn_example.png", help="PNG file for the picture of part 5.")
    args = parser.parse_args()

    # Steps this small are not worth a second thread: where another program needs its core, each of them waits for it.
    torch.set_num_threads(1)
    torch.manual_seed(0)
    explain_hidden_state()
    explain_shapes()
    plain = explain_last_time_step()
    explain_same_model(plain)
    splits = build_sample_reviews(num_train=args.train_texts)
    plot_memory(compare_memory(splits, args.epochs), args.plot)
    print(f"\nThe table as a picture: {args.plot}")


def heading(title: str) -> None:
    print(f"\n{title}\n{'-' * len(title)}")


# 1 ------------------------------------------------------------------------------------------------------------------


def explain_hidden_state() -> None:
    """A recurrent network is one small function, applied to one word after the other."""
    heading("1. A hidden state")
    words = torch.randn(SEQ, INPUT)  # one text: a vector for each word

    # The plain RNN. Its memory of all the words so far is one vector h; a step mixes the next word into it.
    rnn = nn.RNN(INPUT, HIDDEN)
    W, b = rnn.weight_ih_l0, rnn.bias_ih_l0  # (hidden, input), (hidden,): input to hidden
    U, b_ = rnn.weight_hh_l0, rnn.bias_hh_l0  # (hidden, hidden), (hidden,): hidden to hidden
    h = torch.zeros(HIDDEN)
    for x in words:
        h = torch.tanh(W @ x + b + U @ h + b_)
    output, h_n = rnn(words)  # (seq, hidden), (1, hidden)
    assert_close(h, h_n[0])
    print("RNN    h = tanh(W x + b + U h + b')                           by hand as in nn.RNN")
    print("       The same W and U at every step, so a text may have any length. But every step")
    print("       rewrites all of h: what one word left there passes through every later tanh.")

    # The LSTM keeps a second vector, the cell state c, which a step changes by a sum and not through a matrix: as long
    # as the forget gate f is near 1 and the input gate i near 0, c stays, and so does the gradient that flows back.
    lstm = nn.LSTM(INPUT, HIDDEN)
    W, b, U, b_ = lstm.weight_ih_l0, lstm.bias_ih_l0, lstm.weight_hh_l0, lstm.bias_hh_l0  # four gates, stacked
    h = c = torch.zeros(HIDDEN)
    for x in words:
        i, f, g, o = (W @ x + b + U @ h + b_).chunk(4)  # (4 * hidden,) to four of (hidden,)
        c = f.sigmoid() * c + i.sigmoid() * g.tanh()
        h = o.sigmoid() * c.tanh()
    output, (h_n, c_n) = lstm(words)  # (seq, hidden), (1, hidden) twice
    assert_close(h, h_n[0])
    assert_close(c, c_n[0])
    print("LSTM   i, f, g, o = W x + b + U h + b'")
    print("       c = sigmoid(f) * c + sigmoid(i) * tanh(g)              by hand as in nn.LSTM")
    print("       h = sigmoid(o) * tanh(c)")
    print("       The gates learn when to keep c (f), when to add to it (i), when to show it (o).")

    # The GRU does with h alone: its update gate z keeps a part of h as it is, and so takes the role of f and of 1 - i.
    gru = nn.GRU(INPUT, HIDDEN)
    W, b, U, b_ = gru.weight_ih_l0, gru.bias_ih_l0, gru.weight_hh_l0, gru.bias_hh_l0  # two gates and the new content
    h = torch.zeros(HIDDEN)
    for x in words:
        r, z, n = (W @ x + b).chunk(3)  # (3 * hidden,) to three of (hidden,)
        r_, z_, n_ = (U @ h + b_).chunk(3)
        r, z = (r + r_).sigmoid(), (z + z_).sigmoid()
        h = z * h + (1 - z) * torch.tanh(n + r * n_)
    output, h_n = gru(words)  # (seq, hidden), (1, hidden)
    assert_close(h, h_n[0])
    print("GRU    h = z * h + (1 - z) * tanh(W x + b + r * (U h + b'))   by hand as in nn.GRU")
    print("       Without c: the gate z keeps h or rewrites it, r says how much of h the new content uses.")


# 2 ------------------------------------------------------------------------------------------------------------------


def explain_shapes() -> list[dict[str, tuple[int, ...] | None]]:
    """What goes into the three modules and what comes out, for every number of layers and directions."""
    heading("2. Shapes")
    print(f"batch {BATCH}, seq {SEQ}, input_size {INPUT}, hidden_size {HIDDEN}, batch_first=True")
    print("(which speaks of input and output: a state has its batch in the middle all the same)\n")
    print(f"{'':8} layers directions input      h_0, c_0   output     h_n        c_n")
    rows = []
    for name, cell in CELLS.items():
        for layers, directions in ((1, 1), (2, 1), (1, 2), (2, 2)):
            rnn = cell(INPUT, HIDDEN, num_layers=layers, bidirectional=directions == 2, batch_first=True)
            inputs = torch.randn(BATCH, SEQ, INPUT)
            h_0 = torch.zeros(layers * directions, BATCH, HIDDEN)
            if name == "lstm":
                output, (h_n, c_n) = rnn(inputs, (h_0, torch.zeros_like(h_0)))
                assert c_n.shape == h_n.shape
            else:
                output, h_n = rnn(inputs, h_0)
                c_n = None
            check_shapes(rnn, inputs, output, h_n)
            tensors = {"input": inputs, "h_0": h_0, "output": output, "h_n": h_n, "c_n": c_n}
            shapes = {key: None if tensor is None else tuple(tensor.shape) for key, tensor in tensors.items()}
            rows.append({"cell": name, "layers": layers, "directions": directions, **shapes})
            columns = " ".join(f"{str(shape or '-'):10}" for shape in shapes.values())
            print(f"nn.{name.upper():5} {layers:6} {directions:10} {columns.rstrip()}")
    print("\nChecked for each of them:")
    print("- Without a state the module starts from zeros.")
    print("- output has every step, but of the last layer only; h_n has every layer, but the last step only.")
    print("- One direction: output[:, -1] is h_n[-1].")
    print("- Two directions, side by side in output: the forward one ends at the last step, output[:, -1, :hidden]")
    print("  is h_n[-2]; the backward one ends at the FIRST step, output[:, 0, hidden:] is h_n[-1].")
    return rows


def check_shapes(rnn: nn.RNNBase, inputs: torch.Tensor, output: torch.Tensor, h_n: torch.Tensor) -> None:
    """Checks what part 2 says of one module."""
    directions = 2 if rnn.bidirectional else 1
    assert output.shape == (BATCH, SEQ, directions * HIDDEN)
    assert h_n.shape == (rnn.num_layers * directions, BATCH, HIDDEN)
    assert_close(rnn(inputs)[0], output)
    if not rnn.bidirectional:
        assert_close(output[:, -1], h_n[-1])
        return
    assert_close(output[:, -1, :HIDDEN], h_n[-2])
    assert_close(output[:, 0, HIDDEN:], h_n[-1])


# 3 ------------------------------------------------------------------------------------------------------------------


class PlainClassifier(nn.Module):
    """The classic text classifier: embedding, LSTM, last time step, linear layer."""

    def __init__(self, vocab_size: int, embedding_size: int, hidden_size: int, num_labels: int):
        super().__init__()
        self.embedding = nn.Embedding(vocab_size, embedding_size, padding_idx=0)
        self.lstm = nn.LSTM(embedding_size, hidden_size, batch_first=True)
        self.linear = nn.Linear(hidden_size, num_labels)

    def forward(self, input_ids: torch.Tensor, lengths: torch.Tensor | None = None) -> torch.Tensor:
        embedded = self.embedding(input_ids)  # (batch, seq, embedding_size)
        output, _ = self.lstm(embedded)  # (batch, seq, hidden_size)
        last = output[:, -1] if lengths is None else output[torch.arange(len(lengths)), lengths - 1]
        return self.linear(last)  # (batch, num_labels)


@torch.no_grad()
def explain_last_time_step() -> PlainClassifier:
    """The last step of a padded row is padding, and by then the state has moved on."""
    heading("3. Embedding, LSTM, last time step, linear")
    model = PlainClassifier(vocab_size=50, embedding_size=INPUT, hidden_size=HIDDEN, num_labels=2)
    text = torch.tensor([[7, 23, 11]])  # (1, 3)
    padded = torch.tensor([[7, 23, 11, 0, 0, 0]])  # (1, 6), as it must be beside a text of six words

    alone = model(text)  # (1, 2)
    naive = model(padded)
    right = model(padded, lengths=torch.tensor([3]))
    print(f"logits of a text of three words         {readable(alone)}")
    print(f"padded to six, output[:, -1]            {readable(naive)}   another answer")
    print(f"padded to six, output at its last word  {readable(right)}   the same")
    print("The embedding of the padding is zero, and still each of its steps changes h: by U h and the biases.")
    assert (model.embedding(torch.tensor(0)) == 0).all()
    assert not torch.allclose(naive, alone)
    assert_close(right, alone)

    # With a packed batch h_n is the state after the last word.
    packed = nn.utils.rnn.pack_padded_sequence(model.embedding(padded), lengths=[3], batch_first=True)
    _, (h_n, _) = model.lstm(packed)
    assert_close(model.linear(h_n[-1]), alone)
    print("torch.nn.utils.rnn.pack_padded_sequence, which leaves the padding out, gives that answer too.")
    return model


def readable(row: torch.Tensor) -> str:
    return "  ".join(f"{value:+.4f}" for value in row.flatten().tolist())


# 4 ------------------------------------------------------------------------------------------------------------------


@torch.no_grad()
def explain_same_model(plain: PlainClassifier) -> LstmForSequenceClassification:
    """`LstmForSequenceClassification` holds the modules of the plain classifier, and takes care of the padding."""
    heading("4. The same model as LstmForSequenceClassification")
    config = LstmConfig(
        vocab_size=plain.embedding.num_embeddings,
        embedding_size=plain.embedding.embedding_dim,
        hidden_size=plain.lstm.hidden_size,
        num_labels=plain.linear.out_features,
        cell_type="lstm",
        bidirectional=False,
        pooling="last",
    )
    model = LstmForSequenceClassification(config).eval()  # in training mode there would be dropout
    model.model.embed_tokens.load_state_dict(plain.embedding.state_dict())
    model.model.layers[0].directions[0].load_state_dict(plain.lstm.state_dict())
    model.classifier.load_state_dict(plain.linear.state_dict())
    assert sum(p.numel() for p in model.parameters()) == sum(p.numel() for p in plain.parameters())

    texts = [[7, 23, 11], [5, 31, 8, 40, 2, 19], [44]]
    alone = torch.cat([plain(torch.tensor([ids])) for ids in texts])  # (3, 2), each text by itself
    batch = pad_batch(texts, pad_token_id=0)  # input_ids and attention_mask, (3, 6) each
    left = {name: tensor.flip(1) for name, tensor in pad_batch([ids[::-1] for ids in texts], pad_token_id=0).items()}
    assert left["attention_mask"][2].tolist() == [0, 0, 0, 0, 0, 1]
    logits = model(**batch).logits  # (3, 2)
    assert_close(logits, plain(batch["input_ids"], batch["attention_mask"].sum(1)))
    assert_close(logits, alone)
    assert_close(model(**left).logits, alone)
    print("Same weights, same logits, for texts of different lengths:")
    for ids, expected, got in zip(texts, alone, logits, strict=True):
        print(f"length {len(ids)}   plain, alone {readable(expected)}   in a padded batch {readable(got)}")
    print("The attention mask says where the words are: padding may stand on the right or on the left.")

    # A state is all that a recurrent network knows of the past. So a text can be read in pieces, as it arrives.
    whole = torch.tensor([texts[1]])  # (1, 6)
    first = model(whole[:, :2])
    second = model(whole[:, 2:], state=first.state)
    assert_close(second.logits, alone[1:2])
    print("Two words, then the other four from the state of the first call: the logits of all six.")
    return model


# 5 ------------------------------------------------------------------------------------------------------------------


def compare_memory(splits: DatasetDict, epochs: int = 15) -> dict[str, dict[str, float]]:
    """
    Trains an RNN, a GRU and an LSTM on the same batches and measures which of them still knows what it read long ago.

    Args:
        splits: `train` and `test` of the bundled corpus. Its `distance` column counts the words after the sentence that
            decides the verdict; most of them give verdicts too, but on other things.
        epochs: Passes over the training texts, the first two thirds of them over the shortest texts only.

    Returns:
        For each cell the accuracy on the test split by group of distances, and of all under `"all"`.
    """
    heading("5. How far back they remember")
    if epochs < 1:
        raise ValueError(f"`epochs` must be at least 1, got {epochs}.")
    example = splits["test"][int(np.argmin(np.abs(np.array(splits["test"]["distance"]) - 20)))]
    print(textwrap.fill(example["text"], 100, initial_indent="  ", subsequent_indent="  "))
    verdict = splits["test"].features["label"].int2str(example["label"])
    print(f"Verdict: {verdict}; the sentence that decides it ends {example['distance']} words before the end.\n")

    tokenizer = train_tokenizer(splits["train"]["text"], kind="word", show_progress=False)
    train_ids, test_ids = (tokenizer(splits[name]["text"][:])["input_ids"] for name in ("train", "test"))
    train_labels, test_labels = (torch.tensor(splits[name]["label"][:]) for name in ("train", "test"))
    batches = plan_batches([len(ids) for ids in train_ids], epochs)
    groups = [f"{start}-{end - 1}" for start, end in zip(DISTANCES, DISTANCES[1:], strict=False)] + [
        f"{DISTANCES[-1]}+"
    ]
    group = np.digitize(splits["test"]["distance"], DISTANCES) - 1  # (texts,)
    accuracy = {}
    for cell in CELLS:
        model = train(cell, len(tokenizer), train_ids, train_labels, batches)
        correct = predict_logits(model, test_ids).argmax(1) == test_labels.numpy()  # (texts,)
        accuracy[cell] = {name: float(correct[group == i].mean()) for i, name in enumerate(groups)}
        accuracy[cell]["all"] = float(correct.mean())

    sizes = [*np.bincount(group, minlength=len(groups)), len(group)]
    print("\nAccuracy on reviews with held-out templates, by the words since the deciding sentence (chance: 0.5):\n")
    print(f"{'words since':14}" + "".join(f"{name:>8}" for name in (*groups, "all")))
    print(f"{'test reviews':14}" + "".join(f"{size:8}" for size in sizes))
    for cell, figures in accuracy.items():
        print(f"{cell.upper():14}" + "".join(f"{figure:8.3f}" for figure in figures.values()))
    return accuracy


def train(
    cell: str, vocab_size: int, input_ids: list[list[int]], labels: torch.Tensor, batches: list[list[int]]
) -> LstmForSequenceClassification:
    """Trains one classifier, in the loop that a Trainer hides."""
    torch.manual_seed(0)
    config = LstmConfig(
        vocab_size=vocab_size,
        cell_type=cell,
        embedding_size=64,
        hidden_size=64,
        bidirectional=False,
        pooling="last",  # the verdict has to survive in the state until the last word
        embedding_dropout=0,
        input_dropout=0.1,
        classifier_dropout=0.2,
    )
    model = LstmForSequenceClassification(config)
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3)
    # The first steps are small because the direction of the gradient is still random, the last ones to settle.
    schedule = get_cosine_schedule_with_warmup(optimizer, len(batches) // 5, len(batches))

    started = time.perf_counter()
    losses = []
    model.train()
    for rows in tqdm(batches, desc=cell.upper(), leave=False):
        batch = pad_batch([input_ids[row] for row in rows], config.pad_token_id)  # (batch, seq) each
        optimizer.zero_grad()
        loss = model(**batch, labels=labels[rows]).loss
        loss.backward()
        # Through many steps gradients can explode as well as vanish; against the former a limit is enough.
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        losses.append(loss.item())
    print(
        f"{cell.upper():5} {model.num_parameters():,} parameters, {len(batches):,} steps in "
        f"{time.perf_counter() - started:.0f} s, loss {np.mean(losses[:100]):.3f} in the first, "
        f"{np.mean(losses[-100:]):.3f} in the last hundred"
    )
    return model


def plan_batches(lengths: list[int], epochs: int, batch_size: int = 32) -> list[list[int]]:
    """
    Rows of every batch of a training: short texts first, and batches of similar length, which need little padding.

    From the start, long texts would teach next to nothing: of a verdict that is lost before the end no gradient comes
    back. So the shortest 30 % are learned first, then 60 %, then all (curriculum learning, Bengio et al., 2009,
    https://dl.acm.org/doi/10.1145/1553374.1553380).
    """
    generator = np.random.default_rng(0)
    by_length = np.argsort(lengths, kind="stable")
    batches = []
    for epoch in range(epochs):
        share = 0.3 if epoch < epochs * 2 / 3 else 0.6 if epoch < epochs * 4 / 5 else 1.0
        rows = by_length[: math.ceil(share * len(lengths))]
        # Lengths, blurred a little before they are sorted, so that the batches of two epochs differ.
        blurred = np.array(lengths)[rows] + generator.uniform(0, 4, len(rows))
        rows = rows[np.argsort(blurred)]
        epoch_batches = [rows[i : i + batch_size].tolist() for i in range(0, len(rows), batch_size)]
        generator.shuffle(epoch_batches)
        batches += epoch_batches
    return batches


def plot_memory(accuracy: dict[str, dict[str, float]], path: str) -> None:
    """Draws the table of part 5 into a PNG file."""
    figure = Figure(figsize=(6.4, 4), layout="constrained")
    axes = figure.subplots()
    for cell, figures in accuracy.items():
        groups = [name for name in figures if name != "all"]
        axes.plot(groups, [figures[name] for name in groups], marker="o", label=cell.upper())
    axes.axhline(0.5, color="gray", linestyle="--", label="chance")
    axes.set(xlabel="words since the deciding sentence", ylabel="test accuracy", ylim=(0.4, 1.02))
    axes.set_title("How far back a recurrent network remembers")
    axes.grid(alpha=0.3)
    axes.legend()
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)


if __name__ == "__main__":
    run(main)
