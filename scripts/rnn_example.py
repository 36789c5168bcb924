"""Recurrent networks, from one step to a trained classifier: `python scripts/rnn_example.py`.

Read this file next to its output. It has five parts:

1. a hidden state, with one step of an RNN, LSTM and GRU by hand
2. the shapes of the inputs and outputs of `nn.RNN`, `nn.GRU` and `nn.LSTM`
3. a classifier in plain PyTorch (embedding, LSTM, last time step, linear layer), and why padding breaks it
4. the same classifier as `LstmForSequenceClassification`
5. how far back each cell remembers, measured after training in a plain loop

Parts 1 to 4 check every statement with an assertion, so the script stops if one is wrong.
"""

import argparse
import math
import textwrap

import numpy as np
import torch
from datasets import DatasetDict
from torch import nn
from torch.testing import assert_close
from tqdm.auto import tqdm
from transformers import get_cosine_schedule_with_warmup

from hf_lstm import LstmConfig, LstmForSequenceClassification
from hf_lstm.cli import one_line_errors
from hf_lstm.data import build_sample_reviews, pad_batch
from hf_lstm.inference import predict_logits
from hf_lstm.text import train_tokenizer

CELLS = {"rnn": nn.RNN, "gru": nn.GRU, "lstm": nn.LSTM}

# Sizes in parts 1 to 4. They are all different, so that each number in a shape identifies its axis.
BATCH, SEQ, INPUT, HIDDEN, VOCAB = 3, 5, 4, 6, 50

# Lower limits of the groups of distances in part 5, in words.
DISTANCES = (0, 5, 15, 30, 60)


def main() -> None:
    parser = argparse.ArgumentParser(description="Explain, check and train recurrent networks.")
    parser.add_argument("--epochs", type=int, default=15, help="training epochs of each cell in part 5; default: 15")
    parser.add_argument("--train_texts", type=int, default=8000, help="training reviews in part 5; default: 8000")
    args = parser.parse_args()

    torch.set_num_threads(1)  # the steps are too small to benefit from more threads
    torch.manual_seed(0)
    explain_hidden_state()
    explain_shapes()
    plain = explain_last_time_step()
    explain_same_model(plain)
    compare_memory(build_sample_reviews(num_train=args.train_texts), args.epochs)


def heading(title: str) -> None:
    print(f"\n{title}\n{'-' * len(title)}")


def explain_hidden_state() -> None:
    """Part 1: compute each cell by hand. A recurrent network applies the same small function to each word in turn."""
    heading("1. A hidden state")
    words = torch.randn(SEQ, INPUT)  # one text: a vector for each word

    # RNN: the vector h is the memory of all words so far. Each step combines it with the next word.
    rnn = nn.RNN(INPUT, HIDDEN)
    W, b = rnn.weight_ih_l0, rnn.bias_ih_l0  # (hidden, input), (hidden,): input to hidden
    U, b_ = rnn.weight_hh_l0, rnn.bias_hh_l0  # (hidden, hidden), (hidden,): hidden to hidden
    h = torch.zeros(HIDDEN)
    for x in words:  # (input,)
        h = torch.tanh(W @ x + b + U @ h + b_)  # (hidden,)
    output, h_n = rnn(words)  # (seq, hidden), (1, hidden)
    assert_close(h, h_n[0])
    print("RNN    h = tanh(W x + b + U h + b')                           by hand as in nn.RNN")
    print("       All steps share W and U, so a text may have any length. But each step replaces")
    print("       all of h, so the information of a word passes through every later tanh.")

    # LSTM: a second vector, the cell state c, is only scaled and added to. While the forget gate f is near 1 and the
    # input gate i near 0, c does not change, and gradients flow back through it without loss.
    lstm = nn.LSTM(INPUT, HIDDEN)
    W, b = lstm.weight_ih_l0, lstm.bias_ih_l0  # (4 * hidden, input), (4 * hidden,): gates i, f, g, o
    U, b_ = lstm.weight_hh_l0, lstm.bias_hh_l0  # (4 * hidden, hidden), (4 * hidden,)
    h = c = torch.zeros(HIDDEN)
    for x in words:
        i, f, g, o = (W @ x + b + U @ h + b_).chunk(4)  # (4 * hidden,) -> (hidden,) each
        c = f.sigmoid() * c + i.sigmoid() * g.tanh()  # (hidden,)
        h = o.sigmoid() * c.tanh()  # (hidden,)
    output, (h_n, c_n) = lstm(words)  # (seq, hidden), (1, hidden) each
    assert_close(h, h_n[0])
    assert_close(c, c_n[0])
    print("LSTM   i, f, g, o = W x + b + U h + b'")
    print("       c = sigmoid(f) * c + sigmoid(i) * tanh(g)              by hand as in nn.LSTM")
    print("       h = sigmoid(o) * tanh(c)")
    print("       The network learns when to keep c (f), add to it (i) and output it (o).")

    # GRU: there is only h. The update gate z keeps a share of it, and so replaces both f and 1 - i.
    gru = nn.GRU(INPUT, HIDDEN)
    W, b = gru.weight_ih_l0, gru.bias_ih_l0  # (3 * hidden, input), (3 * hidden,): gates r, z and the new content n
    U, b_ = gru.weight_hh_l0, gru.bias_hh_l0  # (3 * hidden, hidden), (3 * hidden,)
    h = torch.zeros(HIDDEN)
    for x in words:
        r, z, n = (W @ x + b).chunk(3)  # (3 * hidden,) -> (hidden,) each
        r_, z_, n_ = (U @ h + b_).chunk(3)  # (3 * hidden,) -> (hidden,) each
        r, z = (r + r_).sigmoid(), (z + z_).sigmoid()
        h = z * h + (1 - z) * torch.tanh(n + r * n_)  # (hidden,)
    output, h_n = gru(words)  # (seq, hidden), (1, hidden)
    assert_close(h, h_n[0])
    print("GRU    h = z * h + (1 - z) * tanh(W x + b + r * (U h + b'))   by hand as in nn.GRU")
    print("       The gate z keeps or replaces h. The gate r limits how much of h the new content uses.")


