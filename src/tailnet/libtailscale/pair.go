package main

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// socketPair makes a connected pair: one end in Go's poller, the other a bare descriptor for Rust. Both are
// close-on-exec from the start, so that no child of the process can inherit a connection.
func socketPair(kind int) (ours *os.File, theirs int, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, kind|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, -1, fmt.Errorf("socketpair: %w", err)
	}
	// os.NewFile hands a descriptor that is non-blocking to the poller.
	return os.NewFile(uintptr(fds[0]), "tailnet"), fds[1], nil
}
