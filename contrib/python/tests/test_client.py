# SPDX-License-Identifier: Apache-2.0
"""A client with threads of its own: what it is told, what it answers, what it survives."""

from __future__ import annotations

import queue
import threading
import unittest
from concurrent.futures import Future
from typing import Any

import cssc
from agent import SECONDS, Case, agent, take
from cssc import Sequence


class ClientCase(Case):
    """A test with a client."""

    def setUp(self) -> None:
        super().setUp()
        self.client = cssc.Client()
        self.addCleanup(self.client.close)
        self.calls: "queue.Queue[cssc.Invocation]" = queue.Queue()

    def later(self, call: cssc.Invocation) -> cssc._words.Later:
        """A callback that lets the test answer."""
        self.calls.put(call)
        return cssc.LATER

    def register(self, **options: Any) -> None:
        self.client.register("naming", Sequence.INIT, 3, self.later, **options)

    def call(self) -> cssc.Invocation:
        found: cssc.Invocation = take(self.calls, "an invocation")
        return found

    def until_registered(self, count: int = 1) -> None:
        bound = threading.Event()
        for _ in range(600):
            if len(agent("registrations").split()) == count:
                return
            bound.wait(0.05)
        self.fail(f"registered is only {agent('registrations')!r}")


class Invocations(ClientCase):
    def test_called_with_everything_and_answers(self) -> None:
        self.register(cookie=42, timeout=60.0, on_failure="continue")
        self.assertEqual(agent("registrations"), "naming/init/3/42/1m0s/continue")
        tag = int(agent("invoke", "naming"))
        call = self.call()
        self.assertEqual(
            (call.tag, call.component, call.sequence, call.level, call.cookie, call.noboot, call.resume),
            (tag, "naming", Sequence.INIT, 3, 42, False, False),
        )
        self.assertEqual(call.info, cssc.Info("n1", "local", "initializing", cssc.Role.MASTER, 3, "n1", ""))
        call.fail("no disk").result(SECONDS)
        self.assertEqual(agent("answer"), f"{tag} false no disk")
        with self.assertRaises(cssc.NoSuchInvocation):
            call.done().result(SECONDS)

    def test_a_callback_that_returns_is_done_and_one_that_raises_has_failed(self) -> None:
        def work(call: cssc.Invocation) -> None:
            if call.tag == second:
                raise RuntimeError("disk\nfull " + "ä" * 2000)

        second = -1
        self.client.register("naming", "init", 3, work)
        tag = agent("invoke", "naming")
        self.assertEqual(agent("answer"), f"{tag} true ")
        second = int(tag) + 1
        with self.assertLogs("cssc", "ERROR"):
            agent("invoke", "naming")
            answer = agent("answer")
        self.assertTrue(answer.startswith(f"{second} false disk full ää"), answer)
        self.assertTrue(answer.endswith("ä…"), answer)
        self.assertLessEqual(len(answer.encode()), 1024 + 20)

    def test_last_and_unregister(self) -> None:
        self.client.register("naming", Sequence.SHUT, cssc.LAST, self.later)
        self.assertEqual(agent("registrations"), "naming/shut/-1/0/0s/inherit")
        agent("invoke", "naming")
        call = self.call()
        self.assertEqual((call.level, call.level_word), (cssc.LAST, "last"))
        call.done().result(SECONDS)
        agent("answer")
        self.client.unregister("naming", Sequence.SHUT, cssc.LAST)
        self.assertEqual(agent("registrations"), "")
        with self.assertRaises(cssc.NoSuchRegistration):
            self.client.unregister("naming", Sequence.SHUT, cssc.LAST)

    def test_cancelled_work_is_void(self) -> None:
        canceled: "queue.Queue[tuple[Sequence, int]]" = queue.Queue()
        self.client.on_canceled(lambda sequence, level: canceled.put((sequence, level)))
        self.register()
        agent("invoke", "naming")
        call = self.call()
        self.assertFalse(call.void.is_set())
        agent("cancel", "promote")
        self.assertEqual(take(canceled, "the cancellation of another"), (Sequence.PROMOTE, 3))
        self.assertFalse(call.void.is_set())
        agent("cancel", "init")
        self.assertEqual(take(canceled, "the cancellation"), (Sequence.INIT, 3))
        self.assertTrue(call.void.is_set())
        with self.assertRaises(cssc.NoSuchInvocation):
            call.done().result(SECONDS)

    def test_a_newer_call_replaces_an_older_one(self) -> None:
        self.register()
        agent("invoke", "naming")
        older = self.call()
        agent("invoke", "naming")
        newer = self.call()
        self.assertTrue(older.void.is_set())
        newer.done().result(SECONDS)
        self.assertEqual(agent("answer"), f"{newer.tag} true ")

    def test_what_is_void_does_not_come_back(self) -> None:
        """A list of the open invocations that comes late has what was replaced since."""
        self.register()
        agent("invoke", "naming")
        older = self.call()
        agent("invoke", "naming")
        newer = self.call()
        keeper = self.client._keeper
        with keeper._changed:
            keeper._take(keeper._link, (older.tag, older.component, str(older.sequence), older.level, 0, {}))
        self.assertFalse(newer.void.is_set())
        newer.done().result(SECONDS)
        self.assertEqual(agent("answer"), f"{newer.tag} true ")
        self.assertTrue(self.calls.empty())

    def test_callbacks_come_one_after_another(self) -> None:
        order: "queue.Queue[str]" = queue.Queue()
        go_on = threading.Event()

        def slow(_: cssc.Invocation) -> None:
            order.put("begin slow")
            go_on.wait(SECONDS)
            order.put("end slow")

        self.client.register("slow", "init", 0, slow)
        self.client.register("fast", "init", 0, lambda _: order.put("fast"))
        agent("invoke", "slow")
        self.assertEqual(take(order, "the first"), "begin slow")
        agent("invoke", "fast")
        self.client.status()  # behind the signal
        self.assertTrue(order.empty())
        go_on.set()
        self.assertEqual([take(order, "more"), take(order, "more")], ["end slow", "fast"])
        agent("answer"), agent("answer")


