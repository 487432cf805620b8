"""How the web process runs. Read by gunicorn from the folder it starts in.

A host that names a PORT gets it on every address, as such hosts expect; without one only this machine is served.
"""

import os

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
