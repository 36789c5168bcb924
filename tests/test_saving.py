import os
import signal
import subprocess
import sys

import pytest
import torch
from safetensors import SafetensorError

from hf_lstm import LstmForSequenceClassification
from hf_lstm.saving import atomic_folder, full_disk_errors


def save(model, folder) -> None:
    with atomic_folder(folder) as partial:
        model.save_pretrained(partial)


def weights_of(folder) -> dict[str, torch.Tensor]:
    return LstmForSequenceClassification.from_pretrained(folder).state_dict()


def assert_same_weights(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> None:
    assert one.keys() == other.keys()
    assert all(torch.equal(value, other[name]) for name, value in one.items())


@pytest.mark.slow
def test_full_disk_keeps_the_previous_model(tiny_config, tmp_path):
    model = LstmForSequenceClassification(tiny_config(vocab_size=20_000))
    save(model, tmp_path)
    before = weights_of(tmp_path)
    code = """
import resource, sys
from hf_lstm import LstmForSequenceClassification
from hf_lstm.saving import atomic_folder, full_disk_errors
model = LstmForSequenceClassification.from_pretrained(sys.argv[1])
model.classifier.bias.data.fill_(7)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
with atomic_folder(sys.argv[1]) as partial:
    model.save_pretrained(partial)
"""
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True)
    assert done.returncode != 0 and "SafetensorError" in done.stderr, done.stderr
    assert_same_weights(weights_of(tmp_path), before)
    assert not list(tmp_path.glob("_partial-*"))


@pytest.mark.slow
def test_killed_process_keeps_the_previous_model_and_a_later_save_removes_its_folder(tiny_config, tmp_path):
    model = LstmForSequenceClassification(tiny_config())
    save(model, tmp_path)
    before = weights_of(tmp_path)
    code = """
import os, signal, sys
import transformers.modeling_utils
from hf_lstm import LstmForSequenceClassification
from hf_lstm.saving import atomic_folder, full_disk_errors
model = LstmForSequenceClassification.from_pretrained(sys.argv[1])
def killed(tensors, path, **kwargs):
    with open(path, "wb") as stream:
        stream.write(b"half of a file")
    os.kill(os.getpid(), signal.SIGKILL)
transformers.modeling_utils.safe_save_file = killed
with atomic_folder(sys.argv[1]) as partial:
    model.save_pretrained(partial)
"""
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert_same_weights(weights_of(tmp_path), before)
    (leftover,) = tmp_path.glob("_partial-*")
    save(model, tmp_path)
    assert leftover.exists()  # another process may still be writing it
    os.utime(leftover, (0, 0))
    save(model, tmp_path)
    assert not list(tmp_path.glob("_partial-*"))


def test_saving_again_replaces_only_the_weights(tiny_config, tmp_path):
    model = LstmForSequenceClassification(tiny_config())
    save(model, tmp_path)
    inodes = {path.name: path.stat().st_ino for path in tmp_path.iterdir()}
    model.classifier.bias.data.fill_(1)
    save(model, tmp_path)
    assert [path.name for path in tmp_path.iterdir() if path.stat().st_ino != inodes[path.name]] == [
        "model.safetensors"
    ]
    assert (weights_of(tmp_path)["classifier.bias"] == 1).all()


def test_other_users_can_read_the_weights(tiny_config, tmp_path):
    earlier = os.umask(0o027)
    try:
        save(LstmForSequenceClassification(tiny_config()), tmp_path / "run")
    finally:
        os.umask(earlier)
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "run").iterdir()} == {0o640}


def test_error_while_writing_discards_the_files(tmp_path):
    (tmp_path / "old").write_text("old")
    with pytest.raises(RuntimeError), atomic_folder(tmp_path) as partial:
        (partial / "old").write_text("new")
        raise RuntimeError
    assert [path.name for path in tmp_path.iterdir()] == ["old"] and (tmp_path / "old").read_text() == "old"


@pytest.mark.parametrize(
    "error",
    [
        OSError(28, "No space left on device"),
        OSError(122, "Disk quota exceeded"),
        # What safetensors 0.6 and torch 2.13 raise on a full file system.
        SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)"),
        RuntimeError("[enforce fail at inline_container.cc:672] . unexpected pos 576 vs 534"),
    ],
)
def test_a_full_disk_is_one_sentence(tmp_path, error):
    sentence = f"^The disk of {tmp_path} is full, or a quota is used up. Delete something.$"
    with pytest.raises(OSError, match=sentence), full_disk_errors(tmp_path, lambda: "Delete something."):
        raise error


@pytest.mark.parametrize(
    "error", [FileNotFoundError(2, "No such file"), RuntimeError("shape"), SafetensorError("header")]
)
def test_other_errors_are_not_changed(tmp_path, error):
    with pytest.raises(type(error)) as raised, full_disk_errors(tmp_path, lambda: ""):
        raise error
    assert raised.value is error
