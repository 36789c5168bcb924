import pandas as pd


def test_audit_and_train_without_the_suspicious_rows(command, table, tmp_path):
    rows = pd.read_csv(table)
    rows.loc[:1, "sentiment"] = ["bad", "bad"]  # two good films
    data, folder = tmp_path / "opinions.csv", tmp_path / "audit"
    rows.to_csv(data, index=False)
    done = command("audit", data, "--models", "linear", "--output_dir", folder)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    first = lines.index("The most suspicious rows:") + 1
    assert {line.split(":")[0] for line in lines[first : first + 2]} == {"  row 1", "  row 2"}
    assert "bad (suggested: good, " in lines[first] and "good film number 0" in done.stdout
    assert f"open {folder / 'audit.html'} in a browser" in lines[-1]
    again = command("audit", "--dataset", data, "--models", "linear", "--output_dir", folder)
    assert "read from an earlier run" in again.stdout


def test_the_audit_must_exist_and_be_of_the_data(command, table, tmp_path):
    options = ("train", "--dataset", table, "--output_dir", tmp_path / "run", "--audit_dir", tmp_path)
    done = command(*options)
    assert done.returncode == 1 and "`--audit_dir` requires `--drop_suspicious`" in done.stderr
    done = command(*options, "--drop_suspicious", 2)
    assert done.returncode == 1 and "Run `hf-lstm audit` on the same data first" in done.stderr
