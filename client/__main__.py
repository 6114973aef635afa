"""The command line: `python -m client caption scene.tif`.

Answers go to standard output, progress to standard error: bars on a terminal, lines elsewhere.

Exit codes: 0 answered; 1 at least one job failed; 2 the input or a setting is not acceptable; 3 the service cannot be
reached or is busy, try again later; 4 credentials are missing, or the address is wrong; 5 the job is cancelled, expired
or unknown; 6 the time ran out, the job goes on; 130 interrupted.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path

from backend.services import CAPTIONING, SERVICES, VQA
from client import commands
from client.commands import Options
from client.environment import read_environment
from client.errors import (
    AccessError,
    InputError,
    JobFailed,
    JobGone,
    NadirError,
    ProtocolError,
    TryAgainError,
    WaitTimeout,
)
from client.payload import Detail
from client.throttle import MOST

EXIT_CODES: dict[type[NadirError], int] = {
    InputError: 2,
    JobFailed: 1,
    TryAgainError: 3,
    AccessError: 4,
    ProtocolError: 4,
    JobGone: 5,
    WaitTimeout: 6,
}
INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit code."""
    parsed = _parser().parse_args(arguments)
    try:
        code: int = asyncio.run(parsed.command(_options(parsed), parsed))
    except NadirError as error:
        print(error, file=sys.stderr)
        return next(code for kind, code in EXIT_CODES.items() if isinstance(error, kind))
    except KeyboardInterrupt:
        print("Interrupted. What was submitted goes on.", file=sys.stderr)
        return INTERRUPTED
    return code


def _options(parsed: argparse.Namespace) -> Options:
    environment = read_environment()
    service = SERVICES[parsed.service]
    return Options(
        service=service,
        url=parsed.url or environment.urls[service.key],
        timeout_s=parsed.timeout or environment.timeouts_s[service.key],
        credentials=environment.credentials,
        detail=Detail(getattr(parsed, "detail", Detail.STANDARD)),
        max_tokens=getattr(parsed, "max_tokens", None),
        temperature=getattr(parsed, "temperature", None),
        as_json=parsed.json,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m client",
        description="Caption and question satellite images.",
        epilog=(__doc__ or "").partition("\n\n")[2].replace("`", ""),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands_of = parser.add_subparsers(required=True, metavar="COMMAND")

    caption = commands_of.add_parser("caption", help="describe a scene")
    caption.add_argument("scene", type=Path)
    caption.add_argument("--prompt", default=CAPTIONING.default_prompt)
    _add_generation(caption)
    _add_common(caption, service=CAPTIONING.key)
    caption.set_defaults(command=commands.ask)

    ask = commands_of.add_parser("ask", help="ask a question about a scene")
    ask.add_argument("scene", type=Path)
    ask.add_argument("prompt", metavar="QUESTION")
    _add_generation(ask)
    _add_common(ask, service=VQA.key)
    ask.set_defaults(command=commands.ask)

    batch = commands_of.add_parser("batch", help="put every prompt to every scene")
    batch.add_argument("scenes", type=Path, nargs="+", help="files, or folders of them")
    batch.add_argument("--prompt", action="append", help="may be repeated; the service's own when absent")
    batch.add_argument("--out", type=Path, required=True, help="JSONL file that the results go to")
    batch.add_argument("--journal", type=Path, help="file to go on from after a crash; the --out name plus .journal")
    batch.add_argument("--concurrency", type=int, default=MOST, help=f"most jobs at once ({MOST})")
    _add_generation(batch)
    _add_common(batch)
    batch.set_defaults(command=commands.batch)

    for name, help_text in (("status", "say what a job is doing"), ("cancel", "cancel a job")):
        command = commands_of.add_parser(name, help=help_text)
        command.add_argument("call_id")
        _add_common(command)
        command.set_defaults(command=getattr(commands, name))
    return parser


def _add_generation(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--detail", choices=[detail.value for detail in Detail], default=Detail.STANDARD.value)
    parser.add_argument("--max-tokens", type=int)
    parser.add_argument("--temperature", type=float)


def _add_common(parser: argparse.ArgumentParser, service: str | None = None) -> None:
    if service is None:
        parser.add_argument("--service", choices=list(SERVICES), default=CAPTIONING.key)
    else:
        parser.set_defaults(service=service)
    parser.add_argument("--url", help="address of the service; that of the environment, or of the app, when absent")
    parser.add_argument("--timeout", type=float, help="longest wait for a job, in seconds")
    parser.add_argument("--json", action="store_true", help="print the whole result as JSON")


if __name__ == "__main__":
    sys.exit(main())
