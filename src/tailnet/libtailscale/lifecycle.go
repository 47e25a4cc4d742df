package main

import "C"

import (
	"errors"
	"fmt"
	"net/http"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"tailscale.com/tsnet"
)

// closeLimit bounds tailscale_close. tsnet.Server.Close of 1.102.5 can hang for ever: see netstack.go.
const closeLimit = 5 * time.Second

var errNotRunning = errors.New("the node is not started")

type phase int

const (
	phaseNew phase = iota
	phaseStarting
	phaseStarted
	phaseFailed
	phaseClosed
)

// node is what a handle stands for.
type node struct {
	server *tsnet.Server
	log    logSink
	clock  clock
	// whoIsClient asks who a caller is.
	whoIsClient *http.Client
	// endpoints counts connections that the netstack knows: open ones, and closed ones for their afterlife.
	endpoints atomic.Int64
	// started is closed when tsnet's Start has returned, whatever came of it.
	started chan struct{}

	// mu guards what follows. It is never held across a call into tsnet.
	mu        sync.Mutex
	phase     phase
	lastError string
	// tsnetUp: Start succeeded, so Close must be called, and only then may it be.
	tsnetUp   bool
	splices   map[*splice]struct{}
	listeners map[listenerKey]*listener
	// stopAccepting unregisters the handler of incoming connections.
	stopAccepting func()
}

// tailscale_start starts the node and its login; it does not wait for either to come about.
//
//export tailscale_start
func tailscale_start(handle C.int) C.int {
	return withNode(handle, (*node).start)
}

func (n *node) start() error {
	n.mu.Lock()
	if n.phase != phaseNew {
		n.mu.Unlock()
		return errors.New("the node was started or closed before")
	}
	n.phase = phaseStarting
	n.mu.Unlock()

	err := n.startServer()

	n.mu.Lock()
	defer n.mu.Unlock()
	n.tsnetUp = err == nil
	close(n.started)
	switch {
	case n.phase == phaseClosed:
		return errors.New("the node was closed while it started")
	case err != nil:
		n.phase = phaseFailed
		return err
	}
	n.phase = phaseStarted
	return nil
}

// startServer must not panic: close would wait for started in vain.
func (n *node) startServer() (err error) {
	defer func() {
		if cause := recover(); cause != nil {
			n.log.warnf("panic in start: %v\n%s", cause, debug.Stack())
			err = fmt.Errorf("the node's start panicked: %v", cause)
		}
	}()
	if err := n.server.Start(); err != nil {
		return err
	}
	n.tuneNetstack()
	n.clock.follow(n.server.Sys().Bus.Get())
	// Not tsnet's Listen: a fallback handler gets the addresses of the SYN (gonet's RemoteAddr is nil until the
	// handshake ends, and again after a reset), runs on the connection's own goroutine, and has no one-second limit
	// after which the connection is dropped.
	n.stopAccepting = n.server.RegisterFallbackTCPHandler(n.incoming)
	return nil
}

// tailscale_close ends the node and frees its handle: in any state, from any thread, during a start as well. After
// ETIMEDOUT parts of the node are still alive: the process should end, and must not open the same folder again.
//
//export tailscale_close
func tailscale_close(handle C.int) C.int {
	result := withNode(handle, (*node).close)
	handlesMu.Lock()
	delete(handles, handle)
	handlesMu.Unlock()
	return result
}

func (n *node) close() error {
	deadline := time.Now().Add(closeLimit)
	n.mu.Lock()
	before := n.phase
	n.phase = phaseClosed
	listeners, splices := n.listeners, n.splices
	n.listeners, n.splices = nil, nil
	n.mu.Unlock()

	for _, l := range listeners {
		l.close()
	}
	for s := range splices {
		s.cut()
	}
	if before == phaseNew || before == phaseClosed {
		n.log.close()
		return nil
	}
	closed := make(chan error, 1)
	go func() { closed <- n.closeServer(deadline) }()
	select {
	case err := <-closed:
		return err
	case <-time.After(time.Until(deadline)):
		return syscall.ETIMEDOUT
	}
}

// closeServer waits for a running start: tsnet's Close must not run beside its Start.
func (n *node) closeServer(deadline time.Time) (err error) {
	defer func() {
		if cause := recover(); cause != nil {
			err = fmt.Errorf("the node's close panicked: %v", cause)
		}
	}()
	<-n.started
	defer n.log.close()
	n.mu.Lock()
	up := n.tsnetUp
	n.mu.Unlock()
	if !up {
		return nil // tsnet has cleaned up after itself, and its Close would dereference nil
	}
	n.stopAccepting()
	n.drain(deadline)
	n.whoIsClient.CloseIdleConnections()
	return n.server.Close()
}

// running tells the other exported functions whether tsnet may be called.
func (n *node) running() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.phase != phaseStarted {
		return errNotRunning
	}
	return nil
}
