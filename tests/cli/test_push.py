def test_dry_run_lists_every_file(command, trained):
    folder, _ = trained
    done = command("push", folder, "owner/opinions", "--dry_run")
    assert done.returncode == 0, done.stderr
    for name in ("model.safetensors", "config.json", "tokenizer.json", "README.md", "modeling_lstm.py"):
        assert f"  {name}\n" in done.stdout
    assert "nothing was uploaded" in done.stdout and "license: apache-2.0" in done.stdout


def test_bad_names_and_folders_are_one_sentence(command, trained):
    for arguments in ((trained[0], "a/b/c"), ("./absent", "owner/name")):
        done = command("push", *arguments, "--dry_run")
        assert done.returncode == 1 and done.stderr.startswith("error: ")
