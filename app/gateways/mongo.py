"""The legacy MongoDB, while it lives. The only file that imports pymongo."""

from __future__ import annotations

from typing import Any

import pymongo
from pymongo.errors import PyMongoError


def answers(url: str, seconds: float) -> bool:
    """Does it answer a ping within `seconds`?"""
    client: pymongo.MongoClient[dict[str, Any]] = pymongo.MongoClient(
        url, serverSelectionTimeoutMS=int(seconds * 1000), timeoutMS=int(seconds * 1000)
    )
    try:
        client.admin.command("ping")
    except PyMongoError:
        return False
    else:
        return True
    finally:
        client.close()
