"""The whole product on one machine: servers, then migrations, then every line of the Procfile.

What is started here ends with us: in order when asked, by the kernel when we are
killed, and at the latest when the next stack finds it in var/devstack.json.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import psycopg

from devstack import places, ports, procfile, programs, slack
from devstack.errors import DevstackError
from devstack.screen import Screen
from devstack.servers import Mongo, Postgres, Redis, Server
from devstack.state import State, secret_of, server_password

SIGN_IN = ("admin@harborvine.example", "porchlight-demo")

_PREFERRED = {
    "web": 8000,
    "postgres": 54329,
    "redis": 63799,
    "mongo": 27099,
    "smtp": 2525,
    "mailbox": 8025,
    "slack": 8026,
}
_SERVERS: dict[str, type[Server]] = {"mongo": Mongo, "redis": Redis, "postgres": Postgres}
_OPTIONAL = {"mongo"}  # nothing else waits for it
_LOOK_EVERY = 0.1  # seconds
_GRACE = 15.0  # seconds a program gets to finish what it does
_IMPATIENT_AFTER = 60.0  # seconds
_FIRST_PAUSE = 1.0  # seconds before a restart
_LONGEST_PAUSE = 30.0
_STEADY = 60.0  # seconds after which a program counts as running well


class StopAsked(BaseException):
    """Somebody wants us to end: Ctrl-C, SIGTERM, or the terminal is gone."""


@dataclass
class _Kept:
    """A program that is started again when it ends."""

    name: str
    start: Callable[[], subprocess.Popen[bytes]]
    child: subprocess.Popen[bytes]
    since: float
    pause: float = _FIRST_PAUSE / 2  # doubled before each restart
    due: float | None = None  # when to start it again


class Stack:
    """Start with `start_servers`, then perhaps `start_programs` and `watch`; end with `stop`."""

    def __init__(self, directory: Path, screen: Screen) -> None:
        self.directory = directory
        self.screen = screen
        self.state = State.read(directory)
        self.is_asked_to_stop = False
        self.hurry = False
        self._given = {
            name: value
            for name in ("DATABASE_URL", "REDIS_URL", "LEGACY_MONGO_URL", "SMTP_URL", "SLACK_API_URL")
            if (value := os.environ.get(name, "").strip())
        }
        self._servers: dict[str, Server] = {}
        self._kept: dict[str, _Kept] = {}
        self._is_ready = False

    # -- up ---------------------------------------------------------------------------------

    def start_servers(self) -> None:
        """Starts what the environment does not name, all at once, and waits until they answer."""
        self.end_leftovers()
        self.state.supervisor = programs.Identity.of(os.getpid())
        self.state.environment = {}
        self._choose_ports()
        self.state.write()
        secret = secret_of(self.directory)
        for name, kind in _SERVERS.items():
            if kind.variable not in self._given:
                self._start_server(name, kind, server_password(secret))
        for name, server in list(self._servers.items()):
            try:
                server.wait()
            except DevstackError as error:
                self._do_without(name, error)
        self.state.environment = self._make_environment(secret)
        Path(self.state.environment["FILES_DIR"]).mkdir(parents=True, exist_ok=True)
        self.state.write()

    def start_sites(self) -> None:
        """Starts the mail catcher and the Slack stand-in, unless the environment names others."""
        port = self.state.ports
        if "SMTP_URL" not in self._given:
            command = [sys.executable, "-m", "devstack.mailbox", str(self.directory / "mail")]
            self._keep("mail", [*command, "--smtp", str(port["smtp"]), "--web", str(port["mailbox"])])
        if "SLACK_API_URL" not in self._given:
            command = [sys.executable, "-m", "devstack.slack", "--web", str(port["slack"])]
            self._keep("slack", command)

    def start_programs(self, lines: dict[str, str]) -> None:
        """Runs the release line, fills an empty house with the demo, starts every other line."""
        if command := lines.get(procfile.RELEASE):
            self.run_once(procfile.RELEASE, procfile.as_shell(command))
        if self._is_unfurnished():
            self.screen.say("The house is empty: moving in the demo brokerage …")
            try:
                self.run_once("demo", [sys.executable, "-m", "flask", "demo", "--photos", self._photos])
            except DevstackError as error:
                self.screen.say(f"{error} Going on with an empty house.")
            else:
                self.state.has_demo = True
                self.state.write()
        for name, command in lines.items():
            if name != procfile.RELEASE:
                self._keep(name, procfile.as_shell(command))

    def run_once(self, name: str, command: list[str]) -> None:
        """Runs a program to its end. Raises DevstackError when it fails."""
        child = self._spawn(name, command)
        try:
            while (status := child.poll()) is None:
                self._rest()
        finally:
            programs.stop(child)
            self.state.programs.pop(name, None)
        if status:
            message = f"{name} failed (exit status {status}). All it wrote is in {places.log(name)}."
            raise DevstackError(message)

    def run_here(self, command: list[str]) -> int:
        """Runs a command of the person's, in the terminal, and returns its exit status."""
        # Ctrl-C is the command's own affair; what it does then decides.
        before = signal.signal(signal.SIGINT, lambda *_: None)
        try:
            return subprocess.run(command, env=self._child_environment(), check=False).returncode
        except OSError as error:
            message = f"{command[0]}: {error.strerror}."
            raise DevstackError(message) from error
        finally:
            signal.signal(signal.SIGINT, before)

    # -- running ----------------------------------------------------------------------------

    def watch(self) -> NoReturn:
        """Keeps everything running and says when the product answers. Ends by StopAsked only."""
        began = time.monotonic()
        warned = False
        while True:
            self._restart_what_ended()
            if not self._is_ready:
                answer = self._readiness()
                if answer == "200" and self.sites_answer():
                    self._is_ready = True
                    self.screen.say(f"{self.addresses()}\n  Ctrl-C stops everything.\n")
                elif not warned and time.monotonic() - began > _IMPATIENT_AFTER:
                    warned = True
                    self.screen.say(f"Still not ready after a minute: /readyz gives {answer}. Trying on.")
            self._rest()

    def addresses(self) -> str:
        """Returns what a person needs to begin, from what the state knows."""
        port = self.state.ports
        rows = [("Porchlight", self.state.environment.get("PUBLIC_URL", ""))]
        if self.state.has_demo:
            rows.append(("Sign in as", f"{SIGN_IN[0]}   password {SIGN_IN[1]}"))
        if "mail" in self.state.programs:
            rows.append(("Mailbox", f"http://{ports.HOST}:{port['mailbox']}"))
        if "slack" in self.state.programs:
            rows.append(("Slack", f"http://{ports.HOST}:{port['slack']}"))
        rows.append(("Logs", str(places.log("web").parent)))
        listed = "\n".join(f"  {name:<12} {value}" for name, value in rows)
        return f"\n{listed}\n"

    def keep(self) -> NoReturn:
        """Keeps everything running. Ends by StopAsked only."""
        while True:
            self._restart_what_ended()
            self._rest()

    def _restart_what_ended(self) -> None:
        """Starts again what has ended, after a pause that grows while it keeps ending."""
        now = time.monotonic()
        for kept in self._kept.values():
            if kept.due is None and (status := kept.child.poll()) is not None:
                programs.end_group(kept.child.pid)
                last = _FIRST_PAUSE / 2 if now - kept.since > _STEADY else kept.pause
                kept.pause = min(last * 2, _LONGEST_PAUSE)
                kept.due = now + kept.pause
                self.screen.say(f"{kept.name} ended (exit status {status}); starting it again in {kept.pause:.0f} s.")
            elif kept.due is not None and now >= kept.due:
                try:
                    kept.child = kept.start()
                except DevstackError as error:
                    self.screen.say(str(error))
                    kept.due = now + _LONGEST_PAUSE
                else:
                    kept.since, kept.due = now, None
                    self.state.record(kept.name, kept.child.pid)

    def _rest(self) -> None:
        time.sleep(_LOOK_EVERY)
        if self.is_asked_to_stop:
            raise StopAsked

    def sites_answer(self) -> bool:
        port = self.state.ports
        asked = [(port["smtp"], "mail"), (port["mailbox"], "mail"), (port["slack"], "slack")]
        return all(ports.answers(number) for number, name in asked if name in self._kept)

    def _readiness(self) -> str:
        url = f"http://{ports.HOST}:{self.state.ports['web']}/readyz"
        directly = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with directly.open(url, timeout=5) as answer:
                return str(answer.status)
        except urllib.error.HTTPError as error:
            with error:
                return f"{error.code}: {error.read(300).decode(errors='replace').strip()}"
        except OSError as error:
            return f"no answer ({getattr(error, 'reason', error)})"

    # -- down -------------------------------------------------------------------------------

    def stop(self) -> None:
        """Ends everything we started and nothing else: first what works, then what it works on."""
        with self._hurrying():
            sites = {"mail", "slack"}
            working = [kept for name, kept in self._kept.items() if name not in _SERVERS]
            self._end([kept.child for kept in working if kept.name not in sites])
            self._end([kept.child for kept in working if kept.name in sites])
            for server in self._servers.values():
                server.begin_stop()
            for server in self._servers.values():
                server.stop()
        self._kept.clear()
        self._servers.clear()
        self.state.supervisor = None
        self.state.programs = {}
        self.state.environment = {}
        self.state.write()

    def _end(self, children: list[subprocess.Popen[bytes]]) -> None:
        for child in children:
            if child.poll() is None:
                child.terminate()
        until = time.monotonic() + _GRACE
        while any(child.poll() is None for child in children):
            if self.hurry or time.monotonic() > until:
                break
            time.sleep(0.05)
        for child in children:
            programs.stop(child, signal.SIGKILL)

    @contextlib.contextmanager
    def _hurrying(self) -> Iterator[None]:
        """While we stop, being asked again means: at once."""

        def hurry(*_: object) -> None:
            self.hurry = True

        before = {number: signal.signal(number, hurry) for number in STOP_SIGNALS}
        try:
            yield
        finally:
            for number, action in before.items():
                signal.signal(number, action)

    # -- parts ------------------------------------------------------------------------------

    def end_leftovers(self) -> None:
        """Ends what an earlier stack, killed before it could, left running."""
        for name, identity in self.state.programs.items():
            if identity.is_alive():
                self.screen.say(f"Ending {name}, left by an earlier run …")
                first = signal.SIGINT if name == "postgres" else signal.SIGTERM
                identity.end(first, signal.SIGKILL)
        self.state.programs = {}

    def _choose_ports(self) -> None:
        """Takes the usual ports; another one, and says so, where somebody has it already.

        `DEVSTACK_PORTS=any` does not try the usual ones, for stacks that begin at the same moment.
        """
        wanted = dict.fromkeys(_PREFERRED, 0) if os.environ.get("DEVSTACK_PORTS") == "any" else dict(_PREFERRED)
        if (named := os.environ.get("PORT", "")).isdigit():
            wanted["web"] = int(named)
        chosen: dict[str, int] = {}
        for name, port in wanted.items():
            taken = set(chosen.values())
            candidates = [number for number in (port, self.state.ports.get(name, 0)) if number not in {0, *taken}]
            chosen[name] = next(filter(ports.is_free, candidates), 0) or ports.find_free(taken)
            if port and chosen[name] != port and not self._is_given(name):
                self.screen.say(f"Port {port} is taken, so {name} is on {chosen[name]}.")
        self.state.ports = chosen

    def _is_given(self, name: str) -> bool:
        variable = {"smtp": "SMTP_URL", "mailbox": "SMTP_URL", "slack": "SLACK_API_URL"}.get(name)
        variable = variable or (_SERVERS[name].variable if name in _SERVERS else "")
        return variable in self._given

    def _start_server(self, name: str, kind: type[Server], password: str) -> None:
        server = kind(self.directory / name, port=self.state.ports[name], password=password, log=places.log(name))

        def start() -> subprocess.Popen[bytes]:
            server.start()
            assert server.child is not None
            return server.child

        try:
            child = start()
        except DevstackError as error:
            self._do_without(name, error)
            return
        self._servers[name] = server
        self._kept[name] = _Kept(name, start, child, since=time.monotonic())
        self.state.record(name, child.pid)
        if isinstance(server, Postgres) and server.is_elsewhere:
            self.screen.say(
                f"PostgreSQL keeps its files in {server.place}: as root it runs under the account "
                f"nobody, which cannot reach {self.directory}."
            )

    def _do_without(self, name: str, error: DevstackError) -> None:
        if name not in _OPTIONAL:
            raise error
        self.screen.say(f"Going on without {_SERVERS[name].label}: {str(error).splitlines()[0]}")
        self._servers.pop(name, None)
        self._kept.pop(name, None)
        self.state.programs.pop(name, None)

    def _make_environment(self, secret: str) -> dict[str, str]:
        """Returns the settings of the product; what the person has set already is left as it is."""
        port = self.state.ports
        urls = {server.variable: server.url for server in self._servers.values()}
        own = {
            "SMTP_URL": f"smtp://{ports.HOST}:{port['smtp']}",
            "RELAY_LOG": f"http://{ports.HOST}:{port['mailbox']}/api/accepted",
            "SLACK_API_URL": f"http://{ports.HOST}:{port['slack']}/api/",
            "PUBLIC_URL": f"http://{ports.HOST}:{port['web']}",
            "MAIL_FROM": "Porchlight Alerts <alerts@alerts.harborvine.example>",
            "FILES_DIR": str(self.directory / "files"),
            "LOG_FORMAT": "console",
            "PHOTO_ORIGINS": f"http://{ports.HOST}:{port['mailbox']}",
            "SESSION_COOKIE_SECURE": "0",
            # Who tries it in the evening wants to see a mail all the same, and another after the next change.
            "QUIET_HOURS": "none",
            "INSTANT_GAP_MINUTES": "0",
            "SECRET_KEY": secret,
            # The demo's password is public, so nobody but this machine may knock.
            "GUNICORN_CMD_ARGS": f"--bind {ports.HOST}:{port['web']} --no-control-socket",
        }
        # Alarms go where the stand-ins are; a relay or a workspace of the person's own is not rung by a demo.
        if "SMTP_URL" not in self._given:
            own |= {
                "ALARM_EMAIL": SIGN_IN[0],
                "CANARY_ADDRESS": "canary@harborvine.example",
                "CANARY_MAILBOX": f"http://{ports.HOST}:{port['mailbox']}",
            }
        if "SLACK_API_URL" not in self._given:
            own |= {"SLACK_BOT_TOKEN": slack.TOKEN, "ALARM_SLACK_CHANNEL": "#ops"}
        settings = {name: os.environ.get(name) or value for name, value in own.items()}
        return settings | urls | self._given | {"PORT": str(port["web"]), "TZ": "UTC"}

    @property
    def _photos(self) -> str:
        return f"http://{ports.HOST}:{self.state.ports['mailbox']}/photos"

    def _child_environment(self) -> dict[str, str]:
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
        return {**os.environ, **self.state.environment, "PATH": path, "PYTHONUNBUFFERED": "1"}

    def _keep(self, name: str, command: list[str]) -> None:
        def start() -> subprocess.Popen[bytes]:
            return self._spawn(name, command)

        self._kept[name] = _Kept(name, start, start(), since=time.monotonic())

    def _spawn(self, name: str, command: list[str]) -> subprocess.Popen[bytes]:
        child = programs.start(command, output=subprocess.PIPE, env=self._child_environment(), cwd=places.ROOT)
        self.state.record(name, child.pid)
        if child.stdout is not None:
            self.screen.follow(name, child.stdout)
        return child

    def _is_unfurnished(self) -> bool:
        """True when the tables are there and no office is."""
        url = self.state.environment["DATABASE_URL"].replace("+psycopg", "", 1)
        try:
            with psycopg.connect(url, connect_timeout=10) as connection:
                if connection.execute("SELECT to_regclass('office')").fetchone() == (None,):
                    return False
                return connection.execute("SELECT 1 FROM office LIMIT 1").fetchone() is None
        except psycopg.Error as error:
            message = f"The database in DATABASE_URL does not answer: {error}"
            raise DevstackError(message) from error


STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def delete_files(directory: Path) -> None:
    """Deletes what a stack keeps in its directory: databases, mails, files, logs, secret.

    Anything else that lies there stays. The stack must be stopped.
    """
    Postgres(directory / "postgres", port=0, password="").remove()
    for name in ("redis", "mongo", "mail", "files", "log", "postgres"):
        shutil.rmtree(directory / name, ignore_errors=True)
    for name in ("mongod", "secret", "devstack.json"):
        (directory / name).unlink(missing_ok=True)