def explain_shapes() -> list[dict]:
    """Part 2: print the shapes of inputs and outputs for each cell and number of layers and directions."""
    heading("2. Shapes")
    print(f"batch {BATCH}, seq {SEQ}, input_size {INPUT}, hidden_size {HIDDEN}, batch_first=True")
    print("(batch_first applies to input and output only: h and c have the batch in the middle)\n")
    print(f"{'':8} layers directions input      h_0, c_0   output     h_n        c_n")
    rows = []
    for name, cell in CELLS.items():
        for layers, directions in ((1, 1), (2, 1), (1, 2), (2, 2)):
            rnn = cell(INPUT, HIDDEN, num_layers=layers, bidirectional=directions == 2, batch_first=True)
            inputs = torch.randn(BATCH, SEQ, INPUT)  # (batch, seq, input)
            h_0 = torch.zeros(layers * directions, BATCH, HIDDEN)  # (layers * directions, batch, hidden)
            if name == "lstm":
                output, (h_n, c_n) = rnn(inputs, (h_0, torch.zeros_like(h_0)))
                assert c_n.shape == h_0.shape
            else:
                output, h_n = rnn(inputs, h_0)
                c_n = None
            assert output.shape == (BATCH, SEQ, directions * HIDDEN)
            assert h_n.shape == h_0.shape
            assert_close(rnn(inputs)[0], output)
            if directions == 1:
                assert_close(output[:, -1], h_n[-1])  # (batch, hidden)
            else:
                assert_close(output[:, -1, :HIDDEN], h_n[-2])  # (batch, hidden)
                assert_close(output[:, 0, HIDDEN:], h_n[-1])  # (batch, hidden)
            tensors = {"input": inputs, "h_0": h_0, "output": output, "h_n": h_n, "c_n": c_n}
            shapes = {key: None if tensor is None else tuple(tensor.shape) for key, tensor in tensors.items()}
            rows.append({"cell": name, "layers": layers, "directions": directions, **shapes})
            columns = " ".join(f"{str(shape or '-'):10}" for shape in shapes.values())
            print(f"nn.{name.upper():5} {layers:6} {directions:10} {columns.rstrip()}")
    print("\nChecked for each row:")
    print("- Without an initial state, the module starts from zeros.")
    print("- output contains all steps of the last layer; h_n contains the last step of all layers.")
    print("- One direction: output[:, -1] equals h_n[-1].")
    print("- Two directions: output[:, -1, :hidden] equals h_n[-2], the forward direction, which ends at the")
    print("  last step. output[:, 0, hidden:] equals h_n[-1], the backward direction, which ends at the FIRST step.")
    return rows