class Restarts(ClientCase):
    def test_an_answer_waits_for_the_agent(self) -> None:
        self.register()
        agent("invoke", "naming")
        call = self.call()
        agent("stop")
        answered = call.done()
        self.assertFalse(answered.done())
        agent("serve")
        answered.result(SECONDS)
        self.assertEqual(agent("answer"), f"{call.tag} true ")
        self.assertTrue(self.calls.empty())

    def test_a_lost_reply_to_an_answer_is_a_success(self) -> None:
        self.register()
        agent("invoke", "naming")
        call = self.call()
        agent("lose-reply")
        call.done().result(SECONDS)
        self.assertEqual(agent("answer"), f"{call.tag} true ")
        self.until_registered()

    def test_a_missed_invocation_is_found_once(self) -> None:
        self.register()
        agent("stop")
        agent("miss", 77)
        agent("serve")
        call = self.call()
        self.assertEqual((call.tag, call.noboot), (77, True))
        call.done().result(SECONDS)
        agent("answer")
        agent("stop")
        agent("miss", 77)
        agent("serve")
        self.until_registered()
        self.client.unregister("naming", "init", 3)  # behind the question for open invocations
        self.assertTrue(self.calls.empty())

    def test_what_the_agent_forgot_is_settled(self) -> None:
        self.register()
        agent("invoke", "naming")
        call = self.call()
        agent("stop")
        agent("forget")
        agent("serve")
        self.assertTrue(call.void.wait(SECONDS))
        self.until_registered()
        agent("invoke", "naming")
        self.call().done().result(SECONDS)
        agent("answer")

    def test_the_bus_restarts(self) -> None:
        self.register()
        self.client.register("naming", "shut", 0, self.later)
        for _ in range(3):
            agent("invoke", "naming")
            call = self.call()
            agent("stop-bus")
            self.assertTrue(call.void.wait(SECONDS))
            with self.assertRaises(cssc.NoSuchInvocation):
                call.done().result(SECONDS)
            agent("start-bus")
            self.until_registered(2)
        agent("invoke", "naming")
        self.call().done().result(SECONDS)
        agent("answer")

    def test_an_answer_to_a_lost_bus_is_void(self) -> None:
        self.register()
        agent("invoke", "naming")
        call = self.call()
        agent("stop")
        answered = call.done()
        agent("stop-bus")
        agent("start-bus")
        with self.assertRaises(cssc.NoSuchInvocation):
            answered.result(SECONDS)  # before there is an agent
        agent("forget")  # it finds that the connection is gone
        agent("serve")
        self.until_registered()

    def test_a_service_may_start_before_the_agent(self) -> None:
        lost: "queue.Queue[cssc.Event]" = queue.Queue()
        self.client.subscribe(lost.put, "AgentLost")
        agent("stop")
        take(lost, "the loss of the agent")
        with self.assertRaises(cssc.NoAgent):
            self.client.status()
        with self.assertRaises(cssc.Timeout):
            self.client.register("other", "init", 0, self.later, wait=0.1)
        self.client.register("naming", "init", 3, self.later, wait=0)
        agent("serve")
        self.until_registered()
        agent("invoke", "naming")
        self.call().done().result(SECONDS)
        agent("answer")
        self.assertEqual(agent("registrations"), "naming/init/3/0/0s/inherit")

    def test_a_refusal_after_a_restart_stops_nothing_else(self) -> None:
        self.register()
        self.client.register("other", "init", 0, self.later)
        agent("fail", "Register", "org.freedesktop.DBus.Error.LimitsExceeded")
        agent("stop")
        agent("forget")
        with self.assertLogs("cssc", "ERROR") as logs:
            agent("serve")
            self.client.subscribe(lambda _: None)  # behind the registrations
            self.client.status()
            bound = threading.Event()
            for _ in range(600):
                if len(logs.output) == 2:
                    break
                bound.wait(0.05)
        self.assertEqual(len(logs.output), 2, logs.output)
        agent("fail", "Register")
        agent("stop")
        agent("serve")
        self.until_registered(2)


