"""Push a trained classifier to the Hub with code, tokenizer and card, and check what arrived.

python scripts/push_to_hub.py runs/imdb owner/imdb-lstm
"""

import argparse
import tempfile

from hf_lstm.cli.arguments import run
from hf_lstm.hub.push import assemble_repository, card_metadata, push_repository


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", help="folder of a trained classifier")
    parser.add_argument("repo_id", help="owner/name, or name under the owner of the token")
    parser.add_argument("--private", action="store_true", help="make a new repository private")
    parser.add_argument("--dry_run", action="store_true", help="list what would be sent, and send nothing")
    args = parser.parse_args()

    if args.dry_run:
        with tempfile.TemporaryDirectory() as assembled:
            sizes = assemble_repository(args.folder, args.repo_id, assembled)
            metadata = card_metadata(assembled)
        for name, size in sizes.items():
            print(f"{size:>12,}  {name}")
        print(f"{sum(sizes.values()):>12,}  bytes in {len(sizes)} files for {args.repo_id}; nothing was sent")
        print("The card says, and you can change at its top: " + "; ".join(f"{k}: {v}" for k, v in metadata.items()))
        return
    repo_id = push_repository(args.folder, args.repo_id, args.private)
    print(f"Pushed to {repo_id}; downloaded again, its own code gives the same logits. Use it anywhere:")
    print(f'  pipeline("text-classification", model="{repo_id}", trust_remote_code=True)')


if __name__ == "__main__":
    run(main)