class PlainClassifier(nn.Module):
    """The classic text classifier: embedding, LSTM, last time step, linear layer."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(VOCAB, INPUT, padding_idx=0)
        self.lstm = nn.LSTM(INPUT, HIDDEN, batch_first=True)
        self.linear = nn.Linear(HIDDEN, 2)

    def forward(self, input_ids: torch.Tensor, lengths: torch.Tensor | None = None) -> torch.Tensor:
        embedded = self.embedding(input_ids)  # (batch, seq) -> (batch, seq, input)
        output, _ = self.lstm(embedded)  # (batch, seq, hidden)
        steps = -1 if lengths is None else lengths - 1
        last = output[torch.arange(len(output)), steps]  # (batch, hidden)
        return self.linear(last)  # (batch, 2)


@torch.no_grad()
def explain_last_time_step() -> PlainClassifier:
    """Part 3: show that the last time step of a padded text is wrong, because the padding has changed the state."""
    heading("3. Embedding, LSTM, last time step, linear")
    model = PlainClassifier()
    text = torch.tensor([[7, 23, 11]])  # (1, 3)
    padded = torch.tensor([[7, 23, 11, 0, 0, 0]])  # (1, 6), as in a batch with a text of six words

    alone = model(text)  # (1, 2)
    last_step = model(padded)  # (1, 2)
    last_word = model(padded, lengths=torch.tensor([3]))  # (1, 2)
    print(f"logits of a text of three words         {readable(alone)}")
    print(f"padded to six, output[:, -1]            {readable(last_step)}   different")
    print(f"padded to six, output at its last word  {readable(last_word)}   equal")
    print("The embedding of the padding is zero, but each of its steps still changes h, by U h and the biases.")
    assert (model.embedding(torch.tensor(0)) == 0).all()
    assert not torch.allclose(last_step, alone)
    assert_close(last_word, alone)

    # In a packed batch, h_n is the state after the last word.
    packed = nn.utils.rnn.pack_padded_sequence(model.embedding(padded), lengths=[3], batch_first=True)
    _, (h_n, _) = model.lstm(packed)  # (1, 1, hidden)
    assert_close(model.linear(h_n[-1]), alone)  # (1, hidden) -> (1, 2)
    print("torch.nn.utils.rnn.pack_padded_sequence skips the padding and also gives the correct logits.")
    return model


def readable(row: torch.Tensor) -> str:
    return "  ".join(f"{value:+.4f}" for value in row.flatten().tolist())


@torch.no_grad()
def explain_same_model(plain: PlainClassifier) -> LstmForSequenceClassification:
    """Part 4: load the same weights into `LstmForSequenceClassification`, which handles padding itself."""
    heading("4. The same model as LstmForSequenceClassification")
    config = LstmConfig(
        vocab_size=VOCAB, embedding_size=INPUT, hidden_size=HIDDEN, bidirectional=False, pooling="last", num_labels=2
    )
    model = LstmForSequenceClassification(config).eval()  # turns dropout off
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
    assert_close(logits, alone)
    assert_close(model(**left).logits, alone)
    print("Same weights, same logits, for texts of different lengths:")
    for ids, expected, got in zip(texts, alone, logits, strict=True):
        print(f"length {len(ids)}   plain, alone {readable(expected)}   in a padded batch {readable(got)}")
    print("The attention mask marks the words, so the padding may be on the right or on the left.")

    # The state contains everything a recurrent network knows about the past. So it can read a text in parts.
    whole = torch.tensor([texts[1]])  # (1, 6)
    second = model(whole[:, 2:], state=model(whole[:, :2]).state)
    assert_close(second.logits, alone[1:2])
    print("Two words, then the other four with the state of the first call: the logits of all six.")
    return model


def compare_memory(splits: DatasetDict, epochs: int = 15) -> dict[str, dict[str, float]]:
    """
    Part 5: train an RNN, GRU and LSTM on the same batches, and measure their accuracy by the distance of the evidence.

    The column `distance` of the reviews is the number of words after the sentence that decides the label. Most of these
    words express opinions too, but about something else. Returns the test accuracy of each cell by group of distances,
    and that of all reviews as `"all"`.
    """
    heading("5. How far back they remember")
    if epochs < 1:
        raise ValueError(f"`epochs` must be at least 1, got {epochs}.")
    example = splits["test"][int(np.argmin(np.abs(np.array(splits["test"]["distance"]) - 20)))]
    print(textwrap.fill(example["text"], 100, initial_indent="  ", subsequent_indent="  "))
    label = splits["test"].features["label"].int2str(example["label"])
    print(f"Label: {label}. The sentence that decides it ends {example['distance']} words before the end.\n")

    tokenizer = train_tokenizer(splits["train"]["text"], kind="word", show_progress=False)
    train_ids, test_ids = (tokenizer(splits[name]["text"][:])["input_ids"] for name in ("train", "test"))
    train_labels, test_labels = (torch.tensor(splits[name]["label"][:]) for name in ("train", "test"))
    batches = plan_batches([len(ids) for ids in train_ids], epochs)
    ends = [f"-{end - 1}" for end in DISTANCES[1:]] + ["+"]
    groups = [f"{start}{end}" for start, end in zip(DISTANCES, ends, strict=True)]
    group = np.digitize(splits["test"]["distance"], DISTANCES) - 1  # (texts,)
    accuracy = {}
    for cell in CELLS:
        model = train(cell, len(tokenizer), train_ids, train_labels, batches)
        correct = predict_logits(model, test_ids).argmax(1) == test_labels.numpy()  # (texts, 2) -> (texts,)
        accuracy[cell] = {name: float(correct[group == i].mean()) for i, name in enumerate(groups)}
        accuracy[cell]["all"] = float(correct.mean())

    sizes = [*np.bincount(group, minlength=len(groups)), len(group)]
    print("\nTest accuracy by the number of words after the deciding sentence (chance: 0.5):\n")
    print(f"{'words since':14}" + "".join(f"{name:>8}" for name in (*groups, "all")))
    print(f"{'test reviews':14}" + "".join(f"{size:8}" for size in sizes))
    for cell, by_group in accuracy.items():
        print(f"{cell.upper():14}" + "".join(f"{value:8.3f}" for value in by_group.values()))
    return accuracy


def train(
    cell: str, vocab_size: int, input_ids: list[list[int]], labels: torch.Tensor, batches: list[list[int]]
) -> LstmForSequenceClassification:
    """Train one classifier in a plain loop, as a `Trainer` does internally."""
    torch.manual_seed(0)
    sizes = {"vocab_size": vocab_size, "embedding_size": 64, "hidden_size": 64}
    dropout = {"embedding_dropout": 0, "input_dropout": 0.1, "classifier_dropout": 0.2}
    # With pooling "last", the state must keep the evidence until the last word.
    config = LstmConfig(**sizes, **dropout, cell_type=cell, bidirectional=False, pooling="last")
    model = LstmForSequenceClassification(config).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3)
    schedule = get_cosine_schedule_with_warmup(optimizer, len(batches) // 5, len(batches))
    losses = []
    for rows in tqdm(batches, desc=cell.upper(), leave=False, disable=None):
        batch = pad_batch([input_ids[row] for row in rows], config.pad_token_id)  # (batch, seq) each
        optimizer.zero_grad()
        loss = model(**batch, labels=labels[rows]).loss  # scalar
        loss.backward()
        # Over many steps, gradients can vanish or explode. Clipping prevents the latter.
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        losses.append(loss.item())
    print(
        f"{cell.upper():5} {model.num_parameters():,} parameters, {len(batches):,} steps, mean loss "
        f"{np.mean(losses[:100]):.3f} over the first and {np.mean(losses[-100:]):.3f} over the last 100 steps"
    )
    return model


def plan_batches(lengths: list[int], epochs: int, batch_size: int = 32) -> list[list[int]]:
    """
    Return the rows of each training batch, short texts first, and texts of similar length together to save padding.

    Long texts teach an untrained network almost nothing, because no gradient reaches evidence that the state has
    forgotten. So the first two thirds of the epochs use the shortest 30 % of the texts, the following ones 60 %, and
    the last fifth uses all (curriculum learning, Bengio et al., 2009, https://dl.acm.org/doi/10.1145/1553374.1553380).
    """
    generator = np.random.default_rng(0)
    by_length = np.argsort(lengths, kind="stable")  # (texts,)
    batches = []
    for epoch in range(epochs):
        share = 0.3 if epoch < epochs * 2 / 3 else 0.6 if epoch < epochs * 4 / 5 else 1.0
        rows = by_length[: math.ceil(share * len(lengths))]
        # Random noise before sorting gives each epoch different batches.
        noisy_lengths = np.array(lengths)[rows] + generator.uniform(0, 4, len(rows))
        rows = rows[np.argsort(noisy_lengths)]
        epoch_batches = [rows[i : i + batch_size].tolist() for i in range(0, len(rows), batch_size)]
        generator.shuffle(epoch_batches)
        batches += epoch_batches
    return batches


if __name__ == "__main__":
    with one_line_errors():
        main()
