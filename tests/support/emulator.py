"""The emulator of AWS (moto) as a server, which does one thing at a time, and so keeps what AWS promises.

Its threads look, and change after that, without a lock: of two callers who create a name at the same moment both could
be told that it was theirs, and the key of one would be gone; a list that is asked for meanwhile is an error 500.
"""

import io
import sys
import threading
from typing import Any

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import run_simple

_one_at_a_time = threading.Lock()


class _OneAtATime(DomainDispatcherApplication):
    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        # All of the body first: nobody waits for who sends slowly.
        environ["wsgi.input"] = io.BytesIO(environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0)))
        with _one_at_a_time:
            return super().__call__(environ, start_response)


if __name__ == "__main__":
    app = _OneAtATime(create_backend_app)
    run_simple("127.0.0.1", int(sys.argv[1]), app, threaded=True, request_handler=MotoRequestHandler)
