"""PostgreSQL, Redis and MongoDB from wheels: found, laid out, started, stopped.

None needs root, Docker or an installation. All listen on 127.0.0.1 only.
PostgreSQL and Redis ask for a password as well: the other accounts of a shared
machine reach the loopback too, and both servers can write files as whoever runs them.
"""

from devstack.servers.base import Server
from devstack.servers.mongo import Mongo
from devstack.servers.postgres import Postgres
from devstack.servers.redis import Redis

__all__ = ["Mongo", "Postgres", "Redis", "Server"]
