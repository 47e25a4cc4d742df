package main

import "C"

import (
	"fmt"
	"runtime/debug"
	"sync"
	"syscall"
	"unsafe"
)

// Rust knows a node by a number: Go pointers must not be kept by C. A closed node's number is not used again.
var (
	handlesMu  sync.Mutex
	handles    = map[C.int]*node{}
	lastHandle = C.int(0)
)

func register(n *node) C.int {
	handlesMu.Lock()
	defer handlesMu.Unlock()
	lastHandle++
	handles[lastHandle] = n
	return lastHandle
}

// withNode runs one exported function's body and turns its outcome into the C result. A panic that left an exported
// function would abort the whole process.
func withNode(handle C.int, body func(*node) error) (result C.int) {
	handlesMu.Lock()
	n := handles[handle]
	handlesMu.Unlock()
	if n == nil {
		return C.int(syscall.EBADF)
	}
	defer func() {
		if cause := recover(); cause != nil {
			n.log.warnf("panic: %v\n%s", cause, debug.Stack())
			result = n.failed(fmt.Errorf("the node's code panicked: %v", cause))
		}
	}()
	return n.failed(body(n))
}

// failed keeps an error's text for tailscale_errmsg. A bare errno is its own text; a wrapped one has more to say.
func (n *node) failed(err error) C.int {
	if err == nil {
		return 0
	}
	if errno, ok := err.(syscall.Errno); ok {
		return C.int(errno)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.lastError = err.Error()
	return -1
}

// tailscale_errmsg copies the text of the handle's last failure (-1), with a NUL, into a buffer of size bytes. Two
// calls that fail at the same time share it, as in libtailscale. A text that is too long is cut.
//
//export tailscale_errmsg
func tailscale_errmsg(handle C.int, buffer *C.char, size C.size_t) C.int {
	return withNode(handle, func(n *node) error {
		if buffer == nil || size == 0 {
			return syscall.EINVAL
		}
		n.mu.Lock()
		defer n.mu.Unlock()
		target := unsafe.Slice((*byte)(unsafe.Pointer(buffer)), int(size))
		target[copy(target[:len(target)-1], n.lastError)] = 0
		return nil
	})
}
