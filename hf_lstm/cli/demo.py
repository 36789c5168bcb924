"""`hf-lstm demo`: score texts on a web page while they are typed."""

from collections.abc import Sequence

from .parsing import command_parser

DESCRIPTION = """Start a web page on which classifiers score a text while it is typed, side by side, and files.

  hf-lstm demo runs/reviews
  hf-lstm demo runs/reviews runs/other --port 8000"""


def main(argv: Sequence[str]) -> None:
    """
    Start the web page, and serve it until the process is interrupted.

    Args:
        argv: Options of the command.
    """
    parser = command_parser("demo", DESCRIPTION)
    parser.add_argument("models", nargs="+", help="folders or Hub ids of trained classifiers")
    parser.add_argument("--port", type=int, help="port of the web server (default: the first free one from 7860)")
    parser.add_argument(
        "--host", default="127.0.0.1", help="address to listen on; 0.0.0.0 lets other machines of the network connect"
    )
    args = parser.parse_args(argv)
    if args.port is not None and not 0 < args.port < 65_536:
        parser.error(f"--port must be between 1 and 65535, got {args.port}")
    from ..demo import build_demo, launch  # needs the package of an extra

    page = build_demo(args.models)
    try:
        launch(page, server_name=args.host, server_port=args.port)
    except OSError as error:
        if "empty port" not in str(error):  # the message of Gradio, for every address that it cannot listen on
            raise
        where = args.host if args.port is None else f"port {args.port} of {args.host}"
        raise OSError(f"The server cannot listen on {where}; choose another --port or --host.") from None
