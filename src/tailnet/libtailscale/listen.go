package main

import "C"

import (
	"fmt"
	"net"
	"net/netip"
	"os"

	"golang.org/x/sys/unix"
)

// maxPending bounds, for each listener, the connections that wait for their WhoIs or for Rust to take them.
const maxPending = 1024

// listenerKey: the tailnet and the internet each have a port of that number.
type listenerKey struct {
	port   uint16
	funnel bool
}

// listener is our end of a SOCK_SEQPACKET pair. Each packet is one connection: a hello and a descriptor.
type listener struct {
	socket  *os.File
	pending chan struct{}
}

func (l *listener) close() { _ = l.socket.Close() }

// tailscale_listen takes connections to one TCP port of the node's own addresses. *listenerOut becomes a
// SOCK_SEQPACKET socket: see hello for what a packet says, and a packet always carries one descriptor. Closing the
// socket ends the listener. A port that Serve publishes is Serve's.
//
//export tailscale_listen
func tailscale_listen(handle C.int, port C.ushort, listenerOut *C.int) C.int {
	return withNode(handle, func(n *node) error {
		fd, err := n.listen(uint16(port))
		if err != nil {
			return err
		}
		*listenerOut = C.int(fd)
		return nil
	})
}

func (n *node) listen(port uint16) (fd int, err error) {
	key := listenerKey{port: port}
	l, fd, err := n.openListener(key)
	if err != nil {
		return -1, err
	}
	go n.removeWhenClosed(key, l)
	return fd, nil
}

func (n *node) openListener(key listenerKey) (l *listener, theirs int, err error) {
	ours, theirs, err := socketPair(unix.SOCK_SEQPACKET)
	if err != nil {
		return nil, -1, err
	}
	l = &listener{socket: ours, pending: make(chan struct{}, maxPending)}
	if err := n.addListener(key, l); err != nil {
		l.close()
		_ = unix.Close(theirs)
		return nil, -1, err
	}
	return l, theirs, nil
}

func (n *node) addListener(key listenerKey, l *listener) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.phase != phaseStarted {
		return errNotRunning
	}
	if n.listeners[key] != nil {
		return fmt.Errorf("port %d has a listener already", key.port)
	}
	n.listeners[key] = l
	return nil
}

// removeWhenClosed waits for the end of a socket on which Rust never writes.
func (n *node) removeWhenClosed(key listenerKey, l *listener) {
	_, _ = l.socket.Read(make([]byte, 1))
	n.mu.Lock()
	if n.listeners[key] == l {
		delete(n.listeners, key)
	}
	n.mu.Unlock()
	l.close()
}

// incoming decides on a SYN. tsnet holds its lock meanwhile. Only the node's own addresses count: never a subnet
// route's or a service's.
func (n *node) incoming(source, destination netip.AddrPort) (handler func(net.Conn), intercept bool) {
	n.mu.Lock()
	l := n.listeners[listenerKey{port: destination.Port()}]
	n.mu.Unlock()
	if l == nil || !n.isOwnAddress(destination.Addr()) {
		return nil, false
	}
	select {
	case l.pending <- struct{}{}:
		return func(connection net.Conn) { n.accept(l, connection, source) }, true
	default:
		return nil, true // refused with a reset: too many wait
	}
}

func (n *node) isOwnAddress(address netip.Addr) bool {
	ip4, ip6 := n.server.TailscaleIPs()
	return address == ip4 || address == ip6
}
