"""One person at a server, over HTTP: opens the page and its events as a browser does, or calls as a program."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

import httpx


@dataclass
class Findings:
    """What happened to everybody: waits for the first token in seconds, and how many answers were refused or wrong."""

    waits: dict[str, list[float]] = field(default_factory=dict)
    answers: int = 0
    wrong: list[str] = field(default_factory=list)
    refused: dict[str, int] = field(default_factory=dict)

    def waited(self, kind: str, seconds: float) -> None:
        """Note how long somebody of this kind waited for a first token."""
        self.waits.setdefault(kind, []).append(seconds)

    def refuse(self, why: str) -> None:
        """Note a refusal."""
        self.refused[why] = self.refused.get(why, 0) + 1


class Person:
    """Somebody with an address, who may have a page open under a session."""

    def __init__(self, server: str, number: int, findings: Findings) -> None:
        headers = {"x-forwarded-for": f"198.51.100.{number % 250}"}
        self.http = httpx.AsyncClient(base_url=server, headers=headers, timeout=300)
        self.session = f"person{number}x{monotonic():.0f}"
        self.findings = findings

    async def call(self, name: str, **values: Any) -> str | None:
        """Begin a call; the id of its event, None where it was refused."""
        answer = await self.http.post(f"/gradio_api/call/v2/{name}", json=values)
        if answer.status_code != 200:
            self.findings.refuse(f"{answer.status_code} {answer.text[:80]}")
            return None
        return str(answer.json()["event_id"])

    async def read(self, name: str, event: str) -> AsyncIterator[tuple[str, Any]]:
        """The messages of a call: kind and data."""
        async with self.http.stream("GET", f"/gradio_api/call/v2/{name}/{event}") as stream:
            kind = ""
            async for line in stream.aiter_lines():
                if line.startswith("event: "):
                    kind = line[7:]
                elif line.startswith("data: ") and kind != "heartbeat":
                    yield kind, json.loads(line[6:])

    async def ask(self, kind: str, name: str, **values: Any) -> Any:
        """The answer of a call that is read to its end, None where it was refused."""
        began, is_first = monotonic(), True
        event = await self.call(name, **values)
        if event is None:
            return None
        async for said, data in self.read(name, event):
            if said == "error":
                self.findings.refuse(str(data.get("error"))[:80] if isinstance(data, dict) else str(data))
                return None
            if is_first:
                is_first = False
                self.findings.waited(kind, monotonic() - began)
            if said == "complete":
                self.findings.answers += 1
                return data[0]
        self.findings.refuse("a stream that ended before its answer")
        return None

    @asynccontextmanager
    async def page(self) -> AsyncIterator["OpenPage"]:
        """The page, open until the block ends."""
        (await self.http.get("/")).raise_for_status()
        config = (await self.http.get("/config")).json()
        async with self.http.stream("GET", f"/gradio_api/heartbeat/{self.session}"):
            yield OpenPage(self, config)


class OpenPage:
    """What a browser knows of the page: its components and events."""

    def __init__(self, person: Person, config: dict[str, Any]) -> None:
        self.person = person
        self._ids = {each["props"].get("elem_id"): each["id"] for each in config["components"]}
        self._values = {each["id"]: each["props"].get("value") for each in config["components"]}
        self._events = [each for each in config["dependencies"] if each["backend_fn"]]

    def put(self, elem_id: str, value: Any) -> None:
        """Type something."""
        self._values[self._ids[elem_id]] = value

    async def fire(self, elem_id: str, event: str = "click", index: int | None = None, leave_after: int = 0) -> str:
        """Everything that the server says about an event, as text; leave_after is a number of messages, 0 for all."""
        target = [self._ids[elem_id], event]
        found = next(each for each in self._events if target in [list(one) for one in each["targets"]])
        person, began, said, n = self.person, monotonic(), [], 0
        body = {
            "fn_index": found["id"],
            "session_hash": person.session,
            "trigger_id": target[0],
            "data": [self._values.get(each) for each in found["inputs"]],
            "event_data": None if index is None else {"index": index, "value": ""},
        }
        joined = await person.http.post("/gradio_api/queue/join", json=body)
        if joined.status_code != 200:
            person.findings.refuse(f"{joined.status_code} {joined.text[:80]}")
            return ""
        async with person.http.stream("GET", f"/gradio_api/queue/data?session_hash={person.session}") as stream:
            async for line in stream.aiter_lines():
                if not line.startswith("data: "):
                    continue
                message = json.loads(line[6:])
                if message["msg"] == "process_generating" and (n := n + 1) == 1:
                    person.findings.waited("page", monotonic() - began)
                if message["msg"] == "process_completed":
                    person.findings.answers += 1
                    if not message["success"]:
                        person.findings.refuse(str(message["output"].get("error"))[:80])
                said.append(line)
                if message["msg"] == "process_completed" or 0 < leave_after <= n:
                    break
        await asyncio.sleep(0)
        return "\n".join(said)
