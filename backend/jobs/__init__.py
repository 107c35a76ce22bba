"""Heavy work in processes of their own: it neither slows the pages nor can take the server down.

    with Child("backend.datasets._worker", request, log) as child:      # here
        for message in child.messages(canceled): ...
    sys.exit(serve(perform, niceness=5))                                # there

The request goes in as one line of JSON on stdin, messages come out as lines of JSON on stdout; stderr, and whatever
libraries print, is the log. A child ends by itself when this process dies, because its stdin closes.
"""

from ._child import Reporter, Say, serve
from ._parent import Child, error_from

__all__ = ["Child", "Reporter", "Say", "error_from", "serve"]
