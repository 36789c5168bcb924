"""`hf-lstm push`: push a trained classifier to the Hub."""

import tempfile
from collections.abc import Sequence

from ..hub import assemble_repository, card_metadata, push_repository
from .parsing import command_parser

DESCRIPTION = """Push a trained classifier to the Hub with code, tokenizer and card, and verify the uploaded files.

  hf-lstm push runs/reviews owner/reviews-lstm --dry_run
  hf-lstm push runs/reviews owner/reviews-lstm --private
  hf-lstm push runs/reviews owner/reviews-demo --space"""


def main(argv: Sequence[str]) -> None:
    """
    Push a classifier to the Hub, or list what would be pushed.

    Args:
        argv: Options of the command.
    """
    parser = command_parser("push", DESCRIPTION)
    parser.add_argument("folder", help="folder of a trained classifier")
    parser.add_argument("repo_id", help="owner/name, or name in the namespace of the token")
    parser.add_argument("--private", action="store_true", help="make a new repository private")
    parser.add_argument("--dry_run", action="store_true", help="list the files without uploading them")
    parser.add_argument(
        "--space", action="store_true", help="push a Space with the page of `hf-lstm demo`, for the export to ONNX"
    )
    args = parser.parse_args(argv)
    assemble, push = assemble_repository, push_repository
    if args.space:
        from ..space import assemble_space, push_space  # need the packages of extras

        assemble, push = assemble_space, push_space

    if args.dry_run:
        with tempfile.TemporaryDirectory() as assembled:
            sizes = assemble(args.folder, args.repo_id, assembled)
            metadata = card_metadata(assembled)
        for name, size in sizes.items():
            print(f"{size:>12,}  {name}")
        print(f"{sum(sizes.values()):>12,}  bytes in {len(sizes)} files for {args.repo_id}; nothing was uploaded")
        print("Metadata of the card, at its top: " + "; ".join(f"{k}: {v}" for k, v in metadata.items()))
        return
    repo_id = push(args.folder, args.repo_id, args.private)
    if args.space:
        print(f"Pushed to spaces/{repo_id}. The downloaded program returns the same scores.")
        return
    print(f"Pushed to {repo_id}. The downloaded model returns the same logits. Load it anywhere with:")
    print(f'  pipeline("text-classification", model="{repo_id}", trust_remote_code=True)')
