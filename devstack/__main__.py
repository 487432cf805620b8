"""python -m devstack run | stop | reset | servers | with COMMAND | browser."""

from __future__ import annotations

import argparse
import os
import shlex
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

from devstack import places, procfile
from devstack.chromium import find_or_install_chromium
from devstack.errors import DevstackError
from devstack.screen import Screen
from devstack.stack import STOP_SIGNALS, Stack, StopAsked, delete_files
from devstack.state import Claim, State

_STOPS_WITHIN = 60.0  # seconds

screen = Screen()


def run(path: Path) -> int:
    """Starts everything and stays until it is asked to stop."""
    directory = places.var()
    claim = Claim(directory)
    if not claim.take():
        screen.say("It is running already, from another terminal; `make stop` ends it.")
        screen.say(Stack(directory, screen).addresses())
        return 0
    lines = procfile.read(path)
    with _up(directory) as stack:
        stack.start_sites()
        stack.start_programs(lines)
        stack.watch()
    return 0


def serve() -> int:
    """Starts the servers only, prints how to reach them, and stays."""
    directory = places.var()
    claim = Claim(directory)
    if not claim.take():
        print(_exports(_running(directory)))
        return 0
    with _up(directory) as stack:
        stack.start_sites()
        screen.say(_exports(stack))
        stack.keep()
    return 0


def run_with(command: list[str]) -> int:
    """Runs a command with the settings of the stack, starting what these name if none runs: mail too can be sent."""
    directory = places.var()
    claim = Claim(directory)
    if not claim.take():
        return _running(directory).run_here(command)
    with _up(directory, Screen(sys.stderr)) as stack:  # the output is the command's own
        stack.start_sites()
        _wait_for(stack.sites_answer, "The mail catcher does not answer.")
        return stack.run_here(command)
    return 1


def stop() -> int:
    """Ends the running stack, and what one that was killed may have left."""
    directory = places.var()
    claim = Claim(directory)
    was_running = not claim.take()
    if was_running:
        if supervisor := State.read(directory).supervisor:
            supervisor.end(signal.SIGTERM, signal.SIGKILL, seconds=_STOPS_WITHIN)
        _wait_for(claim.take, "The running stack does not stop.")
    Stack(directory, screen).end_leftovers()
    claim.release()
    screen.say("Stopped." if was_running else "Nothing was running.")
    return 0


def reset() -> int:
    """Stops, then deletes what the stack keeps. Asks first, unless FORCE=1 or nobody is there to ask."""
    directory = places.var()
    if sys.stdin.isatty() and os.environ.get("FORCE") != "1":
        answer = input(f"Stop, and delete the databases, mails, files and logs in {directory}? [y/N] ")
        if answer.strip().lower() not in {"y", "yes"}:
            screen.say("Nothing was deleted.")
            return 1
    stop()
    delete_files(directory)
    screen.say(f"Deleted what was kept in {directory}. `make run` begins anew.")
    return 0


def browse() -> int:
    """Finds or installs the browser of the tests and prints its path."""
    print(find_or_install_chromium(lambda sentence: print(sentence, file=sys.stderr)))
    return 0


@contextmanager
def _up(directory: Path, screen: Screen = screen) -> Iterator[Stack]:
    """Gives a stack whose servers answer, and stops all of it however the block ends.

    Swallows StopAsked: being asked to stop is no failure.
    """

    stack = Stack(directory, screen)

    def ask(*_: object) -> NoReturn:
        stack.is_asked_to_stop = True  # in case it is raised where Python ignores it, in a __del__
        raise StopAsked

    for number in STOP_SIGNALS:
        signal.signal(number, ask)
    try:
        screen.say("Starting the servers …")
        stack.start_servers()
        yield stack
    except StopAsked:
        screen.say("Stopping …")
    finally:
        stack.stop()
        screen.say("Everything has stopped.")


def _running(directory: Path) -> Stack:
    """Returns the stack that somebody else runs, once its servers answer."""
    _wait_for(lambda: State.read(directory).environment, "The running stack's servers do not answer.")
    return Stack(directory, screen)


def _wait_for(condition: Callable[[], object], otherwise: str) -> None:
    until = time.monotonic() + _STOPS_WITHIN
    while not condition():
        if time.monotonic() > until:
            raise DevstackError(otherwise)
        time.sleep(0.1)


def _exports(stack: Stack) -> str:
    settings = stack.state.environment.items()
    return "\n".join(f"export {name}={shlex.quote(value)}" for name, value in settings)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m devstack", description="The embedded default.")
    verbs = parser.add_subparsers(dest="verb", required=True)
    running = verbs.add_parser("run", help="start everything; Ctrl-C stops it")
    running.add_argument("--procfile", type=Path, default=places.ROOT / "Procfile")
    verbs.add_parser("stop", help="stop what runs")
    verbs.add_parser("reset", help="stop, and delete what is kept")
    verbs.add_parser("servers", help="start the servers only and print their addresses")
    verbs.add_parser("browser", help="find or install a Chromium for the tests")
    given = verbs.add_parser("with", help="run a command with the stack's settings")
    given.add_argument("command", nargs=argparse.REMAINDER)
    asked = parser.parse_args()
    try:
        match asked.verb:
            case "run":
                return run(asked.procfile)
            case "with":
                return run_with(asked.command or parser.error("with: which command?"))
            case verb:
                return {"stop": stop, "reset": reset, "servers": serve, "browser": browse}[verb]()
    except DevstackError as error:
        print(f"\n{error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
