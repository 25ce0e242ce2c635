"""Clients behind a load balancer, as one process: `python load_client.py REQUESTS RATE STOP OUT PATH URL...`.

The balancer gives requests to the replicas in turn, to those only whose readiness probe succeeds. A request that a
replica closes the connection on without a byte of an answer goes to another replica and is still one request. It runs
until so many requests were answered and the file STOP is there, then writes a line for each: id, version, status, when
sent, when answered, how often tried. The bodies are the lines of OUT with the ending `.bodies`.
"""

from __future__ import annotations

import asyncio
import itertools
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

CONNECTIONS = 24
ATTEMPTS = 100
PROBE_SECONDS = 0.2


class Balancer:
    def __init__(self, urls):
        self.places = [(urlsplit(url).hostname, urlsplit(url).port) for url in urls]
        self.ready = set()
        self.turn = itertools.count()

    async def probe(self):
        while True:
            for place in self.places:
                try:
                    status, _, _ = await ask(await asyncio.open_connection(*place), head("GET", "/ready", "probe"))
                except (OSError, asyncio.IncompleteReadError):
                    status = 0
                (self.ready.add if status == 200 else self.ready.discard)(place)
            await asyncio.sleep(PROBE_SECONDS)

    def choose(self):
        known = [place for place in self.places if place in self.ready]
        return known[next(self.turn) % len(known)] if known else None


def head(method, path, request_id, body=b""):
    lines = [f"{method} {path} HTTP/1.1", "Host: load", f"X-Request-Id: {request_id}", f"Content-Length: {len(body)}"]
    return "\r\n".join([*lines, "", ""]).encode() + body


async def ask(connection, request):
    reader, writer = connection
    writer.write(request)
    answer = (await reader.readuntil(b"\r\n\r\n")).decode().lower().split("\r\n")
    fields = dict(line.split(": ", 1) for line in answer[1:] if ": " in line)
    await reader.readexactly(int(fields.get("content-length", 0)))
    return int(answer[0].split()[1]), fields.get("x-model-version", ""), fields.get("connection", "")


class Clients:
    def __init__(self, balancer, path, bodies, wanted, rate, stop):
        self.balancer, self.path, self.bodies = balancer, path, bodies
        self.wanted, self.rate, self.stop = wanted, rate, stop
        self.numbers = itertools.count()
        self.begun = time.monotonic()
        self.lines = []

    def done(self):
        return len(self.lines) >= self.wanted and self.stop.exists()

    async def run(self):
        held = {}
        while not self.done():
            number = next(self.numbers)
            ahead = number / self.rate - (time.monotonic() - self.begun)
            if ahead > 0:
                await asyncio.sleep(ahead)
            self.lines.append(await self.one(held, f"r{number}", self.bodies[number % len(self.bodies)]))

    async def one(self, held, request_id, body):
        request, sent = head("POST", self.path, request_id, body), time.time()
        for attempt in range(1, ATTEMPTS + 1):
            place = self.balancer.choose()
            if place is None:
                await asyncio.sleep(PROBE_SECONDS)
                continue
            try:
                if place not in held:
                    held[place] = await asyncio.open_connection(*place)
                status, version, kept = await ask(held[place], request)
            except (OSError, asyncio.IncompleteReadError):
                held.pop(place)[1].close() if place in held else None
                self.balancer.ready.discard(place)
                continue
            if kept == "close":
                held.pop(place)[1].close()
            return f"{request_id},{version},{status},{sent:.6f},{time.time():.6f},{attempt}"
        return f"{request_id},,0,{sent:.6f},{time.time():.6f},{ATTEMPTS}"


async def main(wanted, rate, stop, bodies, path, *urls):
    balancer = Balancer(urls)
    probing = asyncio.create_task(balancer.probe())
    clients = Clients(balancer, path, bodies, int(wanted), float(rate), stop)
    await asyncio.gather(*(clients.run() for _ in range(CONNECTIONS)))
    probing.cancel()
    return clients.lines


if __name__ == "__main__":
    requests, a_second, stop_file, out_file, *where = sys.argv[1:]
    sent = Path(out_file).with_suffix(".bodies").read_bytes().splitlines()
    found = asyncio.run(main(requests, a_second, Path(stop_file), sent, *where))
    Path(out_file).write_text("\n".join(["id,version,status,sent,answered,tries", *found, ""]))
