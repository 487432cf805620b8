"""How the web process runs. Read by gunicorn from the folder it starts in.

A host that names a PORT gets it on every address, as such hosts expect; without one only this machine is served.
"""

import os
import re
import shutil
import stat
import tempfile
from itertools import count
from pathlib import Path
from typing import Any

bind = f"0.0.0.0:{os.environ['PORT']}" if os.environ.get("PORT") else "127.0.0.1:8000"
workers = int(os.environ.get("WEB_CONCURRENCY", "2"))
worker_class = "gthread"
threads = int(os.environ.get("WEB_THREADS", "8"))
timeout = 60
graceful_timeout = 30
keepalive = 5
max_requests = 10_000  # a slow leak ends with its process
max_requests_jitter = 1_000
worker_tmp_dir = "/dev/shm" if os.path.isdir("/dev/shm") else None  # noqa: PTH112, S108
preload_app = False  # each worker opens its own connections after the fork
control_socket_disable = True
accesslog = None  # the app logs one event for each outcome; addresses of people stay out of the log
errorlog = "-"
forwarded_allow_ips = os.environ.get("FORWARDED_ALLOW_IPS", "127.0.0.1")


# Each web process counts its answers in a file of its own, and any of them reads all files (/metrics). A file belongs to
# a seat and not to a process: who follows one that ended counts on where it stopped, so there are never more files than
# processes at one time.


COUNTS = "porchlight-counts-"


def on_starting(server: Any) -> None:
    home = Path(worker_tmp_dir or tempfile.gettempdir())
    server.counts_folder = None
    try:
        for left in home.glob(f"{COUNTS}*"):
            if is_abandoned(left):
                shutil.rmtree(left, ignore_errors=True)
        server.counts_folder = tempfile.mkdtemp(prefix=f"{COUNTS}{os.getpid()}-", dir=home)
    except OSError as error:  # answers matter more than how many there were
        server.log.warning("Each web process counts its answers for itself: %s", error)
    else:
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = server.counts_folder


def is_abandoned(folder: Path) -> bool:
    """Left by a server of ours that was killed: its number is in the name. Anybody may make such a name here, so only
    a folder of our own, with a number that can be one, is looked at twice."""
    number = re.fullmatch(rf"{COUNTS}([1-9][0-9]{{0,8}})-.*", folder.name, re.ASCII)
    try:
        found = folder.lstat()
        if number is None or found.st_uid != os.geteuid() or not stat.S_ISDIR(found.st_mode):
            return False
        os.kill(int(number[1]), 0)
    except ProcessLookupError:
        return True
    except OSError:
        pass  # gone meanwhile, or the number is somebody else's now
    return False


def pre_fork(server: Any, worker: Any) -> None:
    taken = {other.seat for other in server.WORKERS.values()}
    worker.seat = next(seat for seat in count() if seat not in taken)


def post_fork(server: Any, worker: Any) -> None:
    if server.counts_folder is None:
        return
    from prometheus_client import values

    values.ValueClass = values.MultiProcessValue(lambda: worker.seat)


def on_exit(server: Any) -> None:
    if server.counts_folder is not None:
        shutil.rmtree(server.counts_folder, ignore_errors=True)
