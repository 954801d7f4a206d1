package main

import (
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

const (
	// The priority is that of a real-time process: above the threads that serve interrupts,
	// below those with which the kernel itself takes a processor.
	priority = 90
	// The niceness is the next best.
	niceness = -20
)

// grip makes the process keep its memory and get a processor when everything else is
// starved. Where it may not, the process goes on with what it has; the return value says
// what it has.
func grip() string {
	memory, scheduling := "pageable", "normal"
	// Only what is touched is locked: the runtime reserves far more than it uses.
	if unix.Mlockall(unix.MCL_CURRENT|unix.MCL_FUTURE|unix.MCL_ONFAULT) == nil {
		memory = "locked"
	}
	tasks, err := os.ReadDir("/proc/self/task")
	if err != nil {
		return memory + ", " + scheduling
	}
	// Threads that are made later inherit it.
	for _, task := range tasks {
		thread, err := strconv.Atoi(task.Name())
		if err != nil {
			continue
		}
		attributes := unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_FIFO, Priority: priority}
		if unix.SchedSetAttr(thread, &attributes, 0) == nil {
			scheduling = "realtime"
		} else if unix.Setpriority(unix.PRIO_PROCESS, thread, niceness) == nil {
			scheduling = "nice"
		}
	}

	return memory + ", " + scheduling
}
