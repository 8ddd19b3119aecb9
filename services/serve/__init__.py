"""`curation serve`: the service as a process."""

from services.serve.announcement import Announcement, Role
from services.serve.parts import ServeError
from services.serve.service import serve

__all__ = ["Announcement", "Role", "ServeError", "serve"]
