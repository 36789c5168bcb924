import subprocess
import sys

from helpers import ROOT

from hf_lstm.cli.commands import COMMANDS
from hf_lstm.recipes.checkpoints import required_steps
from hf_lstm.recipes.steps import CHECKPOINTS, STEPS, TEACHER_FILE


def test_steps_name_only_steps_before_them_and_lead_to_every_checkpoint():
    assert set(CHECKPOINTS.values()) <= set(STEPS)
    before = set()
    for name, (script, options) in STEPS.items():
        assert script in COMMANDS
        assert set(required_steps(options, STEPS)) <= before, name
        assert options.count("runs/") == len(required_steps(options, STEPS)) + options.count(TEACHER_FILE)
        before.add(name)


def test_names_of_the_checkpoints_need_no_other_library():
    code = "import sys; sys.modules['datasets'] = None; from hf_lstm.recipes import CHECKPOINTS; print(*CHECKPOINTS)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, timeout=120)
    assert done.stdout.split() == [*CHECKPOINTS], done.stderr