class Trust(ClientCase):
    def test_forgeries_are_ignored(self) -> None:
        canceled: "queue.Queue[Sequence]" = queue.Queue()
        events: "queue.Queue[cssc.Event]" = queue.Queue()
        self.client.on_canceled(lambda sequence, _: canceled.put(sequence))
        self.client.subscribe(events.put, "MasterReady")
        self.register()
        agent("invoke", "naming")
        call = self.call()
        agent("forge")
        agent("ready", 7)
        self.assertEqual(take(events, "a true event").fields["term"], 7)
        self.assertTrue(self.calls.empty() and canceled.empty())
        self.assertFalse(call.void.is_set())
        call.done().result(SECONDS)
        agent("answer")


class Questions(ClientCase):
    def test_events_over_restarts(self) -> None:
        events: "queue.Queue[cssc.Event]" = queue.Queue()
        end = self.client.subscribe(events.put, "MasterReady", "AgentLost", "AgentFound")
        agent("ready", 9)
        self.assertEqual(take(events, "MasterReady"), cssc.Event("MasterReady", {"node": "n1", "term": 9, "info": {}}))
        agent("stop")
        self.assertEqual(take(events, "AgentLost").name, "AgentLost")
        agent("serve")
        self.assertEqual(take(events, "AgentFound").name, "AgentFound")
        agent("stop-bus")
        self.assertEqual(take(events, "AgentLost").name, "AgentLost")
        agent("start-bus")
        self.assertEqual(take(events, "AgentFound").name, "AgentFound")
        ended: "queue.Queue[cssc.Event]" = queue.Queue()
        self.client.subscribe(ended.put, "MasterReady")
        end()
        agent("ready", 10)
        self.assertEqual(take(ended, "MasterReady").fields["term"], 10)
        self.assertTrue(events.empty())

    def test_a_slow_reader_is_told_what_it_missed(self) -> None:
        go_on, began = threading.Event(), threading.Event()
        events: "queue.Queue[cssc.Event]" = queue.Queue()

        def slow(event: cssc.Event) -> None:
            began.set()
            go_on.wait(SECONDS)
            events.put(event)

        self.client.subscribe(slow, "MasterReady")
        agent("ready", 1)
        began.wait(SECONDS)
        for term in range(1100):
            agent("ready", term)
        self.client.status()  # behind all of them
        go_on.set()
        for _ in range(1025):
            self.assertEqual(take(events, "an event").name, "MasterReady")
        agent("ready", 5000)
        self.assertEqual(take(events, "the note").name, "Missed")
        self.assertEqual(take(events, "an event").fields["term"], 5000)

    def test_an_exception_in_one_callback_does_not_end_the_others(self) -> None:
        events: "queue.Queue[cssc.Event]" = queue.Queue()

        def bad(_: cssc.Event) -> None:
            raise SystemExit(1)

        self.client.subscribe(bad, "MasterReady")
        self.client.subscribe(events.put, "MasterReady")
        with self.assertLogs("cssc", "ERROR"):
            agent("ready", 4)
            take(events, "the event of the other")

    def test_questions(self) -> None:
        agent("ready", 3)
        self.assertEqual(self.client.master_ready(), ("n1", 3))
        self.assertEqual(self.client.config("levels.init"), 10)
        with self.assertRaises(cssc.InvalidArgs):
            self.client.config("nonsense")
        status = self.client.status()
        self.assertEqual((status["node"], status["role"], status["ready"]), ("n1", "master", True))

    def test_operations(self) -> None:
        number = self.client.request_operation("shutdown", mode="noboot", reason="test")
        with self.assertRaises(cssc.Timeout):
            self.client.wait_operation(number, 0.05)
        ended: "Future[dict[str, Any]]" = Future()
        threading.Thread(target=lambda: ended.set_result(self.client.wait_operation(number, SECONDS))).start()
        agent("finish", number)
        found = ended.result(SECONDS)
        self.assertEqual((found["result"], found["error"], found["mode"]), ("failed", "db did not stop", "noboot"))
        with self.assertRaises(cssc.NoSuchNode):
            self.client.request_operation("disqualify", "n9")
        with self.assertRaisesRegex(cssc.InvalidArgs, "nonsense"):
            self.client.request_operation("nonsense")
        with self.assertRaisesRegex(cssc.Error, "does not know it"):
            self.client.wait_operation(4711, 1)


