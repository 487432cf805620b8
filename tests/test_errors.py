"""What goes wrong becomes a page that names the right cause."""

from __future__ import annotations

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from app import errors


@pytest.mark.committed
def test_a_row_that_somebody_holds_is_no_unreachable_store(db, app, make):
    office_id = make.office().id
    db.session.commit()
    held = text("SELECT 1 FROM office WHERE id = :id FOR UPDATE")
    with db.engine.connect() as holder:
        holder.execute(held, {"id": office_id})
        db.session.execute(text("SET LOCAL lock_timeout = '20ms'"))
        with pytest.raises(OperationalError) as refused:
            db.session.execute(held, {"id": office_id})
        holder.rollback()
    with app.test_request_context("/ops/runs", method="POST", headers={"Accept": "application/json"}):
        answer = errors.unreachable(refused.value)
    assert answer.status_code == 409
    assert answer.json["error"] == (
        "Somebody else holds what this would change just now. Nothing was saved; try again in a few seconds."
    )
    assert answer.json["reference"]
