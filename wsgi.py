"""The web application: gunicorn wsgi:app."""

from app import create_app

app = create_app()
app.extensions["watches"] = True  # it looks at the house beside its pages: app/domain/ops/incidents.py
