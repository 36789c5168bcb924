import json

import pytest
import torch
from helpers import prepare_training, training_arguments
from transformers import TrainerState

from hf_lstm.training.checkpoints import find_resume_checkpoint, is_complete, save_classifier


def test_checkpoint_is_found_and_must_be_requested(tmp_path):
    assert find_resume_checkpoint(training_arguments(tmp_path / "new")) is None
    with pytest.raises(ValueError, match="no checkpoint in"):
        find_resume_checkpoint(training_arguments(tmp_path / "new", resume_from_checkpoint="last"))
    with pytest.raises(ValueError, match="no checkpoint folder"):
        find_resume_checkpoint(training_arguments(tmp_path, resume_from_checkpoint=str(tmp_path / "absent")))
    for step in (2, 10, 11):
        (tmp_path / f"checkpoint-{step}").mkdir()
        # The last one was not finished.
        state = TrainerState().__dict__ if step < 11 else None
        (tmp_path / f"checkpoint-{step}" / "trainer_state.json").write_text(json.dumps(state) if state else "")
    last = str(tmp_path / "checkpoint-10")
    assert find_resume_checkpoint(training_arguments(tmp_path, resume_from_checkpoint="last")) == last
    assert find_resume_checkpoint(training_arguments(tmp_path, resume_from_checkpoint=last)) == last
    with pytest.raises(ValueError, match="--resume_from_checkpoint last"):
        find_resume_checkpoint(training_arguments(tmp_path))


def test_checkpoint_without_a_whole_state_is_not_complete(tmp_path):
    assert not is_complete(tmp_path)
    (tmp_path / "trainer_state.json").write_text(json.dumps(TrainerState().__dict__)[:-5])
    assert not is_complete(tmp_path)


def test_half_weights_are_loaded_in_single_precision(tmp_path):
    trainer, _, splits = prepare_training(tmp_path, half_weights=True)
    model = save_classifier(trainer, splits["validation"])
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}
    weights = dict(trainer.model.named_parameters())
    for name, value in model.named_parameters():
        assert torch.equal(value, weights[name].half().float())


def test_records_of_an_earlier_training_are_removed(tmp_path):
    trainer, _, splits = prepare_training(tmp_path)
    tmp_path.mkdir(exist_ok=True)
    for name in ("README.md", "metrics.json", "predictions.png"):
        (tmp_path / name).write_text("of an earlier training")
    save_classifier(trainer, splits["validation"])
    assert not {"README.md", "metrics.json", "predictions.png"} & {path.name for path in tmp_path.iterdir()}
