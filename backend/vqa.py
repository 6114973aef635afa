"""The VQA service on Modal: `modal deploy backend/vqa.py`, from the project's root."""

from backend.modal_app import service_app
from backend.services import VQA

app = service_app(VQA)
