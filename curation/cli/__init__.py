"""`curation …`: the command line over the library; `curation --help` lists the exit codes.

`app` is what commands are added to; each of the other files adds some, in the order in which the help lists them.
"""

from curation.cli.app import LeftRunning, app, main, open_app
from curation.cli.options import ADMINISTRATION, LIBRARY, SERVICE

__all__ = ["ADMINISTRATION", "LIBRARY", "SERVICE", "LeftRunning", "app", "main", "open_app"]