class Errors(ClientCase):
    def test_every_error_of_the_bus_has_a_class_of_that_name(self) -> None:
        for name in agent("errors").split():
            error = cssc._errors.error_of(name, "text")
            self.assertIsNot(type(error), cssc.Error, name)
        classes = {one.name for one in cssc._errors._classes(cssc.Error)} - {"org.cssc.Client.Closed"}
        standard = "org.freedesktop.DBus.Error."
        self.assertEqual(classes - set(agent("errors").split()), {standard + "Disconnected", standard + "NotSupported"})
        self.assertEqual(cssc._errors.error_of("com.example.Odd", "text").name, "com.example.Odd")

    def test_errors_come_as_their_classes(self) -> None:
        for name in agent("errors").split():
            expected = type(cssc._errors.error_of(name, ""))
            agent("fail", "Operation", name)
            with self.assertRaises(expected, msg=name):
                self.client.request_operation("switchover")
        agent("fail", "Operation")

    def test_registrations_that_are_refused(self) -> None:
        agent("fail", "Register", "org.freedesktop.DBus.Error.AccessDenied")
        with self.assertRaises(cssc.AccessDenied):
            self.register()
        agent("fail", "Register")
        self.register()
        with self.assertRaisesRegex(cssc.AlreadyRegistered, "naming at init 3"):
            self.register()
        with cssc.Client() as other, self.assertRaises(cssc.AlreadyRegistered):
            other.register("naming", "init", 3, self.later)
        for bad in ({"timeout": 0}, {"timeout": 86401}, {"cookie": -1}, {"on_failure": "explode"}):
            with self.assertRaises(ValueError, msg=str(bad)):
                self.client.register("other", "init", 0, self.later, **bad)  # type: ignore[arg-type]
        for sequence, level in (("boot", 0), ("init", -2)):
            with self.assertRaises(ValueError):
                self.client.register("other", sequence, level, self.later)
        with self.assertRaises(cssc.InvalidArgs):
            self.client.register("", "init", 0, self.later)

    def test_no_bus(self) -> None:
        for address in ("unix:path=/nonexistent/bus", "nonsense"):
            with self.assertRaises(cssc.NoBus, msg=address):
                cssc.Client(address=address)

    def test_a_closed_client_says_so(self) -> None:
        client = cssc.Client()
        client.register("closing", "init", 3, self.later)
        agent("invoke", "closing")
        call = self.call()
        client.close()
        self.assertTrue(call.void.is_set())
        with self.assertRaises(cssc.Closed):
            call.done().result(SECONDS)
        with self.assertRaises(cssc.Closed):
            client.status()
        with self.assertRaises(cssc.Closed):
            client.register("x", "init", 0, self.later)
        with self.assertRaises(cssc.Closed):
            client.subscribe(print)
        client.close()


if __name__ == "__main__":
    unittest.main()
