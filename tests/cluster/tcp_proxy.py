"""A TCP proxy between nodes: what passes may be delayed, cut, or held up in one direction. TLS goes through unopened, so
what the proxy does is what a network does. One thread for all connections of a proxy; loopback only."""
import asyncio
import threading

CHUNK = 65536


class Proxy:
    """Passes connections at `port` (chosen when 0) on to `target`. The knobs may be turned while it runs, from any thread."""

    def __init__(self, target, port=0):
        self.target = target
        self.delay_s = 0.0  # each way: a round trip takes twice this
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
        try:
            await asyncio.gather(self._pass(reader, onward_writer, "in"), self._pass(onward_reader, writer, "out"))
        finally:
            self.connections.discard(pair)

    async def _pass(self, reader, writer, direction):
        """Bytes keep their order, as on a TCP connection; each waits the delay of the moment it came."""
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
        try:
            while data := await reader.read(CHUNK):
                await queue.put((self.loop.time() + self.delay_s, data))
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

    def stop(self):
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(10)
