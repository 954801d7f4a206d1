# SPDX-License-Identifier: Apache-2.0
"""A client in a program that has a GLib main loop, and programs as authors write them."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import unittest
from pathlib import Path
from typing import Callable
from xml.etree import ElementTree

from gi.repository import GLib

import cssc
from agent import SECONDS, Case, agent
from cssc import Sequence

PROGRAM = """
import cssc, signal
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
with cssc.Client() as client:
    client.register("naming", "init", 3, lambda call: None)
    print("ready", flush=True)
    signal.sigwait({signal.SIGTERM})
print("ended", flush=True)
"""


class Loop(Case):
    """Everything here runs in one thread, and that iterates the main context."""

    def setUp(self) -> None:
        super().setUp()
        self.client = cssc.Client(glib=True)
        self.addCleanup(self.client.close)

    def run_until(self, true: Callable[[], bool], what: str) -> None:
        """Run a main loop until something is true."""
        loop = GLib.MainLoop()
        late: list[str] = []

        def look() -> bool:
            if true():
                loop.quit()
            return True

        def end() -> bool:
            late.append(what)
            loop.quit()
            return True

        # At once: no test may depend on a loop that goes on for a moment.
        sources = [GLib.timeout_add(0, look), GLib.timeout_add(int(SECONDS * 1000), end)]
        loop.run()
        for source in sources:
            GLib.source_remove(source)
        self.assertEqual(late, [], "not so in time")

    def answer(self) -> str:
        """Run the loop, by which the answer is sent, until the agent has it."""
        got: list[str] = []
        waiting = threading.Thread(target=lambda: got.append(agent("answer")))
        waiting.start()
        self.run_until(lambda: bool(got), "the agent has the answer")
        waiting.join()
        return got[0]

    def test_callbacks_come_in_the_loop(self) -> None:
        threads: list[threading.Thread] = []

        def work(call: cssc.Invocation) -> None:
            threads.append(threading.current_thread())
            self.assertEqual(call.info.term, 3)

        self.client.register("naming", Sequence.INIT, 3, work)
        tag = agent("invoke", "naming")
        self.assertEqual(threads, [])
        self.run_until(lambda: bool(threads), "called")
        self.assertEqual(self.answer(), f"{tag} true ")
        self.assertEqual(threads, [threading.main_thread()])

    def test_waiting_in_a_callback_lets_the_loop_go_on_and_no_other_callback_in(self) -> None:
        story: list[str] = []

        def first(_: cssc.Invocation) -> None:
            story.append("begin first")
            agent("invoke", "second")
            ticks: list[int] = []
            GLib.idle_add(ticks.append, 1, priority=GLib.PRIORITY_HIGH)
            story.append(self.client.status()["node"])
            self.assertEqual(ticks, [1])
            story.append("end first")

        self.client.register("first", "init", 0, first)
        self.client.register("second", "init", 0, lambda _: story.append("second"))
        agent("invoke", "first")
        self.run_until(lambda: "second" in story, "both called")
        self.assertEqual(story, ["begin first", "n1", "end first", "second"])
        self.answer(), self.answer()

    def test_answers_later_and_over_a_restart(self) -> None:
        calls: list[cssc.Invocation] = []

        def later(call: cssc.Invocation) -> object:
            calls.append(call)
            return cssc.LATER

        self.client.register("naming", "init", 3, later)
        agent("invoke", "naming")
        self.run_until(lambda: len(calls) == 1, "called")
        agent("stop")
        answered = calls[0].fail("no")
        agent("serve")
        self.run_until(answered.done, "answered")
        self.assertEqual(self.answer(), f"{calls[0].tag} false no")
        agent("stop-bus")
        agent("start-bus")
        self.run_until(lambda: agent("registrations") != "", "registered again")
        agent("invoke", "naming")
        self.run_until(lambda: len(calls) == 2, "called again")
        answered = calls[1].done()
        self.run_until(answered.done, "answered")
        self.answer()

    def test_a_wait_has_an_end(self) -> None:
        agent("stop")
        with self.assertRaises(cssc.Timeout):
            self.client.register("naming", "init", 3, print, wait=0.1)
        agent("serve")


class Programs(Case):
    def test_a_program_ends_in_order(self) -> None:
        with subprocess.Popen([sys.executable, "-c", PROGRAM], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as program:
            assert program.stdout is not None
            self.assertEqual(program.stdout.readline(), "ready\n")
            tag = agent("invoke", "naming")
            self.assertEqual(agent("answer"), f"{tag} true ")
            program.terminate()
            self.assertEqual(program.stdout.read(), "ended\n")
        self.assertEqual(program.returncode, 0)

    def test_a_program_that_closes_nothing_ends_too(self) -> None:
        text = PROGRAM.replace("with cssc.Client() as client:", "client = cssc.Client()\nif True:")
        with subprocess.Popen([sys.executable, "-c", text], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as program:
            assert program.stdout is not None
            self.assertEqual(program.stdout.readline(), "ready\n")
            program.terminate()
            self.assertEqual(program.stdout.read(), "ended\n")
        self.assertEqual(program.returncode, 0)

    def test_notify(self) -> None:
        import socket
        import tempfile

        with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
            manager.bind(folder + "/notify")
            self.assertFalse(cssc.notify())
            os.environ["NOTIFY_SOCKET"] = folder + "/notify"
            try:
                self.assertTrue(cssc.notify("READY=1\nSTATUS=well"))
            finally:
                del os.environ["NOTIFY_SOCKET"]
            self.assertEqual(manager.recv(100), b"READY=1\nSTATUS=well")


class Interface(unittest.TestCase):
    def test_the_signals_are_those_of_the_interface(self) -> None:
        places = (Path(cssc.__file__).parents[2] / "dist/dbus-1/interfaces", Path("/usr/share/dbus-1/interfaces"))
        file = next(one for one in places if one.is_dir()) / "org.cssc.Agent1.Manager.xml"
        unicast = {"Callback", "SequenceCanceled"}
        declared = {
            signal.attrib["name"]: tuple(argument.attrib["name"] for argument in signal.iter("arg"))
            for signal in ElementTree.parse(file).getroot().iter("signal")
        }
        self.assertEqual({name: declared[name] for name in declared if name not in unicast}, cssc._words.SIGNALS)


if __name__ == "__main__":
    unittest.main()
