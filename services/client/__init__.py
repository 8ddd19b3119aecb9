"""A typed client of the service's REST API. It knows no web framework and no database."""

from services.client.client import Client as Client
from services.client.errors import NotSettledError as NotSettledError
from services.client.errors import ProblemError as ProblemError
from services.client.errors import UnreachableError as UnreachableError
