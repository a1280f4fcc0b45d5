"""A TCP proxy between nodes: what passes may be delayed, cut, held up in one direction, or put out of order. TLS goes through
unopened, so what the proxy does is what a network does. One thread for all connections of a proxy; loopback only."""
import asyncio
import random
import threading

CHUNK = 65536


class Proxy:
    """Passes connections at `port` (chosen when 0) on to `target`. The knobs may be turned while it runs, from any thread."""

    def __init__(self, target, port=0):
        self.target = target
        self.delay_s = 0.0  # each way: a round trip takes twice this
        self.spread_s = 0.0  # each connection takes a share of it longer, drawn when it begins: they overtake each other
        self.swaps = 0  # rounds of swap()
        self.opened = 0  # connections so far
        self.refusing = False  # new connections are closed at once
        self.held = set()  # directions that pass nothing just now: "in" (to the target), "out"
        self.passed = {"in": 0, "out": 0}
        self.connections = set()
        self.loop = asyncio.new_event_loop()
        started = threading.Event()
        self.thread = threading.Thread(target=self._run, args=(port, started), daemon=True)
        self.thread.start()
        started.wait()

    def _run(self, port, started):
        asyncio.set_event_loop(self.loop)

        async def begin():
            self.server = await asyncio.start_server(self._serve, "127.0.0.1", port)
            self.port = self.server.sockets[0].getsockname()[1]
            started.set()

        self.loop.run_until_complete(begin())
        self.loop.run_forever()
        # Stopped: what is still on its way ends here, and streams have nothing to complain of.
        self.loop.set_exception_handler(lambda loop, context: None)
        self.server.close()
        rest = asyncio.all_tasks(self.loop)
        for task in rest:
            task.cancel()
        self.loop.run_until_complete(asyncio.gather(*rest, return_exceptions=True))
        self.loop.close()

    async def _serve(self, reader, writer):
        if self.refusing:
            writer.close()
            return
        try:
            onward_reader, onward_writer = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            writer.close()
            return
        pair = (writer, onward_writer)
        self.connections.add(pair)
        self.opened += 1
        share = random.random()
        try:
            await asyncio.gather(self._pass(reader, onward_writer, "in", share), self._pass(onward_reader, writer, "out", share))
        finally:
            self.connections.discard(pair)

    async def _pass(self, reader, writer, direction, share):
        """Bytes keep their order, as on a TCP connection, but for swap(); each waits the delay of the moment it came."""
        queue = asyncio.Queue(maxsize=256)

        async def deliver():
            while True:
                due, data = await queue.get()
                await asyncio.sleep(max(0.0, due - self.loop.time()))
                while direction in self.held:
                    await asyncio.sleep(0.01)
                if data is None:
                    writer.close()
                    return
                try:
                    writer.write(data)
                    await writer.drain()
                except ConnectionError:
                    return
                self.passed[direction] += len(data)

        delivering = asyncio.ensure_future(deliver())
        swaps, kept = self.swaps, None
        try:
            while data := await reader.read(CHUNK):
                if swaps != self.swaps and kept is None:
                    kept = data
                    continue
                due = self.loop.time() + self.delay_s + share * self.spread_s
                await queue.put((due, data))
                if kept is not None:
                    await queue.put((due, kept))
                    swaps, kept = self.swaps, None
        except ConnectionError:
            pass
        await queue.put((self.loop.time(), None))
        await delivering

    def cut(self):
        """Ends all connections that pass through; new ones are as welcome as before."""
        def close():
            for pair in list(self.connections):
                for writer in pair:
                    writer.transport.abort()
        self.loop.call_soon_threadsafe(close)

    def swap(self):
        """Each connection that there is passes its next two chunks on in the wrong order: TLS has to break over that."""
        self.swaps += 1

    def stop(self):
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(10)
