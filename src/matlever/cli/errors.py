"""How the command line ends: 0 done, 1 a defect of ours, 2 a mistake in the input, 130 stopped."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from functools import wraps
from typing import Any, NoReturn

import click

from matlever.exceptions import MatleverError

__all__ = ["EXIT_DEFECT", "EXIT_INPUT", "EXIT_INTERRUPTED", "EXIT_OK", "guarded"]

EXIT_OK = 0
EXIT_DEFECT = 1
EXIT_INPUT = 2
EXIT_INTERRUPTED = 130


def guarded(command: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap a command so that a user's mistake is one clear message and never a traceback.

    The message goes to standard error; with ``--json`` standard output holds it too, as
    ``{"error": message}``.
    """

    @wraps(command)
    def run(*args: Any, **kwargs: Any) -> Any:
        def stop(message: str, code: int) -> NoReturn:
            click.echo(f"matlever: {message}", err=True)
            if kwargs.get("as_json"):
                click.echo(json.dumps({"error": message}, ensure_ascii=False))
            sys.exit(code)

        try:
            return command(*args, **kwargs)
        except MatleverError as error:
            stop(printable(str(error)), EXIT_INPUT)
        except KeyboardInterrupt:
            click.echo(
                "\nmatlever: interrupted. Finished parts are kept: the same command goes on from "
                "there.",
                err=True,
            )
            sys.exit(EXIT_INTERRUPTED)
        except BrokenPipeError:
            # The reader of our output (head, less) left: nothing more to say.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            sys.exit(EXIT_OK)
        except OSError as error:
            where = f"{error.filename}: " if error.filename else ""
            stop(f"{where}{error.strerror or error}.", EXIT_INPUT)
        except (click.exceptions.Exit, click.ClickException, click.Abort):
            raise
        except MemoryError:
            stop("not enough memory for this table on this machine.", EXIT_DEFECT)
        except Exception as error:
            if os.environ.get("MATLEVER_TRACEBACK"):
                raise
            stop(
                f"this is a defect of matlever, not of your data: "
                f"{type(error).__name__}: {printable(str(error))[:500]}\n"
                "Please report it with the output of the same command run with "
                "MATLEVER_TRACEBACK=1 in the environment.",
                EXIT_DEFECT,
            )

    return run


def printable(text: str) -> str:
    """Return `text` without control characters that could write to a terminal's state."""
    return "".join(c if c.isprintable() or c == "\n" else "\N{REPLACEMENT CHARACTER}" for c in text)
