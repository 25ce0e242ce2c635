"""Label Studio over REST (1.23): projects, tasks, annotations.

A personal access token is exchanged for one that lives five minutes and is renewed when it is refused; a legacy token
is sent as it is. A server that is down, slow or answers 5xx raises LabelServerError, which may be tried again.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from mlops_provider.exceptions import ConfigError, LabelServerError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import httpx

KEY = "mlops_key"
"""Name of a task's data that identifies its row."""
PAGE = 500
_TIMEOUT = 60.0
_UNAUTHORIZED, _NOT_FOUND, _TOO_MANY, _SERVER = 401, 404, 429, 500


@dataclass(slots=True)
class LabelStudio:
    """A server at `url`, for the owner of `token`."""

    url: str
    token: str
    timeout: float = _TIMEOUT
    _access: str = field(default="", repr=False)

    @classmethod
    def at(cls, address: str) -> LabelStudio:
        """Take an address with its token: https://:token@labels.example.com/path."""
        parts = urlsplit(address)
        host = f"{parts.hostname}:{parts.port}" if parts.port else str(parts.hostname)
        return cls(f"{parts.scheme}://{host}{parts.path.rstrip('/')}", unquote(parts.password or ""))

    def version(self) -> str:
        """Give the server's version."""
        return str(self._call("GET", "/api/version")["release"])

    def whoami(self) -> str:
        """Give the e-mail address of the token's owner."""
        return str(self._call("GET", "/api/current-user/whoami")["email"])

    def create_project(self, title: str, description: str, config: str, overlap: int) -> int:
        """Make a project; `config` is its labeling interface, `overlap` how many people label each task."""
        body = {"title": title[:50], "description": description, "label_config": config, "maximum_annotations": overlap}
        return int(self._call("POST", "/api/projects", json=body)["id"])

    def project_exists(self, project: int) -> bool:
        """Say whether a project is there."""
        return self._call("GET", f"/api/projects/{project}", missing=True) is not None

    def progress(self, project: int) -> tuple[int, int]:
        """Give the number of finished tasks and of all."""
        include = {"include": "task_number,finished_task_number"}
        found = self._call("GET", f"/api/projects/{project}", params=include, missing=True)
        if found is None:
            raise ConfigError(
                f"Label Studio has no project {project} any more", hint="run the workflow again to make it"
            )
        return int(found["finished_task_number"]), int(found["task_number"])

    def keys(self, project: int) -> set[str]:
        """Give the keys of the rows whose tasks are there."""
        found: set[str] = set()
        page = 1
        while True:
            params = {"project": project, "page": page, "page_size": PAGE, "fields": "task_only"}
            answer = self._call("GET", "/api/tasks", params=params)
            found.update(str(task["data"].get(KEY)) for task in answer["tasks"])
            if page * PAGE >= int(answer["total"]):
                return found
            page += 1

    def add_tasks(self, project: int, tasks: Sequence[dict[str, Any]]) -> None:
        """Add tasks, at most a page at once."""
        self._call("POST", f"/api/projects/{project}/import", json=list(tasks))

    def annotations(self, project: int) -> Iterator[tuple[str, list[str]]]:
        """Give the key of each task that has annotations, with the choice of each person; skips do not count."""
        params = {"exportType": "JSON", "download_all_tasks": "false"}
        for task in self._call("GET", f"/api/projects/{project}/export", params=params):
            chosen = [_choice(each["result"]) for each in task.get("annotations", ()) if not each.get("was_cancelled")]
            yield str(task["data"].get(KEY)), [choice for choice in chosen if choice is not None]

    def _call(self, method: str, path: str, *, missing: bool = False, **options: Any) -> Any:
        """Call the API; None for what is not there where that is `missing`."""
        import httpx

        try:
            response = self._send(method, path, **options)
            if response.status_code == _UNAUTHORIZED and self._access:
                self._access = ""  # it lives for five minutes
                response = self._send(method, path, **options)
        except (httpx.HTTPError, httpx.InvalidURL) as err:
            raise LabelServerError(f"Label Studio at {self.url} did not answer: {type(err).__name__}") from err
        if response.status_code == _NOT_FOUND and missing:
            return None
        if response.status_code >= _SERVER or response.status_code == _TOO_MANY:
            raise LabelServerError(f"Label Studio at {self.url} answered {response.status_code} to {method} {path}")
        if response.is_error:
            message = f"Label Studio refused {method} {path} with {response.status_code}: {_why(response)}"
            raise ConfigError(
                message, hint="look at the token of the connection" if response.status_code == _UNAUTHORIZED else ""
            )
        try:
            return response.json()
        except ValueError as err:
            raise LabelServerError(f"Label Studio at {self.url} answered {path} with something else than JSON") from err

    def _send(self, method: str, path: str, **options: Any) -> httpx.Response:
        import httpx

        headers = {"Authorization": f"Token {self.token}"}
        if self.token.count(".") == 2:  # noqa: PLR2004 (the three parts of a JSON web token)
            if not self._access:
                answer = httpx.post(f"{self.url}/api/token/refresh", json={"refresh": self.token}, timeout=self.timeout)
                if answer.is_error:
                    return answer
                self._access = str(answer.json()["access"])
            headers = {"Authorization": f"Bearer {self._access}"}
        return httpx.request(method, f"{self.url}{path}", headers=headers, timeout=self.timeout, **options)


def _choice(result: list[dict[str, Any]]) -> str | None:
    for region in result:
        choices = region.get("value", {}).get("choices")
        if choices:
            return str(choices[0])
    return None


def _why(response: httpx.Response) -> str:
    try:
        body = response.json()
    except ValueError:
        return response.text[:200]
    return str(body.get("validation_errors") or body.get("detail") or body)[:400]
