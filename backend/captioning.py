"""The captioning service on Modal: `modal deploy backend/captioning.py`, from the project's root."""

from backend.modal_app import service_app
from backend.services import CAPTIONING

app = service_app(CAPTIONING)
