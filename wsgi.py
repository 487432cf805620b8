"""The web application: gunicorn wsgi:app."""

from app import create_app
from app.jobs.pulse import Pulse

app = create_app()
Pulse(app).start()
app.extensions["watches"] = True  # it looks at the house beside its pages: app/domain/ops/incidents.py
