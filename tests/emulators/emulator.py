"""An object store on a free port of this machine, until standard input closes: so it goes with the test that started it,
however that ends.

`emulator.py s3 LOG`               moto: Amazon's protocol, creates an object once
`emulator.py azure LOG NODE_MODULES`    Azurite
`emulator.py careless LOG NODE_MODULES` s3rver, which overwrites: must be refused

Prints the port, then writes a line a request to LOG: method, path, status and, of moto, seconds. moto can be told how to behave, `PUT
/-/behave?…`: `slow=SECONDS` waits before each answer, `ahead=SECONDS` sets its clock forward, and the next N requests of a kind meet a fault:
`fail=N` answers 503; `drop=N` hangs up without an answer and does nothing; `torn=N` hangs up in the middle of what is read;
`lose=N` does what is put and answers 500; `late=N` answers 500 and puts it half a second later; `lie=N` puts although the object exists.
"""

import datetime
import io
import os
import socket
import subprocess
import sys
import threading
import time
import urllib.parse


def hang_up(environ):
    try:
        environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
    except OSError:
        pass


def lost(answer):
    answer("500 Internal Server Error", [("Content-Length", "0")])
    return [b""]


def moto(log):
    import logging

    import moto.s3.models
    from moto.server import DomainDispatcherApplication, create_backend_app
    from werkzeug.serving import WSGIRequestHandler, make_server

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    inner = DomainDispatcherApplication(create_backend_app)
    behaviour = {"slow": 0.0, "fail": 0, "lose": 0, "ahead": 0, "drop": 0, "torn": 0, "late": 0, "lie": 0}
    utcnow = moto.s3.models.utcnow
    moto.s3.models.utcnow = lambda: utcnow() + datetime.timedelta(seconds=behaviour["ahead"])
    lock, writing = threading.Lock(), threading.Lock()

    def take(what):
        with lock:
            behaviour[what] -= 1
            return behaviour[what] >= 0

    def application(environ, start_response):
        method, path, query = (environ[key] for key in ("REQUEST_METHOD", "PATH_INFO", "QUERY_STRING"))
        if path == "/-/behave":
            behaviour.update({name: float(value) for name, value in urllib.parse.parse_qsl(query)})
            start_response("200 OK", [("Content-Length", "0")])
            return [b""]
        status = []

        def answer(text, headers, error=None):
            status.append(text.split()[0])
            return start_response(text, headers, error)

        def do(environ):
            with writing:
                b"".join(inner(environ, lambda *_: None))

        def torn(body, length):
            yield body[: length // 2]
            hang_up(environ)

        time.sleep(behaviour["slow"])
        if take("fail"):
            body = [b"<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"]
            answer("503 Slow Down", [("Content-Length", str(len(body[0])))])
        elif take("drop"):
            answer("200 OK", [("Content-Length", "2")])
            body = torn(b"", 0)
        elif method == "PUT" and take("lose"):
            do(environ)
            body = lost(answer)
        elif method == "PUT" and take("late"):
            length = int(environ.get("CONTENT_LENGTH") or 0)
            later = dict(environ) | {"wsgi.input": io.BytesIO(environ["wsgi.input"].read(length))}
            threading.Timer(0.5, do, [later]).start()
            body = lost(answer)
        elif method == "GET" and path.endswith((".json", ".parquet", ".csv")) and take("torn"):
            whole = b"".join(inner(environ, answer))
            body = torn(whole, len(whole))
        elif method in ("PUT", "POST", "DELETE"):
            if "HTTP_IF_NONE_MATCH" in environ and take("lie"):
                del environ["HTTP_IF_NONE_MATCH"]
            # moto looks whether an object exists, then writes: on a busy machine two threads may come between
            with writing:
                body = inner(environ, answer)
        else:
            body = inner(environ, answer)
        log.write(f"{method} {path}{'?' + query if query else ''} {status[0] if status else '?'} {time.monotonic():.4f}\n")
        log.flush()
        return body

    class Quiet(WSGIRequestHandler):
        protocol_version = "HTTP/1.1"

        def log(self, *_):
            pass

    server = make_server("127.0.0.1", 0, application, threaded=True, request_handler=Quiet)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server.server_port


def free_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


def answers(port, process):
    for _ in range(600):
        if process.poll() is not None:
            sys.exit(f"the emulator ended with {process.returncode}")
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.05)
    sys.exit("the emulator does not answer")


def node(log, command):
    process = subprocess.Popen(["node", *command], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    return process


def main():
    kind, log = sys.argv[1], open(sys.argv[2], "w")
    process = None
    if kind == "s3":
        port = moto(log)
    else:
        modules, port = sys.argv[3], free_port()
        folder = os.path.dirname(sys.argv[2])
        if kind == "azure":
            script = f"{modules}/azurite/dist/src/blob/main.js"
            options = ["--blobPort", str(port), "--inMemoryPersistence", "--skipApiVersionCheck", "--disableTelemetry"]
        else:
            script = f"{modules}/s3rver/bin/s3rver.js"
            options = ["-d", folder, "-a", "127.0.0.1", "-p", str(port), "--no-vhost-buckets", "--configure-bucket", "acme"]
        process = node(log, [script, *options])
        answers(port, process)
    print(port, flush=True)
    sys.stdin.read()
    if process:
        process.kill()
    # no thread is waited for
    os._exit(0)


main()
