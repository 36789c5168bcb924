"""A local server with the part of the Hugging Face Hub protocol that pushing and loading a model need."""

import base64
import hashlib
import json
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.parse import urlsplit

WRITE_TOKEN, READ_TOKEN = "hf_write", "hf_read"
OWNER = "tester"


class Hub(ThreadingHTTPServer):
    """
    Repositories by id, each a dictionary from file name to content; `requests` lists all requests.

    The id of a Space starts with `spaces/`.
    """

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.repositories: dict[str, dict[str, bytes]] = {}
        self.private: set[str] = set()
        self.commits = 0
        self.requests: list[str] = []
        self.fails_to_commit = False
        self.damages_downloads = False

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


def without_kind(path: str) -> str:
    """Return the path of a request without the prefix of the API, so that it starts with the id of a repository."""
    return path.removeprefix("/api/models/").removeprefix("/api/")


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Hub

    def log_message(self, *args):
        pass

    def answer(self, status: int = 200, value=None, headers=(), content: bytes | None = None):
        if content is None:
            content = json.dumps({} if value is None else value).encode()
        self.send_response(status)
        for name, text in {
            "Content-Type": "application/json",
            "Content-Length": str(len(content)),
            **dict(headers),
        }.items():
            self.send_header(name, text)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def reject(self, status: int, message: str, code: str = ""):
        self.answer(status, {"error": message}, {"X-Error-Message": message, "X-Error-Code": code})

    def sha(self, repository: str) -> str:
        files = self.server.repositories[repository]
        return hashlib.sha1(repr(sorted(files.items())).encode()).hexdigest()

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.headers.get("Transfer-Encoding") == "chunked":
            body = self.read_chunks()
        path = urlsplit(self.path).path
        self.server.requests.append(f"POST {path}")
        token = self.headers.get("Authorization", "").removeprefix("Bearer ")
        if token not in (WRITE_TOKEN, READ_TOKEN):
            return self.reject(401, "Invalid username or password.")
        if path == "/api/validate-yaml":
            return self.answer(value={"errors": [], "warnings": []})
        if token == READ_TOKEN:
            return self.reject(403, "Forbidden: the token has no write access.")
        if path == "/api/repos/create":
            return self.create(json.loads(body))
        repository, _, action = without_kind(path).rpartition("/main")[0].rpartition("/")
        if repository not in self.server.repositories:
            return self.reject(404, "Repository not found", "RepoNotFound")
        if action == "preupload":
            files = [
                {"path": f["path"], "uploadMode": "regular", "shouldIgnore": False} for f in json.loads(body)["files"]
            ]
            return self.answer(value={"files": files})
        if self.server.fails_to_commit:
            return self.reject(500, "Internal error")
        new = {}
        for line in map(json.loads, body.splitlines()):
            if line["key"] == "file":
                new[line["value"]["path"]] = base64.b64decode(line["value"]["content"])
        self.server.repositories[repository] |= new
        self.server.commits += 1
        url = f"{self.server.endpoint}/{repository}/commit/{self.sha(repository)}"
        self.answer(value={"success": True, "commitOid": self.sha(repository), "commitUrl": url})

    def read_chunks(self) -> bytes:
        body = b""
        while size := int(self.rfile.readline(), 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def create(self, fields: dict):
        repository = f"{fields.get('organization') or OWNER}/{fields['name']}"
        if fields.get("type") == "space":
            assert fields["sdk"] == "gradio"
            repository = f"spaces/{repository}"
        if "taboo" in repository:
            return self.reject(400, "This name is reserved.")
        url = f"{self.server.endpoint}/{repository}"
        if repository in self.server.repositories:
            return self.answer(409, {"error": "You already created this model repo", "url": url})
        self.server.repositories[repository] = {}
        if fields.get("private") or fields.get("visibility") == "private":
            self.server.private.add(repository)
        self.answer(
            value={"url": url, "name": repository.removeprefix("spaces/"), "id": repository.removeprefix("spaces/")}
        )

    def do_GET(self):
        path = urlsplit(self.path).path
        self.server.requests.append(f"{self.command} {path}")
        api = path.startswith("/api/")
        parts = without_kind(path).strip("/").split("/")
        names = 3 if parts[0] == "spaces" else 2
        repository, rest = "/".join(parts[:names]), parts[names:]
        files = self.server.repositories.get(repository)
        if files is None:
            return self.reject(404, "Repository not found", "RepoNotFound")
        sha = self.sha(repository)
        if api and rest[:1] == ["tree"]:
            tree = [
                {"type": "file", "path": name, "size": len(data), "oid": hashlib.sha1(data).hexdigest()}
                for name, data in files.items()
            ]
            return self.answer(value=tree)
        if api:
            siblings = [{"rfilename": name} for name in files]
            return self.answer(
                value={"id": repository, "modelId": repository, "sha": sha, "siblings": siblings, "tags": []}
            )
        name = "/".join(rest[2:])
        if rest[:1] != ["resolve"] or name not in files:
            return self.answer(404, headers={"X-Error-Code": "EntryNotFound", "X-Repo-Commit": sha})
        data = files[name]
        if self.server.damages_downloads and name in ("model.safetensors", "model.onnx"):
            data = data[:-8] + bytes(8)
        headers = {
            "ETag": f'"{hashlib.sha1(data).hexdigest()}"',
            "X-Repo-Commit": sha,
            "Content-Type": "application/octet-stream",
        }
        self.answer(headers=headers, content=data)

    do_HEAD = do_GET

    def do_DELETE(self):
        fields = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))))
        self.server.requests.append(f"DELETE {self.path}")
        self.server.repositories.pop(f"{fields.get('organization') or OWNER}/{fields['name']}")
        self.answer()


@contextmanager
def running_hub():
    with Hub() as hub:
        Thread(target=hub.serve_forever, daemon=True).start()
        yield hub
        hub.shutdown()
