"""Plays `vllm serve`: `played_vllm.py PORT BEHAVIOUR FOLDER`. Starts a worker process, as vLLM does."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

port, behaviour, folder = int(sys.argv[1]), sys.argv[2], Path(sys.argv[3])
completions = 0


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.0"

    def do_POST(self) -> None:
        if self.path == "/sleep?level=1":
            (folder / "asleep").touch()
            self.reply(200, "")
        elif self.path == "/wake_up":
            (folder / "asleep").unlink()
            self.reply(200, "")
        else:
            self.complete()

    def complete(self) -> None:
        global completions
        completions += 1
        (folder / "completions").write_text(str(completions))
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if behaviour == "fail" or (behaviour == "fail-twice" and completions <= 2):
            self.send_error(500)
        elif request.get("stop") == "refuse":
            self.reply(400, json.dumps({"error": {"message": "The prompt is too long", "code": 400}}))
        elif request.get("stop") == "die":
            chunk = {"id": "c", "object": "chat.completion.chunk", "created": 0, "model": "m"}
            chunk["choices"] = [{"index": 0, "delta": {"content": "A"}, "finish_reason": None}]
            self.reply(200, f"data: {json.dumps(chunk)}\n\n", "text/event-stream")
            self.wfile.flush()
            os._exit(9)
        else:
            self.reply(200, "{}")

    def reply(self, status: int, body: str, kind: str = "application/json") -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *args: object) -> None:
        pass


if behaviour.startswith("exit-"):
    sys.exit(int(behaviour.removeprefix("exit-")))
worker = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
(folder / "worker").write_text(str(worker.pid))
(folder / "server").write_text(str(os.getpid()))
ThreadingHTTPServer(("127.0.0.1", port), Handler).serve_forever()
